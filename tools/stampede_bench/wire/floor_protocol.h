#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace stampede::bench {

// What a load and a "floor" server say to each other. A floor does the least that fan-out can cost:
// it copies octets to subscribers and knows neither names nor frames, so a broker's figure beside
// it tells what the broker itself costs.
//
// Client to server: records, a FloorHeader each, followed by `payload_bytes` octets.
//
//   kHello       no payload. Answered by kFloorReady.
//   kSubscribe   no payload. From now on the connection gets what is published to `topic`; answered
//                by kFloorReady in front of the first of it. Any number of topics to a connection.
//   kPublish     goes to every subscriber of `topic`, the publisher too if it is one. No answer.
//
// Server to client: kFloorReady, and payloads, octet for octet and nothing between them. A payload
// is one whole WebSocket frame that holds one whole STOMP MESSAGE, of the size that Stampede would
// send; so either piece ends at the border of a WebSocket frame, and they can be told apart. A
// server must keep that: a piece that was begun is finished before the next.
//
// A header that read_floor_header() refuses ends the connection. There is no opening handshake, no
// farewell, and nothing is ever dropped.
enum class FloorKind : uint8_t { kHello = 1, kSubscribe = 2, kPublish = 3 };

struct FloorHeader {
  FloorKind kind = FloorKind::kHello;
  uint32_t topic = 0;  // up to kFloorTopicMax
  uint32_t payload_bytes = 0;
};

// On the wire: payload_bytes, then the kind in the high octet and the topic in the rest, two
// little-endian words.
inline constexpr size_t kFloorHeaderBytes = 8;
inline constexpr uint32_t kFloorTopicMax = 0xff'ffff;
inline constexpr uint32_t kFloorPayloadBytesMax = 64u << 20;

// An empty WebSocket ping.
inline constexpr char kFloorReady[2] = {'\x89', '\x00'};

static_assert(std::endian::native == std::endian::little, "words go out as they are in memory");

inline void append_floor_header(std::string& out, const FloorHeader& header) {
  const uint32_t words[2] = {header.payload_bytes,
                             static_cast<uint32_t>(header.kind) << 24 | header.topic};
  static_assert(sizeof words == kFloorHeaderBytes);
  out.append(reinterpret_cast<const char*>(words), sizeof words);
}

// Reads kFloorHeaderBytes octets. False if no client writes such a header.
[[nodiscard]] inline bool read_floor_header(const void* octets, FloorHeader& header) {
  uint32_t words[2];
  std::memcpy(words, octets, sizeof words);
  const uint32_t kind = words[1] >> 24;
  header = {.kind = static_cast<FloorKind>(kind),
            .topic = words[1] & kFloorTopicMax,
            .payload_bytes = words[0]};
  if (kind < static_cast<uint32_t>(FloorKind::kHello)) return false;
  if (kind > static_cast<uint32_t>(FloorKind::kPublish)) return false;
  if (header.kind != FloorKind::kPublish) return header.payload_bytes == 0;
  return header.payload_bytes <= kFloorPayloadBytesMax;
}

}  // namespace stampede::bench
