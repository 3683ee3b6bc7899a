#pragma once

#include <cstddef>
#include <cstdint>

namespace stampede::proto {

// RFC 6455 section 5.2.
enum class WsOpcode : uint8_t {
  kContinuation = 0x0,
  kText = 0x1,
  kBinary = 0x2,
  kClose = 0x8,
  kPing = 0x9,
  kPong = 0xA,
};

// RFC 6455 section 7.4.1 and the IANA registry; only those that we send or name.
enum class WsStatusCode : uint16_t {
  kNone = 0,  // never on the wire: a close frame without a code
  kNormal = 1000,
  kGoingAway = 1001,
  kProtocolError = 1002,
  kInvalidPayload = 1007,
  kPolicyViolation = 1008,
  kMessageTooBig = 1009,
  kInternalError = 1011,
  kServiceRestart = 1012,
  kTryAgainLater = 1013,
};

// True for a code that a peer may put in a close frame (RFC 6455 section 7.4.2).
[[nodiscard]] bool is_valid_peer_close_code(uint16_t code);

inline constexpr size_t kWsControlPayloadBytesMax = 125;
inline constexpr size_t kWsServerHeaderBytesMax = 10;  // server frames are never masked

}  // namespace stampede::proto
