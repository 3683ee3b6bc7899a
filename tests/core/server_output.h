#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/utf8.h"

namespace stampede::tests {

struct ServerFrame {
  std::string command;
  std::vector<std::pair<std::string, std::string>> headers;  // unescaped
  std::string body;
  bool is_binary = false;  // came in a binary WebSocket message

  [[nodiscard]] std::optional<std::string> header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (key == name) return value;
    }
    return std::nullopt;
  }
};

// ServerOutput reads what the broker wrote to one connection and ends the program at anything that
// is not well-formed: a broken HTTP answer, WebSocket frame or STOMP frame, text that is not UTF-8,
// something behind an ERROR, a close frame or the end.
class ServerOutput {
 public:
  explicit ServerOutput(bool is_websocket) : is_websocket_(is_websocket) {}

  void feed(std::string_view octets) {
    if (is_ended_ && !octets.empty()) violation("octets behind the end");
    wire_ += octets;
    if (is_websocket_ && http_status_ == 0 && !read_http_head()) return;
    if (is_websocket_ && http_status_ != 101) return;
    const size_t taken = is_websocket_ ? read_websocket() : read_stomp(wire_, false);
    wire_.erase(0, taken);
  }

  // The broker ended its direction, in order: nothing may be left half.
  void end() {
    if (http_status_ == 0 || http_status_ == 101) {
      if (!wire_.empty()) violation("ended inside a frame");
    } else if (wire_.size() != http_body_bytes_) {
      violation("the HTTP body is not as long as Content-Length says");
    }
    is_ended_ = true;
    add_event("end");
  }

  void add_event(std::string_view text) {
    if (!events_.empty()) events_ += ", ";
    events_ += text;
  }
  // What came since asked last, in a line: "CONNECTED 1.2, RECEIPT r1, MESSAGE <id> <body>, ERROR
  // <token>, heart-beat, pong, close 1000, HTTP 101, end".
  [[nodiscard]] std::string take_events() { return std::exchange(events_, {}); }

  // Pings since asked last.
  [[nodiscard]] size_t take_pings() { return std::exchange(pings_, 0); }

  [[nodiscard]] const std::vector<ServerFrame>& frames() const { return frames_; }
  [[nodiscard]] int http_status() const { return http_status_; }

 private:
  [[noreturn]] static void violation(const char* what) {
    std::fprintf(stderr, "the broker's output: %s\n", what);
    std::abort();
  }

  bool read_http_head() {
    const size_t end = wire_.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    if (!wire_.starts_with("HTTP/1.1 ")) violation("no HTTP answer");
    http_status_ = std::atoi(wire_.c_str() + 9);
    add_event("HTTP " + std::to_string(http_status_));
    const size_t length = wire_.find("Content-Length: ");
    if (length < end)
      http_body_bytes_ = static_cast<size_t>(std::atoi(wire_.c_str() + length + 16));
    wire_.erase(0, end + 4);
    return true;
  }

  // Gives how many octets are done with.
  size_t read_websocket() {
    size_t at = 0;
    while (wire_.size() - at >= 2) {
      const auto octet = [&](size_t n) { return static_cast<uint8_t>(wire_[at + n]); };
      const unsigned first = octet(0);
      uint64_t size = octet(1);
      if ((first & 0xf0) != 0x80) violation("a fragment or a reserved bit");
      if (size > 127) violation("a masked frame");
      const size_t extra = size == 126 ? 2 : size == 127 ? 8 : 0;
      if (wire_.size() - at < 2 + extra) break;
      if (extra > 0) size = 0;
      for (size_t n = 0; n < extra; ++n) size = size << 8 | octet(2 + n);
      if (wire_.size() - at < 2 + extra + size) break;
      on_websocket_frame(first & 0x0f, std::string_view(wire_).substr(at + 2 + extra, size));
      at += 2 + extra + size;
    }
    return at;
  }

  void on_websocket_frame(unsigned opcode, std::string_view payload) {
    if (is_closed_) violation("a frame behind the close frame");
    switch (opcode) {
      case 0x1:
        if (!proto::is_valid_utf8(
                {reinterpret_cast<const uint8_t*>(payload.data()), payload.size()})) {
          violation("text that is not UTF-8");
        }
        [[fallthrough]];
      case 0x2:
        is_binary_ = opcode == 0x2;
        if (read_stomp(payload, true) != payload.size())
          violation("a message that is not one frame");
        break;
      case 0x8: {
        is_closed_ = true;
        const unsigned code = payload.size() < 2
                                  ? 0
                                  : static_cast<unsigned>(static_cast<uint8_t>(payload[0])) << 8 |
                                        static_cast<uint8_t>(payload[1]);
        add_event(code == 0 ? "close" : "close " + std::to_string(code));
        break;
      }
      case 0x9:
        ++pings_;
        break;
      case 0xA:
        add_event("pong");
        break;
      default:
        violation("an opcode that servers do not send here");
    }
  }

