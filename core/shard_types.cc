#include "core/shard_types.h"

#include <array>

#include "proto/base/check.h"

namespace stampede::core {

std::string_view to_string(CloseReason reason) {
  static constexpr std::array<std::string_view, static_cast<size_t>(CloseReason::kCount)> kNames = {
      "client_disconnect", "peer_closed", "peer_reset",
      "http_timeout",      "http_bad",    "origin_denied",
      "connect_timeout",   "proto_error", "frame_too_big",
      "header_limit",      "utf8",        "heartbeat_missed",
      "slow_hard",         "slow_soft",   "conn_limit",
      "queue_full",        "memory",      "drain",
      "internal",
  };
  CHECK(reason < CloseReason::kCount);
  return kNames[static_cast<size_t>(reason)];
}

}  // namespace stampede::core
