#include "proto/ws_decoder.h"

#include <wslay/wslay.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "proto/base/check.h"

namespace stampede::proto {
namespace {

// RFC 6455 section 5.2: flags and opcode; mask bit and length; 64 bits of length; masking key.
constexpr size_t kHeaderBytesMax = 2 + 8 + 4;
constexpr uint8_t kFinBit = 0x80;
constexpr uint8_t kRsvBits = 0x70;
constexpr uint8_t kOpcodeBits = 0x0F;
constexpr uint8_t kMaskBit = 0x80;
constexpr uint8_t kLengthBits = 0x7F;

// A burst of incomplete frames leaves at most this many idle contexts (256 KiB) to a shard.
constexpr size_t kSpareContextsMax = 64;

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

// One frame on its way through wslay. The header is looked at here as its octets arrive, so that a
// frame is refused before its payload is there; then header and payload go to wslay, never an octet
// of the next frame, so that nothing is left in its buffer between two calls.
struct WsDecoder::Context {
  Context() {
    const wslay_frame_callbacks callbacks{nullptr, receive, nullptr};
    CHECK(wslay_frame_context_init(&wslay, &callbacks, this) == 0);
  }
  ~Context() { wslay_frame_context_free(wslay); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  static ssize_t receive(uint8_t* out, size_t room, int flags, void* self);

  [[nodiscard]] WsOpcode opcode() const { return static_cast<WsOpcode>(header[0] & kOpcodeBits); }
  [[nodiscard]] bool fin() const { return (header[0] & kFinBit) != 0; }
  // Requires: the first two octets of the header are there.
  [[nodiscard]] size_t header_bytes() const { return 2 + length_octets(header[1]) + 4; }
  [[nodiscard]] bool header_complete() const {
    return header_size >= 2 && header_size == header_bytes();
  }
  void start_next_frame() { header_size = header_given = control_size = 0; }

  wslay_frame_context_ptr wslay = nullptr;
  size_t pool_index = 0;
  std::span<const uint8_t>* input = nullptr;  // set during a call of wslay only
  uint64_t payload_left = 0;                  // not yet given to wslay
  uint8_t header_size = 0;
  uint8_t header_given = 0;
  uint8_t control_size = 0;
  bool text_failed = false;  // the good part of a bad text was handed out; the error is next
  uint8_t header[kHeaderBytesMax];
  uint8_t control[kWsControlPayloadBytesMax];
};

ssize_t WsDecoder::Context::receive(uint8_t* out, size_t room, int /*flags*/, void* self) {
  auto* context = static_cast<Context*>(self);
  if (context->header_given < context->header_size) {
    const size_t size = std::min<size_t>(room, context->header_size - context->header_given);
    std::memcpy(out, context->header + context->header_given, size);
    context->header_given = static_cast<uint8_t>(context->header_given + size);
    return static_cast<ssize_t>(size);
  }
  const size_t wanted = static_cast<size_t>(std::min<uint64_t>(room, context->payload_left));
  const size_t size = std::min(wanted, context->input->size());
  if (size == 0) return -1;
  std::memcpy(out, context->input->data(), size);
  *context->input = context->input->subspan(size);
  context->payload_left -= size;
  return static_cast<ssize_t>(size);
}

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

  // `reusable`: it stands at a frame border. wslay has no way back to one from inside a frame.
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
  while (may_go_on(event) && !input.empty()) {
    event = context_->header_complete() ? take_payload(input) : take_header(input, limits);
  }
  const bool is_last = event.kind == WsEventKind::kClose || event.kind == WsEventKind::kError;
  // The payload of other events lies in the context, which is kept for them until the next call.
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
    const uint8_t octet = input.front();
    input = input.subspan(1);
    frame.header[frame.header_size++] = octet;

    // Each rule is held against the first octet that can break it, however the header was cut.
    WsEvent event = kNothingYet;
    if (frame.header_size == 1) event = check_opcode(octet, limits);
    if (frame.header_size == 2) event = check_mask_and_length(octet);
    if (may_go_on(event) && frame.header_size >= 2 &&
        frame.header_size == 2 + length_octets(frame.header[1])) {
      event = check_length(limits);
    }
    if (!may_go_on(event)) return event;
  }
  // A frame without payload is complete with its header.
  if (frame.header_complete() && frame.payload_left == 0) return take_payload(input);
  return kNothingYet;
}

WsEvent WsDecoder::check_opcode(uint8_t octet, const WsLimits& limits) const {
  if ((octet & kRsvBits) != 0) return protocol_error("a reserved bit is set");
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

WsEvent WsDecoder::check_mask_and_length(uint8_t octet) const {
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

WsEvent WsDecoder::take_payload(std::span<const uint8_t>& input) {
  Context& frame = *context_;
  frame.input = &input;
  wslay_frame_iocb received{};
  const ssize_t result = wslay_frame_recv(frame.wslay, &received);
  frame.input = nullptr;
  if (result < 0) {
    // All that wslay would refuse was refused above; if it knows more, its word counts.
    return result == WSLAY_ERR_WANT_READ ? kNothingYet : protocol_error("the frame is malformed");
  }
  const std::span<const uint8_t> payload(received.data, received.data_length);
  if (!is_control(frame.opcode())) return on_data(payload);

  std::copy(payload.begin(), payload.end(), frame.control + frame.control_size);
  frame.control_size = static_cast<uint8_t>(frame.control_size + payload.size());
  if (frame.payload_left > 0) return kNothingYet;
  const WsEvent event = on_control_frame();
  frame.start_next_frame();
  return event;
}

WsEvent WsDecoder::on_data(std::span<const uint8_t> payload) {
  Context& frame = *context_;
  const WsOpcode opcode = message_opcode_;
  if (opcode == WsOpcode::kText) {
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
