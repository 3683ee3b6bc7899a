#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "proto/stomp_types.h"

namespace stampede::proto {

struct StompHeader {
  std::string_view name;
  std::string_view value;
};

// One frame as a client sent it: views of its command, of its unescaped headers in the order of
// arrival, and of its body.
//
// Lifetime: until the next feed() of any parser on this thread, and no longer than the input bytes.
struct StompFrame {
  StompCommand command = StompCommand::kUnknown;
  std::string_view command_text;
  std::span<const StompHeader> headers;
  std::span<const uint8_t> body;
  // All names and values are is_plain_header_text().
  bool is_plain = false;
  // Known to be UTF-8, as all of it came in text messages. False: nobody has looked.
  bool is_known_utf8 = false;

  // The first entry counts when a header is repeated (STOMP 1.2, "Repeated Header Entries").
  // O(headers); the number of headers is limited.
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const {
    for (const StompHeader& entry : headers) {
      if (entry.name == name) return entry.value;
    }
    return std::nullopt;
  }
};

}  // namespace stampede::proto
