#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace stampede::core {

using ShardId = uint32_t;
inline constexpr ShardId kShardsMax = 64;  // interest is a 64-bit mask

// Milliseconds of a monotonic clock that net (or the simulation) hands in.
using Millis = int64_t;
inline constexpr Millis kNever = INT64_MAX;

// Names a client across shards and time: a slot is reused, a (slot, generation) pair never.
struct ClientRef {
  uint32_t slot = 0;
  uint32_t generation = 0;
  friend bool operator==(const ClientRef&, const ClientRef&) = default;
};

enum class Transport : uint8_t { kTcp, kWebSocket };

// Why a connection ended: a closed set; each close is logged with one and counted under it.
enum class CloseReason : uint8_t {
  kClientDisconnect,  // DISCONNECT
  kPeerClosed,        // close frame or end of stream
  kPeerReset,         // an error of the socket
  kHttpTimeout,
  kHttpBad,
  kOriginDenied,
  kConnectTimeout,
  kProtocolError,  // ERROR with a syntax or state token, or a WebSocket violation
  kFrameTooBig,
  kHeaderLimit,
  kUtf8,
  kHeartBeatMissed,
  kSlowConsumerBytes,
  kSlowConsumerTime,
  kConnectionLimit,
  kQueueFull,
  kMemory,  // the node is at its limit of memory, and it held much
  kDrain,
  kInternal,
  kCount,
};

[[nodiscard]] std::string_view to_string(CloseReason reason);  // "client_disconnect", ...

// One piece of what a send carries; layout of struct iovec, so that net passes it on as it is.
struct SendSpan {
  const void* data;
  size_t size;
};

}  // namespace stampede::core
