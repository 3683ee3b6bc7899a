#include "proto/ws_decoder.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>
#include <vector>

#include "proto/base/check.h"
#include "proto/ws_unmask.h"

namespace stampede::proto {
namespace {

// RFC 6455 section 5.2: flags and opcode; mask bit and length; 64 bits of length; masking key.
constexpr size_t kHeaderBytesMax = 2 + 8 + 4;
constexpr uint8_t kFinBit = 0x80;
constexpr uint8_t kRsvBits = 0x70;
constexpr uint8_t kOpcodeBits = 0x0F;
constexpr uint8_t kMaskBit = 0x80;
constexpr uint8_t kLengthBits = 0x7F;

// A burst of incomplete frames leaves at most this many idle contexts to a shard.
constexpr size_t kSpareContextsMax = 64;
// Payload is handed out in pieces of at most this size: what a receive brings is one piece, and it
// is still in the first-level cache when it is parsed.
constexpr size_t kPieceBytesMax = 4096;

constexpr bool is_control(WsOpcode opcode) { return (static_cast<uint8_t>(opcode) & 0x8) != 0; }

constexpr size_t length_octets(uint8_t second_octet) {
  const uint8_t length = second_octet & kLengthBits;
  if (length < 126) return 0;
  return length == 126 ? 2 : 8;
}

WsEvent failure(WsStatusCode code, std::string_view detail) {
  return {
      .kind = WsEventKind::kError, .status_code = static_cast<uint16_t>(code), .detail = detail};
}

WsEvent protocol_error(std::string_view detail) {
  return failure(WsStatusCode::kProtocolError, detail);
}

WsEvent text_error() {
  return failure(WsStatusCode::kInvalidPayload, "a text message is not valid UTF-8");
}

constexpr WsEvent kNothingYet{.kind = WsEventKind::kNeedMore};

bool may_go_on(const WsEvent& event) { return event.kind == WsEventKind::kNeedMore; }

}  // namespace

bool is_valid_peer_close_code(uint16_t code) {
  // RFC 6455 section 7.4.2 and the IANA registry: 1004 is reserved, 1005, 1006 and 1015 are never
  // sent.
  if (code >= 1000 && code <= 1014) return code < 1004 || code > 1006;
  return code >= 3000 && code <= 4999;
}

// One frame on its way. Its header is looked at as the octets arrive, so that a frame is refused
// before its payload is there. Payload of data frames is not kept here.
struct WsDecoder::Context {
  [[nodiscard]] WsOpcode opcode() const { return static_cast<WsOpcode>(header[0] & kOpcodeBits); }
  [[nodiscard]] bool fin() const { return (header[0] & kFinBit) != 0; }
  // Requires: the first two octets of the header are there.
  [[nodiscard]] size_t length_end() const { return 2 + length_octets(header[1]); }
  [[nodiscard]] bool header_complete() const {
    return header_size >= 2 && header_size == length_end() + 4;
  }
  [[nodiscard]] bool complete() const { return header_complete() && payload_left == 0; }
  void start_next_frame() { header_size = control_size = 0; }

  // Unmasks what `input` has of the payload, up to `room` octets, and takes it from there.
  // Requires: the header is complete.
  struct Unmasked {
    size_t size;
    bool is_ascii;
  };
  Unmasked unmask(std::span<const uint8_t>& input, uint8_t* out, size_t room) {
    const size_t wanted = static_cast<size_t>(std::min<uint64_t>(room, payload_left));
    const size_t size = std::min(wanted, input.size());
    uint8_t* const key = header + length_end();
    const bool is_ascii = unmask_payload(input.data(), size, key, out);
    input = input.subspan(size);
    payload_left -= size;
    // So that the first octet of the key is the next octet's.
    if (payload_left > 0) std::rotate(key, key + size % 4, key + 4);
    return {size, is_ascii};
  }

  size_t pool_index = 0;
  uint64_t payload_left = 0;
  uint8_t header_size = 0;
  uint8_t control_size = 0;
  bool text_failed = false;  // the good part of a bad text was handed out; the error is next
  uint8_t header[kHeaderBytesMax] = {};
  uint8_t control[kWsControlPayloadBytesMax];
};

struct WsContextPool::State {
  using Context = WsDecoder::Context;

  Context* borrow() {
    if (spare.empty()) {
      contexts.push_back(std::make_unique<Context>());
      contexts.back()->pool_index = contexts.size() - 1;
      return contexts.back().get();
    }
    Context* context = spare.back();
    spare.pop_back();
    return context;
  }

