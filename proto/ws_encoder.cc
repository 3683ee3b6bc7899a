#include "proto/ws_encoder.h"

#include <cstddef>

#include "proto/base/check.h"

namespace stampede::proto {
namespace {

constexpr uint8_t kFin = 0x80;
// RFC 6455 section 5.2: 126 and 127 in the length field announce 16 and 64 more bits of length.
constexpr uint64_t kLength7Max = 125;
constexpr uint64_t kLength16Max = 0xFFFF;

constexpr bool is_control(WsOpcode opcode) { return (static_cast<uint8_t>(opcode) & 0x8) != 0; }

void write_big_endian(uint8_t* out, uint64_t value, size_t octets) {
  for (size_t at = 0; at < octets; ++at) {
    out[at] = static_cast<uint8_t>(value >> (8 * (octets - 1 - at)));
  }
}

// The longest front of `text` that fits into `bytes_max` without cutting a character.
std::string_view cut_at_character(std::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  size_t end = bytes_max;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

void append_header(std::string& out, WsOpcode opcode, uint64_t payload_bytes) {
  uint8_t header[kWsServerHeaderBytesMax];
  const size_t header_bytes = write_ws_header(header, opcode, payload_bytes);
  out.append(reinterpret_cast<const char*>(header), header_bytes);
}

}  // namespace

size_t ws_header_bytes(uint64_t payload_bytes) {
  if (payload_bytes <= kLength7Max) return 2;
  return payload_bytes <= kLength16Max ? 4 : 10;
}

size_t write_ws_header(uint8_t* out, WsOpcode opcode, uint64_t payload_bytes) {
  DCHECK(!is_control(opcode) || payload_bytes <= kWsControlPayloadBytesMax);
  DCHECK(payload_bytes >> 63 == 0);
  const size_t header_bytes = ws_header_bytes(payload_bytes);
  out[0] = static_cast<uint8_t>(kFin | static_cast<uint8_t>(opcode));
  if (header_bytes == 2) {
    out[1] = static_cast<uint8_t>(payload_bytes);
  } else {
    out[1] = header_bytes == 4 ? 126 : 127;
    write_big_endian(out + 2, payload_bytes, header_bytes - 2);
  }
  return header_bytes;
}

void append_ws_frame(std::string& out, WsOpcode opcode, std::string_view payload) {
  CHECK(!is_control(opcode) || payload.size() <= kWsControlPayloadBytesMax);
  out.reserve(out.size() + ws_header_bytes(payload.size()) + payload.size());
  append_header(out, opcode, payload.size());
  out.append(payload);
}

void append_ws_close(std::string& out, WsStatusCode code, std::string_view reason) {
  if (code == WsStatusCode::kNone) return append_header(out, WsOpcode::kClose, 0);
  uint8_t code_octets[2];
  write_big_endian(code_octets, static_cast<uint64_t>(code), sizeof code_octets);
  reason = cut_at_character(reason, kWsControlPayloadBytesMax - sizeof code_octets);
  append_header(out, WsOpcode::kClose, sizeof code_octets + reason.size());
  out.append(reinterpret_cast<const char*>(code_octets), sizeof code_octets);
  out.append(reason);
}

}  // namespace stampede::proto
