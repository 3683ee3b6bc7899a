#include "tools/stampede_bench/wire/websocket_reader.h"

#include <algorithm>
#include <utility>

#include "proto/ws_types.h"

namespace stampede::bench {
namespace {

// Brokers answer the handshake with a few hundred octets.
constexpr size_t kHeadBytesMax = 16 * 1024;
constexpr size_t kCodeBytes = 2;

constexpr uint8_t opcode(proto::WsOpcode value) { return static_cast<uint8_t>(value); }

uint8_t octet(std::string_view text, size_t at) { return static_cast<uint8_t>(text[at]); }

// Octets of the header that `octets` begin with, 0 if they are not all there. The mask bit is
// refused elsewhere, so no key is counted.
size_t header_bytes(std::string_view octets) {
  if (octets.size() < 2) return 0;
  const uint8_t length = octet(octets, 1) & 0x7F;
  const size_t bytes = length == 127 ? 10 : length == 126 ? 4 : 2;
  return octets.size() < bytes ? 0 : bytes;
}

// "HTTP/1.1 101 ..." (RFC 6455 section 4.1); the reason behind it means nothing.
bool is_switching(std::string_view status_line) {
  return status_line.starts_with("HTTP/1.1 101") &&
         (status_line.size() == 12 || status_line[12] == ' ');
}

}  // namespace

WsServerEvent WebSocketReader::next(std::string_view& input) {
  using enum WsServerEventKind;
  if (is_held_told_) {
    std::string().swap(held_);
    is_held_told_ = false;
  }
  if (phase_ == Phase::kHead) return take_head(input);
  while (!input.empty() || phase_ == Phase::kControl) {
    if (phase_ == Phase::kPayload) {
      const size_t size = std::min<uint64_t>(payload_left_, input.size());
      const std::string_view payload = input.substr(0, size);
      input.remove_prefix(size);
      payload_left_ -= size;
      if (payload_left_ == 0) phase_ = Phase::kFrameHeader;
      return {kData, payload};
    }
    if (phase_ == Phase::kControl) {
      const WsServerEvent event = take_control(input);
      if (event.kind != kNeedMore || phase_ == Phase::kControl) return event;
      continue;
    }
    const char* failure = nullptr;
    if (!take_frame_header(input, failure)) {
      if (failure != nullptr) return {kFailed, failure};
      return {};
    }
  }
  return {};
}

WsServerEvent WebSocketReader::take_head(std::string_view& input) {
  const size_t before = held_.size();
  held_.append(input);
  const size_t end = held_.find("\r\n\r\n", before < 3 ? 0 : before - 3);
  if (end == std::string::npos) {
    input = {};
    if (held_.size() <= kHeadBytesMax) return {};
    return {WsServerEventKind::kFailed, "the answer to the opening handshake has no end"};
  }
  input.remove_prefix(end + 4 - before);
  held_.resize(held_.find("\r\n"));
  is_held_told_ = true;
  if (!is_switching(held_)) return {WsServerEventKind::kFailed, held_};
  phase_ = Phase::kFrameHeader;
  return {WsServerEventKind::kOpened};
}

bool WebSocketReader::take_frame_header(std::string_view& input, const char*& failure) {
  // PERF: but for one header in each read, all of it is in the input and nothing is held.
  if (held_.empty()) {
    if (const size_t bytes = header_bytes(input); bytes > 0) {
      failure = begin_frame(input.substr(0, bytes));
      input.remove_prefix(bytes);
      return failure == nullptr;
    }
  }
  while (!input.empty()) {
    held_.push_back(input.front());
    input.remove_prefix(1);
    if (header_bytes(held_) == 0) continue;
    failure = begin_frame(held_);
    held_.clear();
    return failure == nullptr;
  }
  return false;
}

const char* WebSocketReader::begin_frame(std::string_view header) {
  const uint8_t first = octet(header, 0);
  const uint8_t code = first & 0x0F;
  const bool is_fin = (first & 0x80) != 0;
  if ((first & 0x70) != 0) return "a WebSocket frame uses an extension that was not asked for";
  if ((octet(header, 1) & 0x80) != 0) return "a WebSocket frame from the server is masked";

  payload_left_ = octet(header, 1) & 0x7F;
  if (header.size() > 2) {
    payload_left_ = 0;
    for (const char part : header.substr(2)) {
      payload_left_ = payload_left_ << 8 | static_cast<uint8_t>(part);
    }
  }
  if (code >= opcode(proto::WsOpcode::kClose)) {
    if (code > opcode(proto::WsOpcode::kPong)) return "a WebSocket frame has an unknown opcode";
    if (!is_fin || header.size() > 2) return "a WebSocket control frame is too long or cut";
    control_opcode_ = code;
    phase_ = Phase::kControl;
    return nullptr;
  }
  if (code > opcode(proto::WsOpcode::kBinary)) return "a WebSocket frame has an unknown opcode";
  if ((code == opcode(proto::WsOpcode::kContinuation)) != is_message_open_) {
    return "WebSocket fragments are out of order";
  }
  is_message_open_ = !is_fin;
  phase_ = payload_left_ == 0 ? Phase::kFrameHeader : Phase::kPayload;
  return nullptr;
}

WsServerEvent WebSocketReader::take_control(std::string_view& input) {
  const size_t size = std::min<uint64_t>(payload_left_, input.size());
  std::string_view payload = input.substr(0, size);
  input.remove_prefix(size);
  payload_left_ -= size;
  if (payload_left_ > 0 || !held_.empty()) held_.append(payload);
  if (payload_left_ > 0) return {};

  phase_ = Phase::kFrameHeader;
  if (!held_.empty()) {
    payload = held_;
    is_held_told_ = true;
  }
  if (control_opcode_ == opcode(proto::WsOpcode::kClose)) return close_event(payload);
  if (control_opcode_ == opcode(proto::WsOpcode::kPing)) {
    return {WsServerEventKind::kPing, payload};
  }
  if (std::exchange(is_held_told_, false)) std::string().swap(held_);
  return {};
}

WsServerEvent WebSocketReader::close_event(std::string_view payload) {
  // RFC 6455 section 7.1.5: a close frame without a code reads as 1005.
  unsigned code = 1005;
  std::string_view reason;
  if (payload.size() >= kCodeBytes) {
    code = unsigned{octet(payload, 0)} << 8 | octet(payload, 1);
    reason = payload.substr(kCodeBytes);
  }
  std::string told = "closed " + std::to_string(code);
  if (!reason.empty()) told.append(" ").append(reason);
  held_ = std::move(told);
  return {WsServerEventKind::kClosed, held_};
}

}  // namespace stampede::bench
