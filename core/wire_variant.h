#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "proto/stomp_types.h"

namespace stampede::core {

// How octets reach a client: what a group's log is written for.
struct WireVariant {
  enum class Framing : uint8_t { kTcp, kWebSocketText, kWebSocketBinary };
  Framing framing = Framing::kTcp;
  proto::StompVersion version = proto::StompVersion::k12;
  friend bool operator==(const WireVariant&, const WireVariant&) = default;
};

// Appends one STOMP frame, or a heart-beat's end of line. What is not UTF-8 goes as a binary
// message whatever the framing (RFC 6455 section 5.6).
void append_framed(std::string& out, WireVariant::Framing framing, std::string_view stomp);
// The same, for who knows already whether it is UTF-8.
void append_framed(std::string& out, WireVariant::Framing framing, std::string_view stomp,
                   bool is_utf8);

}  // namespace stampede::core
