#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace stampede::bench {

enum class WsServerEventKind : uint8_t {
  kNeedMore,  // the input is used up
  kOpened,    // the opening handshake was answered with 101
  kData,      // payload of a data frame, or as much of it as is there
  kPing,      // its payload, to be sent back
  kClosed,    // "closed 1001 the reason"; nothing is read behind it
  kFailed,    // what the server did wrong, or the status line that is not a 101; nothing behind it
};

struct WsServerEvent {
  WsServerEventKind kind = WsServerEventKind::kNeedMore;
  std::string_view payload = {};  // until the next call of next(), and no longer than the input
};

// WebSocketReader takes what a WebSocket server sends (RFC 6455 sections 4 to 7). Every protocol
// here takes its messages as one stream of octets, so where a message ends is not told, and
// fragments join by themselves.
//
// Owns:      a head, a frame header or a control frame that a read cut in two; data never.
// Thread:    the load thread of its connection.
// Invariant: the events do not depend on how the input was cut, but for where kData is divided.
class WebSocketReader {
 public:
  enum class Start : uint8_t { kOpeningHandshake, kFrames };
  explicit WebSocketReader(Start start)
      : phase_(start == Start::kFrames ? Phase::kFrameHeader : Phase::kHead) {}

  // Takes from the front of `input`; to be called until it says kNeedMore, kClosed or kFailed.
  [[nodiscard]] WsServerEvent next(std::string_view& input);

 private:
  enum class Phase : uint8_t { kHead, kFrameHeader, kPayload, kControl };

  [[nodiscard]] WsServerEvent take_head(std::string_view& input);
  // False: more is needed, or `failure` says what is wrong.
  [[nodiscard]] bool take_frame_header(std::string_view& input, const char*& failure);
  [[nodiscard]] const char* begin_frame(std::string_view header);
  // kNeedMore also for a pong, which asks for nothing; phase_ tells it apart.
  [[nodiscard]] WsServerEvent take_control(std::string_view& input);
  [[nodiscard]] WsServerEvent close_event(std::string_view payload);

  std::string held_;
  uint64_t payload_left_ = 0;
  Phase phase_;
  uint8_t control_opcode_ = 0;
  bool is_message_open_ = false;  // a fragment came that was not the last
  bool is_held_told_ = false;     // held_ was told, and is to be freed
};

}  // namespace stampede::bench
