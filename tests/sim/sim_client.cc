#include "tests/sim/sim_client.h"

#include <array>
#include <stdexcept>

namespace stampede::sim {

namespace {

[[noreturn]] void violation(const std::string& what) {
  throw std::runtime_error("broker: " + what);
}

}  // namespace

SimClient::SimClient(bool is_websocket, int version, SimRandom& random)
    : random_(random), is_websocket_(is_websocket), version_(version) {}

std::string SimClient::handshake() const {
  return "GET /stomp HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Protocol: v10.stomp, v12.stomp\r\n\r\n";
}

std::string SimClient::escape(std::string_view text) const {
  if (version_ == 10) return std::string(text);
  std::string out;
  for (const char octet : text) {
    switch (octet) {
      case '\n':
        out += "\\n";
        break;
      case ':':
        out += "\\c";
        break;
      case '\\':
        out += "\\\\";
        break;
      default:
        out += octet;
    }
  }
  return out;
}

std::string SimClient::unescape(std::string_view text) const {
  if (version_ == 10) return std::string(text);
  std::string out;
  for (size_t n = 0; n < text.size(); ++n) {
    if (text[n] != '\\') {
      out += text[n];
      continue;
    }
    if (++n == text.size()) violation("backslash at the end of a header");
    switch (text[n]) {
      case 'n':
        out += '\n';
        break;
      case 'c':
        out += ':';
        break;
      case '\\':
        out += '\\';
        break;
      case 'r':
        if (version_ == 12) {
          out += '\r';
          break;
        }
        [[fallthrough]];
      default:
        violation("unknown escape");
    }
  }
  return out;
}

std::string SimClient::frame(std::string_view command,
                             const std::vector<std::pair<std::string, std::string>>& headers,
                             std::string_view body) {
  const bool is_connect = command == "CONNECT" || command == "STOMP";
  const std::string eol = (version_ == 12 || is_connect) && random_.one_in(4) ? "\r\n" : "\n";
  std::string octets;
  if (random_.one_in(6)) octets += "\n";
  octets.append(command).append(eol);
  for (const auto& [name, value] : headers) {
    octets += is_connect ? name : escape(name);
    octets += ':';
    octets += is_connect ? value : escape(value);
    octets += eol;
  }
  if (!body.empty() && random_.one_in(2))
    octets += "content-length:" + std::to_string(body.size()) + eol;
  octets += eol;
  octets += body;
  octets += '\0';
  if (random_.one_in(5)) octets += '\n';
  return is_websocket_ ? to_websocket(octets) : octets;
}

std::string SimClient::heart_beat() { return is_websocket_ ? to_websocket("\n") : "\n"; }

std::string SimClient::ping() { return is_websocket_ ? mask_frame(0x89, "hi") : "\n"; }

std::string SimClient::mask_frame(uint8_t first_octet, std::string_view payload) {
  std::string out(1, static_cast<char>(first_octet));
  if (payload.size() < 126) {
    out += static_cast<char>(0x80 | payload.size());
  } else if (payload.size() < 65536) {
    out += static_cast<char>(0x80 | 126);
    out += static_cast<char>(payload.size() >> 8);
    out += static_cast<char>(payload.size() & 0xff);
  } else {
    out += static_cast<char>(0x80 | 127);
    for (int shift = 56; shift >= 0; shift -= 8)
      out += static_cast<char>(payload.size() >> shift & 0xff);
  }
  std::array<char, 4> key;
  for (char& octet : key) octet = static_cast<char>(random_.below(256));
  out.append(key.data(), key.size());
  for (size_t n = 0; n < payload.size(); ++n) out += static_cast<char>(payload[n] ^ key[n % 4]);
  return out;
}

// One frame as one message, as several messages, or as fragments with a ping between them; text or
// binary. The texts of the simulation are ASCII, so any cut is a character border.
std::string SimClient::to_websocket(std::string_view octets) {
  std::string out;
  const bool is_fragmented = random_.one_in(3);
  bool is_first = true;
  while (true) {
    const bool cut = octets.size() > 1 && random_.one_in(3);
    const std::string_view piece =
        cut ? octets.substr(0, 1 + random_.below(octets.size() - 1)) : octets;
    octets.remove_prefix(piece.size());
    const bool is_last = octets.empty();
    const uint8_t opcode = is_fragmented && !is_first ? 0x0 : (random_.one_in(2) ? 0x1 : 0x2);
    const uint8_t fin = !is_fragmented || is_last ? 0x80 : 0;
    out += mask_frame(static_cast<uint8_t>(fin | opcode), piece);
    if (random_.one_in(8)) out += ping();
    is_first = false;
    if (is_last) return out;
  }
}

std::vector<SimFrame> SimClient::read(std::string_view octets) {
  std::vector<SimFrame> frames;
  wire_ += octets;
  if (!is_websocket_) {
    read_stomp(wire_, false, frames);
    wire_.clear();
    return frames;
  }
  if (!is_upgraded_) {
    const size_t end = wire_.find("\r\n\r\n");
    if (end == std::string::npos) return frames;
    if (!wire_.starts_with("HTTP/1.1 101")) violation("no 101: " + wire_);
    if (wire_.find("v12.stomp") > end) violation("not the highest subprotocol");
    is_upgraded_ = true;
    wire_.erase(0, end + 4);
  }
  read_websocket(frames);
  return frames;
}

void SimClient::read_websocket(std::vector<SimFrame>& frames) {
  size_t at = 0;
  while (wire_.size() - at >= 2) {
    const auto first = static_cast<uint8_t>(wire_[at]);
    const auto second = static_cast<uint8_t>(wire_[at + 1]);
    if ((second & 0x80) != 0) violation("masked frame");
    if ((first & 0xf0) != 0x80) violation("fragment or reserved bit");
    uint64_t size = second;
    const size_t extra = second == 126 ? 2 : second == 127 ? 8 : 0;
    if (wire_.size() - at < 2 + extra) break;
    if (extra > 0) {
      size = 0;
      for (size_t n = 0; n < extra; ++n) size = size << 8 | static_cast<uint8_t>(wire_[at + 2 + n]);
    }
    if (wire_.size() - at < 2 + extra + size) break;
    const std::string_view payload(wire_.data() + at + 2 + extra, size);
    at += 2 + extra + size;
    if (close_code_ != 0) violation("a frame behind the close frame");
    switch (first & 0x0f) {
      case 0x1:
      case 0x2:
        read_stomp(payload, true, frames);
        break;
      case 0x8:
        close_code_ = size >= 2
                          ? static_cast<uint8_t>(payload[0]) << 8 | static_cast<uint8_t>(payload[1])
                          : 1005;
        break;
      case 0x9:
        pongs_ += mask_frame(0x8A, payload);
        break;
      case 0xA:
        if (payload != "hi") violation("a pong that answers nothing");
        break;
      default:
        violation("opcode");
    }
  }
  wire_.erase(0, at);
}

// Over WebSocket one frame is one message, so `is_whole` must leave nothing over.
void SimClient::read_stomp(std::string_view octets, bool is_whole, std::vector<SimFrame>& frames) {
  stomp_ += octets;
  size_t at = 0;
  while (true) {
    while (at < stomp_.size() && stomp_[at] == '\n') ++at;
    const size_t blank = stomp_.find("\n\n", at);
    if (blank == std::string::npos) break;
    SimFrame frame;
    size_t line = stomp_.find('\n', at);
    frame.command = stomp_.substr(at, line - at);
    while (line < blank) {
      const size_t end = stomp_.find('\n', line + 1);
      const std::string_view text(stomp_.data() + line + 1, end - line - 1);
      const size_t colon = text.find(':');
      if (colon == std::string_view::npos) violation("header without colon");
      const bool is_raw = frame.command == "CONNECTED";
      const std::string name =
          is_raw ? std::string(text.substr(0, colon)) : unescape(text.substr(0, colon));
      frame.headers.emplace(
          name, is_raw ? std::string(text.substr(colon + 1)) : unescape(text.substr(colon + 1)));
      line = end;
    }
    size_t body_size = 0;
    if (const auto length = frame.headers.find("content-length"); length != frame.headers.end()) {
      body_size = std::stoul(length->second);
    }
    if (stomp_.size() < blank + 2 + body_size + 1) break;
    frame.body = stomp_.substr(blank + 2, body_size);
    if (stomp_[blank + 2 + body_size] != '\0') violation("no NUL behind the body");
    at = blank + 2 + body_size + 1;
    frames.push_back(std::move(frame));
  }
  stomp_.erase(0, at);
  if (is_whole && !stomp_.empty()) violation("a WebSocket message that is not whole frames");
}

void SimClient::check_border() const {
  if (!wire_.empty() || !stomp_.empty()) violation("a send that ends inside a frame");
}

}  // namespace stampede::sim