  // Gives how many octets are done with. Over WebSocket (`is_message`) there is exactly one frame
  // or heart-beat.
  size_t read_stomp(std::string_view octets, bool is_message) {
    size_t at = 0;
    while (at < octets.size()) {
      if (is_error_seen_) violation("something behind ERROR");
      if (octets[at] == '\n') {
        add_event("heart-beat");
        ++at;
      } else if (const size_t size = read_stomp_frame(octets.substr(at)); size > 0) {
        at += size;
      } else {
        break;
      }
      if (is_message) break;
    }
    return at;
  }

  // 0: not complete.
  size_t read_stomp_frame(std::string_view octets) {
    const size_t head_end = octets.find("\n\n");
    if (head_end == std::string_view::npos) return 0;
    std::string_view head = octets.substr(0, head_end + 1);
    if (head.find_first_of(std::string_view("\r\0", 2)) != std::string_view::npos) {
      violation("CR or NUL in a head");
    }
    ServerFrame frame;
    frame.is_binary = is_binary_;
    frame.command = take_line(head);
    const bool is_raw = frame.command == "CONNECTED" || version_ == "1.0";
    while (!head.empty()) {
      const std::string_view line = take_line(head);
      const size_t colon = line.find(':');
      if (colon == std::string_view::npos || colon == 0)
        violation("a header without colon or name");
      frame.headers.emplace_back(unescape(line.substr(0, colon), is_raw),
                                 unescape(line.substr(colon + 1), is_raw));
    }
    const size_t body_at = head_end + 2;
    const size_t body_bytes =
        static_cast<size_t>(std::atoll(frame.header("content-length").value_or("0").c_str()));
    if (octets.size() <= body_at + body_bytes) return 0;
    frame.body = octets.substr(body_at, body_bytes);
    if (octets[body_at + body_bytes] != '\0') violation("no NUL behind a body");
    on_stomp_frame(std::move(frame));
    return body_at + body_bytes + 1;
  }

  void on_stomp_frame(ServerFrame frame) {
    const auto text = [&](std::string_view name) { return " " + frame.header(name).value_or("-"); };
    if (frame.command == "CONNECTED") {
      if (!version_.empty()) violation("CONNECTED twice");
      version_ = frame.header("version").value_or("");
      add_event("CONNECTED " + version_);
    } else if (frame.command == "RECEIPT") {
      add_event("RECEIPT" + text("receipt-id"));
    } else if (frame.command == "ERROR") {
      is_error_seen_ = true;
      if (frame.body.empty() || !frame.header("content-type"))
        violation("ERROR without a sentence");
      add_event("ERROR" + text("message"));
    } else if (frame.command == "MESSAGE") {
      if (version_.empty()) violation("MESSAGE before CONNECTED");
      constexpr size_t kShown = 40;
      add_event("MESSAGE" + text("subscription") + " " +
                (frame.body.size() <= kShown ? frame.body
                                             : std::to_string(frame.body.size()) + " octets"));
    } else {
      violation("a command that servers do not have");
    }
    frames_.push_back(std::move(frame));
  }

  static std::string_view take_line(std::string_view& text) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    return line;
  }

  std::string unescape(std::string_view text, bool is_raw) const {
    if (is_raw) return std::string(text);
    std::string out;
    for (size_t n = 0; n < text.size(); ++n) {
      if (text[n] == ':') violation("a colon that is not escaped");
      if (text[n] != '\\') {
        out += text[n];
        continue;
      }
      const char next = ++n < text.size() ? text[n] : '\0';
      if (next == 'r' && version_ == "1.1") violation("\\r in 1.1");
      const size_t which = std::string_view("ncr\\").find(next);
      if (which == std::string_view::npos) violation("an unknown escape");
      out += std::string_view("\n:\r\\")[which];
    }
    return out;
  }

  const bool is_websocket_;
  bool is_binary_ = false;
  bool is_closed_ = false;
  bool is_ended_ = false;
  bool is_error_seen_ = false;
  int http_status_ = 0;
  size_t http_body_bytes_ = 0;
  size_t pings_ = 0;
  std::string version_;  // of CONNECTED
  std::string wire_;     // not yet taken apart
  std::string events_;
  std::vector<ServerFrame> frames_;
};

}  // namespace stampede::tests
