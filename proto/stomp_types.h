#pragma once

#include <cstdint>
#include <string_view>

namespace stampede::proto {

enum class StompVersion : uint8_t { k10, k11, k12 };

[[nodiscard]] std::string_view to_string(StompVersion version);  // "1.0", "1.1", "1.2"

// The commands a client may send. kUnknown covers everything else, the server's own commands
// included: a client's MESSAGE is an unknown command (STOMP 1.2, "Frames and Headers").
enum class StompCommand : uint8_t {
  kUnknown,
  kConnect,
  kStomp,
  kSend,
  kSubscribe,
  kUnsubscribe,
  kAck,
  kNack,
  kBegin,
  kCommit,
  kAbort,
  kDisconnect,
};

// Case-sensitive, as the grammar is.
[[nodiscard]] StompCommand stomp_command(std::string_view name);

}  // namespace stampede::proto
