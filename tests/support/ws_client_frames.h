#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "proto/ws_types.h"

namespace stampede::tests {

// What a client puts on the wire, right or wrong: every part of a frame can be chosen.
struct ClientFrame {
  proto::WsOpcode opcode = proto::WsOpcode::kText;
  std::string_view payload = {};
  bool fin = true;
  uint8_t rsv = 0;
  bool masked = true;
  uint8_t masking_key[4] = {0x37, 0xFA, 0x21, 0x3D};  // RFC 6455 section 5.7
  int length_octets = -1;                             // 0, 2 or 8; -1: the shortest form
};

inline void append_client_header(std::string& out, const ClientFrame& frame,
                                 uint64_t payload_bytes) {
  const auto put = [&](uint64_t octet) { out += static_cast<char>(octet); };
  put((frame.fin ? 0x80u : 0u) | static_cast<unsigned>(frame.rsv << 4) |
      static_cast<unsigned>(frame.opcode));
  int length_octets = frame.length_octets;
  if (length_octets < 0) length_octets = payload_bytes < 126 ? 0 : payload_bytes <= 0xFFFF ? 2 : 8;
  const uint64_t length = length_octets == 0 ? payload_bytes : length_octets == 2 ? 126 : 127;
  put((frame.masked ? 0x80u : 0u) | length);
  while (length_octets > 0) put(payload_bytes >> (8 * --length_octets));
  if (frame.masked) {
    for (const uint8_t octet : frame.masking_key) put(octet);
  }
}

inline void append_client_frame(std::string& out, const ClientFrame& frame) {
  append_client_header(out, frame, frame.payload.size());
  for (size_t at = 0; at < frame.payload.size(); ++at) {
    const auto octet = static_cast<uint8_t>(frame.payload[at]);
    out += static_cast<char>(frame.masked ? octet ^ frame.masking_key[at % 4] : octet);
  }
}

}  // namespace stampede::tests
