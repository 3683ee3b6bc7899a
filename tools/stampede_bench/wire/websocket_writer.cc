#include "tools/stampede_bench/wire/websocket_writer.h"

#include <bit>
#include <cstring>
#include <random>

#include "proto/base/check.h"
#include "tools/stampede_bench/wire/decimal.h"

namespace stampede::bench {
namespace {

constexpr uint8_t kFin = 0x80;
constexpr uint8_t kMasked = 0x80;
constexpr size_t kKeyBytes = 4;
// RFC 6455 section 5.2: two octets, then 0, 2 or 8 of length.
constexpr size_t kShortHeaderBytes = 2 + kKeyBytes;
constexpr size_t kMediumHeaderBytes = 4 + kKeyBytes;
constexpr size_t kLongHeaderBytes = 10 + kKeyBytes;

size_t header_bytes(size_t payload_bytes) {
  if (payload_bytes < 126) return kShortHeaderBytes;
  return payload_bytes <= 0xFFFF ? kMediumHeaderBytes : kLongHeaderBytes;
}

void write_header(char* at, proto::WsOpcode opcode, size_t payload_bytes, uint32_t key) {
  *at++ = static_cast<char>(kFin | static_cast<uint8_t>(opcode));
  const size_t octets = header_bytes(payload_bytes) - kShortHeaderBytes;
  const size_t length = octets == 0 ? payload_bytes : octets == 2 ? 126 : 127;
  *at++ = static_cast<char>(kMasked | length);
  for (size_t left = octets; left > 0; --left) {
    *at++ = static_cast<char>(payload_bytes >> (8 * (left - 1)));
  }
  std::memcpy(at, &key, kKeyBytes);
}

// Sec-WebSocket-Key: 16 random octets in base64 (RFC 6455 section 4.1), here 15 of them in 20
// letters, the last one zero.
void append_nonce(std::string& out) {
  constexpr char kLetters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (int group = 0; group < 5; ++group) {
    uint32_t bits = next_masking_key();
    for (int letter = 0; letter < 4; ++letter, bits >>= 6) out.push_back(kLetters[bits & 63]);
  }
  out.append("AA==");
}

}  // namespace

void append_ws_opening(std::string& out, const Target& target, std::string_view subprotocol) {
  const bool is_ipv6 = target.host.find(':') != std::string::npos;
  out.append("GET ").append(target.path).append(" HTTP/1.1\r\nHost: ");
  out.append(is_ipv6 ? "[" : "").append(target.host).append(is_ipv6 ? "]:" : ":");
  append_decimal(out, target.port);
  out.append("\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ");
  append_nonce(out);
  out.append("\r\nSec-WebSocket-Version: 13\r\n");
  if (!subprotocol.empty()) {
    out.append("Sec-WebSocket-Protocol: ").append(subprotocol).append("\r\n");
  }
  out.append("\r\n");
}

size_t begin_ws_message(std::string& out) {
  const size_t begin = out.size();
  // PERF: room for the header that most messages need, so that their payload never moves.
  out.append(kMediumHeaderBytes, '\0');
  return begin;
}

void end_ws_message(std::string& out, size_t begin, proto::WsOpcode opcode) {
  DCHECK(out.size() >= begin + kMediumHeaderBytes);
  const size_t payload_bytes = out.size() - begin - kMediumHeaderBytes;
  const size_t header = header_bytes(payload_bytes);
  if (header < kMediumHeaderBytes) out.erase(begin, kMediumHeaderBytes - header);
  if (header > kMediumHeaderBytes) out.insert(begin, header - kMediumHeaderBytes, '\0');
  const uint32_t key = next_masking_key();
  write_header(out.data() + begin, opcode, payload_bytes, key);
  mask_octets(out.data() + begin + header, payload_bytes, key);
}

void append_ws_control(std::string& out, proto::WsOpcode opcode, std::string_view payload) {
  CHECK(payload.size() <= proto::kWsControlPayloadBytesMax);
  const size_t begin = begin_ws_message(out);
  out.append(payload);
  end_ws_message(out, begin, opcode);
}

uint32_t next_masking_key() {
  // xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators"); its
  // state is never zero.
  thread_local uint64_t state = uint64_t{std::random_device{}()} << 32 | 1;
  for (;;) {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    const auto key = static_cast<uint32_t>((state * 0x2545F4914F6CDD1D) >> 32);
    if (key != 0) return key;
  }
}

void mask_octets(char* octets, size_t size, uint32_t key) {
  const uint64_t wide_key = uint64_t{key} << 32 | key;
  size_t at = 0;
  for (; at + sizeof wide_key <= size; at += sizeof wide_key) {
    uint64_t eight;
    std::memcpy(&eight, octets + at, sizeof eight);
    eight ^= wide_key;
    std::memcpy(octets + at, &eight, sizeof eight);
  }
  char key_octets[kKeyBytes];
  std::memcpy(key_octets, &key, sizeof key_octets);
  for (; at < size; ++at) {
    octets[at] = static_cast<char>(octets[at] ^ key_octets[at % kKeyBytes]);
  }
}

}  // namespace stampede::bench