  // `reusable`: it stands at a frame border. Who borrows one begins a frame with it.
  void take_back(Context* context, bool reusable) {
    if (reusable && spare.size() < kSpareContextsMax) {
      spare.push_back(context);
      return;
    }
    const size_t index = context->pool_index;
    std::swap(contexts[index], contexts.back());
    contexts[index]->pool_index = index;
    contexts.pop_back();
  }

  std::vector<std::unique_ptr<Context>> contexts;
  std::vector<Context*> spare;
  std::array<uint8_t, kPieceBytesMax> piece;  // of payload that was handed out last
};

WsContextPool::WsContextPool() : state_(std::make_unique<State>()) {}
WsContextPool::~WsContextPool() = default;
size_t WsContextPool::lent() const { return state_->contexts.size() - state_->spare.size(); }
size_t WsContextPool::spare() const { return state_->spare.size(); }

WsDecoder::WsDecoder() = default;
WsDecoder::~WsDecoder() { DCHECK(context_ == nullptr); }

WsEvent WsDecoder::next(std::span<const uint8_t>& input, const WsLimits& limits,
                        WsContextPool& pool) {
  if (context_ == nullptr && input.empty()) return kNothingYet;
  if (context_ == nullptr) context_ = pool.state_->borrow();

  WsEvent event = context_->text_failed ? text_error() : kNothingYet;
  // A frame without payload is complete with its header.
  while (may_go_on(event) && (!input.empty() || context_->complete())) {
    event = context_->header_complete() ? take_payload(input, pool) : take_header(input, limits);
  }
  const bool is_last = event.kind == WsEventKind::kClose || event.kind == WsEventKind::kError;
  // The payload of a ping or pong lies in the context, which is kept for it until the next call.
  if (is_last || (may_go_on(event) && at_frame_border())) release(pool);
  return event;
}

void WsDecoder::release(WsContextPool& pool) {
  if (context_ == nullptr) return;
  const bool reusable = at_frame_border();
  pool.state_->take_back(std::exchange(context_, nullptr), reusable);
}

bool WsDecoder::at_frame_border() const {
  return context_->header_size == 0 && !context_->text_failed;
}

WsEvent WsDecoder::take_header(std::span<const uint8_t>& input, const WsLimits& limits) {
  Context& frame = *context_;
  while (!input.empty() && !frame.header_complete()) {
    const size_t before = frame.header_size;
    // PERF: most headers lie whole at the front of what is there, with payload behind them.
    if (before == 0 && input.size() >= kHeaderBytesMax) {
      std::memcpy(frame.header, input.data(), kHeaderBytesMax);
      frame.header_size = static_cast<uint8_t>(frame.length_end() + 4);
    } else {
      frame.header[frame.header_size++] = input.front();
    }
    input = input.subspan(frame.header_size - before);

    // Each rule is held against the first octet that can break it, however the header was cut.
    const auto reached = [&](size_t end) { return before < end && frame.header_size >= end; };
    WsEvent event = kNothingYet;
    if (reached(1)) event = check_opcode(limits);
    if (may_go_on(event) && reached(2)) event = check_mask_and_length();
    if (may_go_on(event) && frame.header_size >= 2 && reached(frame.length_end())) {
      event = check_length(limits);
    }
    if (!may_go_on(event)) return event;
  }
  return kNothingYet;
}

WsEvent WsDecoder::check_opcode(const WsLimits& limits) const {
  if ((context_->header[0] & kRsvBits) != 0) return protocol_error("a reserved bit is set");
  const bool is_open = message_opcode_ != WsOpcode::kContinuation;
  switch (context_->opcode()) {
    case WsOpcode::kContinuation:
      if (!is_open) return protocol_error("a continuation frame continues no message");
      if (fragments_ >= limits.fragments_max) {
        return failure(WsStatusCode::kMessageTooBig, "a message has too many fragments");
      }
      return kNothingYet;
    case WsOpcode::kText:
    case WsOpcode::kBinary:
      if (is_open) return protocol_error("a message begins inside a fragmented message");
      return kNothingYet;
    case WsOpcode::kClose:
    case WsOpcode::kPing:
    case WsOpcode::kPong:
      if (!context_->fin()) return protocol_error("a control frame is fragmented");
      return kNothingYet;
  }
  return protocol_error("the opcode is reserved");
}

WsEvent WsDecoder::check_mask_and_length() const {
  const uint8_t octet = context_->header[1];
  if ((octet & kMaskBit) == 0) return protocol_error("a frame is not masked");
  const WsOpcode opcode = context_->opcode();
  const uint8_t length = octet & kLengthBits;
  if (is_control(opcode) && length > kWsControlPayloadBytesMax) {
    return protocol_error("a control frame is too long");
  }
  if (opcode == WsOpcode::kClose && length == 1) {
    return protocol_error("a close frame holds half a status code");
  }
  return kNothingYet;
}

WsEvent WsDecoder::check_length(const WsLimits& limits) {
  Context& frame = *context_;
  const size_t octets = length_octets(frame.header[1]);
  uint64_t length = octets == 0 ? frame.header[1] & kLengthBits : 0;
  for (size_t at = 0; at < octets; ++at) length = length << 8 | frame.header[2 + at];
  if (octets == 8 && length >> 63 != 0) return protocol_error("the payload length is negative");
  if ((octets == 2 && length < 126) || (octets == 8 && length <= 0xFFFF)) {
    return protocol_error("the payload length is not in its shortest form");
  }
  frame.payload_left = length;

  const WsOpcode opcode = frame.opcode();
  if (is_control(opcode)) return kNothingYet;
  if (opcode != WsOpcode::kContinuation) {
    message_opcode_ = opcode;
    message_bytes_ = 0;
    fragments_ = 0;
    utf8_.reset();
  }
  ++fragments_;
  if (message_bytes_ > limits.message_bytes_max ||
      length > limits.message_bytes_max - message_bytes_) {
    return failure(WsStatusCode::kMessageTooBig, "a message is too long");
  }
  message_bytes_ += length;
  return kNothingYet;
}

WsEvent WsDecoder::take_payload(std::span<const uint8_t>& input, WsContextPool& pool) {
  if (is_control(context_->opcode())) return take_control_payload(input);
  std::span<uint8_t> piece = pool.state_->piece;
  const auto [size, is_ascii] = context_->unmask(input, piece.data(), piece.size());
  return on_data(piece.first(size), is_ascii);
}

WsEvent WsDecoder::take_control_payload(std::span<const uint8_t>& input) {
  Context& frame = *context_;
  const size_t room = kWsControlPayloadBytesMax - frame.control_size;
  const size_t size = frame.unmask(input, frame.control + frame.control_size, room).size;
  frame.control_size = static_cast<uint8_t>(frame.control_size + size);
  if (frame.payload_left > 0) return kNothingYet;
  const WsEvent event = on_control_frame();
  frame.start_next_frame();
  return event;
}

WsEvent WsDecoder::on_data(std::span<const uint8_t> payload, bool is_ascii) {
  Context& frame = *context_;
  const WsOpcode opcode = message_opcode_;
  // ASCII between two characters needs no other look.
  if (opcode == WsOpcode::kText && !(is_ascii && utf8_.at_character_border())) {
    const Utf8Stream before = utf8_;
    if (!utf8_.feed(payload)) return text_until_error(payload, before);
  }
  if (frame.payload_left == 0) {
    if (frame.fin()) {
      frame.text_failed = opcode == WsOpcode::kText && !utf8_.at_character_border();
      message_opcode_ = WsOpcode::kContinuation;
    }
    frame.start_next_frame();
  }
  if (payload.empty()) return frame.text_failed ? text_error() : kNothingYet;
  return {.kind = WsEventKind::kData, .message_opcode = opcode, .payload = payload};
}

// What a text holds before its first bad octet is handed out all the same, since it would have been
// had the input been cut there. Off the common path, so octet by octet.
WsEvent WsDecoder::text_until_error(std::span<const uint8_t> payload, Utf8Stream text) {
  size_t good = 0;
  while (good < payload.size() && text.feed(payload.subspan(good, 1))) ++good;
  context_->text_failed = true;
  if (good == 0) return text_error();
  return {.kind = WsEventKind::kData,
          .message_opcode = WsOpcode::kText,
          .payload = payload.first(good)};
}

WsEvent WsDecoder::on_control_frame() const {
  const Context& frame = *context_;
  const std::span<const uint8_t> payload(frame.control, frame.control_size);
  if (frame.opcode() == WsOpcode::kPing) return {.kind = WsEventKind::kPing, .payload = payload};
  if (frame.opcode() == WsOpcode::kPong) return {.kind = WsEventKind::kPong, .payload = payload};
  if (payload.empty()) return {.kind = WsEventKind::kClose};

  const auto code = static_cast<uint16_t>(payload[0] << 8 | payload[1]);
  if (!is_valid_peer_close_code(code)) return protocol_error("a close frame has an invalid code");
  if (!is_valid_utf8(payload.subspan(2))) {
    return failure(WsStatusCode::kInvalidPayload, "the reason of a close frame is not valid UTF-8");
  }
  return {.kind = WsEventKind::kClose, .status_code = code};
}

}  // namespace stampede::proto
