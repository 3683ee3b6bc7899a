#pragma once

#include <wslay/wslay.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "proto/ws_decoder.h"

namespace stampede::tests {

// What a decoder made of some input, in a form that does not show how the data was divided.
struct WsStory {
  std::string data = {};                   // payload of all data frames, one behind the other
  std::vector<std::string> controls = {};  // "ping:...", "pong:..."
  bool closed = false;                     // the peer's close frame came
  uint16_t close_code = 0;                 // its code, or 0
  uint16_t error_code = 0;                 // the code to fail the connection with, or 0

  bool operator==(const WsStory&) const = default;
};

inline WsStory tell_by_decoder(const std::vector<std::span<const uint8_t>>& pieces,
                               const proto::WsLimits& limits, proto::WsContextPool& pool) {
  using proto::WsEventKind;
  WsStory story;
  proto::WsDecoder decoder;
  for (std::span<const uint8_t> input : pieces) {
    while (!story.closed && story.error_code == 0) {
      const proto::WsEvent event = decoder.next(input, limits, pool);
      const std::string payload(event.payload.begin(), event.payload.end());
      if (event.kind == WsEventKind::kNeedMore) break;
      if (event.kind == WsEventKind::kData) story.data += payload;
      if (event.kind == WsEventKind::kPing) story.controls.push_back("ping:" + payload);
      if (event.kind == WsEventKind::kPong) story.controls.push_back("pong:" + payload);
      if (event.kind == WsEventKind::kClose) {
        story.closed = true;
        story.close_code = event.status_code;
      }
      if (event.kind == WsEventKind::kError) story.error_code = event.status_code;
    }
  }
  decoder.release(pool);
  return story;
}

// wslay's event level on the same input. It differs from ours in known ways: it does not know the
// close codes 1012 to 1014, takes a close frame with half a code for an empty one, has no limit on
// fragments, looks at a header only when the first octet of payload is there, gives a piece of text
// that goes bad in the middle not at all, and does not wait for the end of a close frame to refuse
// its reason. Inputs stay below its buffer of 4096 octets: it forgets where in a close frame the
// reason begins if that frame comes in two reads.
class WsOracle {
 public:
  explicit WsOracle(uint64_t message_bytes_max) {
    wslay_event_callbacks callbacks{};
    callbacks.recv_callback = on_receive;
    callbacks.on_frame_recv_start_callback = on_frame_start;
    callbacks.on_frame_recv_chunk_callback = on_frame_chunk;
    callbacks.on_msg_recv_callback = on_message;
    wslay_event_context_server_init(&context_, &callbacks, this);
    wslay_event_config_set_max_recv_msg_length(context_, message_bytes_max);
  }
  ~WsOracle() { wslay_event_context_free(context_); }
  WsOracle(const WsOracle&) = delete;
  WsOracle& operator=(const WsOracle&) = delete;

  WsStory tell(std::span<const uint8_t> input) {
    input_ = input;
    while (!input_.empty() && wslay_event_get_read_enabled(context_) != 0) {
      if (wslay_event_recv(context_) != 0) {
        story_.error_code = 1002;
        return story_;
      }
    }
    // It stops reading at the peer's close frame too, which is no error.
    if (!story_.closed && wslay_event_get_read_enabled(context_) == 0) story_.error_code = 1002;
    return story_;
  }

  [[nodiscard]] bool is_in_close_frame() const { return opcode_ == WSLAY_CONNECTION_CLOSE; }

 private:
  static WsOracle& self(void* user_data) { return *static_cast<WsOracle*>(user_data); }

  static ssize_t on_receive(wslay_event_context_ptr context, uint8_t* out, size_t room, int,
                            void* user_data) {
    std::span<const uint8_t>& input = self(user_data).input_;
    const size_t size = std::min(room, input.size());
    if (size == 0) {
      wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
      return -1;
    }
    std::memcpy(out, input.data(), size);
    input = input.subspan(size);
    return static_cast<ssize_t>(size);
  }
  static void on_frame_start(wslay_event_context_ptr,
                             const wslay_event_on_frame_recv_start_arg* frame, void* user_data) {
    self(user_data).opcode_ = frame->opcode;
  }
  static void on_frame_chunk(wslay_event_context_ptr,
                             const wslay_event_on_frame_recv_chunk_arg* chunk, void* user_data) {
    if (wslay_is_ctrl_frame(self(user_data).opcode_) != 0) return;
    self(user_data).story_.data.append(reinterpret_cast<const char*>(chunk->data),
                                       chunk->data_length);
  }
  static void on_message(wslay_event_context_ptr, const wslay_event_on_msg_recv_arg* message,
                         void* user_data) {
    WsStory& story = self(user_data).story_;
    const std::string payload(reinterpret_cast<const char*>(message->msg), message->msg_length);
    if (message->opcode == WSLAY_PING) story.controls.push_back("ping:" + payload);
    if (message->opcode == WSLAY_PONG) story.controls.push_back("pong:" + payload);
    if (message->opcode == WSLAY_CONNECTION_CLOSE) {
      story.closed = true;
      story.close_code = message->status_code;
    }
  }

  wslay_event_context_ptr context_ = nullptr;
  std::span<const uint8_t> input_;
  uint8_t opcode_ = 0;
  WsStory story_;
};

// Empty if the two tell the same story as far as they can; otherwise what differs.
inline std::string compare_with_oracle(const WsStory& ours, std::span<const uint8_t> input,
                                       uint64_t message_bytes_max) {
  // With the longest header and an octet of payload behind it, the oracle sees what we saw.
  std::vector<uint8_t> padded(input.begin(), input.end());
  if (ours.error_code != 0) padded.resize(padded.size() + 16);
  WsOracle wslay(message_bytes_max);
  const WsStory oracle = wslay.tell(padded);

  if (ours.controls != oracle.controls) return "control frames differ";
  if (ours.closed && ours.close_code >= 1012 && ours.close_code <= 1014) return "";
  const bool half_a_code = ours.error_code == 1002 && oracle.closed && oracle.close_code == 0;
  if (half_a_code) return ours.data == oracle.data ? "" : "data differs";
  const bool early_refusal =
      ours.error_code == 0 && !ours.closed && oracle.error_code != 0 && wslay.is_in_close_frame();
  if (early_refusal) return ours.data == oracle.data ? "" : "data differs";
  if ((ours.error_code != 0) != (oracle.error_code != 0)) return "only one of them found an error";
  if (ours.closed != oracle.closed || ours.close_code != oracle.close_code) return "closes differ";
  if (ours.error_code == 1007) {
    return ours.data.starts_with(oracle.data) ? "" : "data before bad text differs";
  }
  return ours.data == oracle.data ? "" : "data differs";
}

}  // namespace stampede::tests
