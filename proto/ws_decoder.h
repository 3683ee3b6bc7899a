#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "proto/utf8.h"
#include "proto/ws_types.h"

namespace stampede::proto {

struct WsLimits {
  uint64_t message_bytes_max;  // one data message over all its fragments, decided by the frame
                               // header: kMessageTooBig
  uint32_t fragments_max;      // frames of one message, empty ones included: kMessageTooBig
};

// WsContextPool lends frame contexts (less than 200 octets each) to the decoders of one shard,
// which hold one only while a WebSocket frame is incomplete, and the room in which they unmask
// payload.
//
// Owns:      every context, lent ones included. Thread: home shard.
// Lifetime:  outlives the decoders that borrow from it.
class WsContextPool {
 public:
  WsContextPool();
  ~WsContextPool();
  WsContextPool(const WsContextPool&) = delete;
  WsContextPool& operator=(const WsContextPool&) = delete;

  [[nodiscard]] size_t lent() const;
  [[nodiscard]] size_t spare() const;

 private:
  friend class WsDecoder;
  struct State;
  std::unique_ptr<State> state_;
};

// What the decoder met. Data comes as it arrives, frame by frame or in smaller pieces: STOMP does
// not care for a message's end.
enum class WsEventKind : uint8_t {
  kNeedMore,  // the input is used up
  kData,      // payload of a text or binary message, unmasked (text: checked so far)
  kPing,      // payload: up to 125 octets, to be sent back
  kPong,
  kClose,  // status_code (kNone if the frame had none); nothing is decoded behind it
  kError,  // status_code says with what code to fail the connection
};

struct WsEvent {
  WsEventKind kind;
  WsOpcode message_opcode = WsOpcode::kContinuation;  // kData: kText or kBinary
  // Valid until the next call of release(), or of next() of any decoder of this pool.
  std::span<const uint8_t> payload = {};
  uint16_t status_code = 0;      // kClose: the peer's code or 0; kError: the code to close with
  std::string_view detail = {};  // kError: a readable clause (static storage)
};

// WsDecoder takes the octets of one connection behind the opening handshake and gives payload and
// control frames (RFC 6455 sections 5 to 7).
//
// Owns:      a few words; a context of the pool while a frame is incomplete. Thread: home shard.
// Invariant: the events do not depend on how the input was cut, but for where kData is divided.
//            No payload is buffered here beyond an incomplete control frame.
class WsDecoder {
 public:
  WsDecoder();
  ~WsDecoder();  // must have given its context back: call release() first if a pool is in use
  WsDecoder(const WsDecoder&) = delete;
  WsDecoder& operator=(const WsDecoder&) = delete;

  // Takes from the front of `input` (shrinks it) until something can be told. To be called until it
  // says kNeedMore, kClose or kError, even if `input` is empty before: an error may wait behind the
  // last octets that were good, and the context goes back to the pool with that last event. After
  // kClose and kError the decoder is finished and must not be called again.
  [[nodiscard]] WsEvent next(std::span<const uint8_t>& input, const WsLimits& limits,
                             WsContextPool& pool);

  // Gives a borrowed context back; for a connection that ends inside a frame.
  void release(WsContextPool& pool);
  [[nodiscard]] bool holds_context() const { return context_ != nullptr; }

 private:
  struct Context;
  friend class WsContextPool;

  [[nodiscard]] bool at_frame_border() const;
  // These return why the frame is refused, kError with its code, or kNeedMore if it may go on.
  [[nodiscard]] WsEvent take_header(std::span<const uint8_t>& input, const WsLimits& limits);
  [[nodiscard]] WsEvent check_opcode(const WsLimits& limits) const;
  [[nodiscard]] WsEvent check_mask_and_length() const;
  [[nodiscard]] WsEvent check_length(const WsLimits& limits);
  // kNeedMore: nothing to tell yet.
  [[nodiscard]] WsEvent take_payload(std::span<const uint8_t>& input, WsContextPool& pool);
  [[nodiscard]] WsEvent take_control_payload(std::span<const uint8_t>& input);
  [[nodiscard]] WsEvent on_data(std::span<const uint8_t> payload, bool is_ascii);
  [[nodiscard]] WsEvent on_control_frame() const;
  [[nodiscard]] WsEvent text_until_error(std::span<const uint8_t> payload, Utf8Stream text);

  Context* context_ = nullptr;
  uint64_t message_bytes_ = 0;  // announced by the headers of the open message
  uint32_t fragments_ = 0;      // of the open message
  Utf8Stream utf8_;             // of the open text message
  WsOpcode message_opcode_ = WsOpcode::kContinuation;  // kContinuation: no message is open
};

// One per connection; most of them are idle.
static_assert(sizeof(WsDecoder) <= 64);

}  // namespace stampede::proto
