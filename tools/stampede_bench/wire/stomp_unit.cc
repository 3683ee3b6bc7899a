#include "tools/stampede_bench/wire/stomp_unit.h"

#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <utility>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace stampede::bench {
namespace {

constexpr size_t kBlockBytes = 64;

// Bit i is set where octet i of the block is a line feed.
#ifdef __SSE2__
uint64_t line_feeds(const char* block) {
  const __m128i feed = _mm_set1_epi8('\n');
  uint64_t feeds = 0;
  for (size_t part = 0; part < kBlockBytes; part += 16) {
    const __m128i octets = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + part));
    const auto found = static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(octets, feed)));
    feeds |= uint64_t{found} << part;
  }
  return feeds;
}
#else
uint64_t line_feeds(const char* block) {
  uint64_t feeds = 0;
  for (size_t at = 0; at < kBlockBytes; ++at) feeds |= uint64_t{block[at] == '\n'} << at;
  return feeds;
}
#endif

uint64_t line_feeds(std::string_view text, size_t at) {
  if (text.size() - at >= kBlockBytes) return line_feeds(text.data() + at);
  std::array<char, kBlockBytes> block = {};
  std::memcpy(block.data(), text.data() + at, text.size() - at);
  return line_feeds(block.data());
}

constexpr std::string_view kContentLength = "content-length:";
constexpr std::string_view kAck = "ack:";

struct StompHead {
  size_t bytes = 0;           // to the body; 0: the blank line is not there yet
  size_t headers_bytes = 0;   // to the blank line
  size_t content_length = 0;  // where its value begins; 0: there is none
  size_t ack = 0;             // likewise
};

// PERF: this is where a load spends its user time. A head of 130 octets is three blocks, and each
// of its six lines costs one look at its first letters, which a run of like frames predicts.
StompHead scan_head(std::string_view stream, bool wants_ack) {
  StompHead head;
  for (size_t block = 0; block < stream.size(); block += kBlockBytes) {
    for (uint64_t feeds = line_feeds(stream, block); feeds != 0; feeds &= feeds - 1) {
      const size_t line_at = block + static_cast<size_t>(std::countr_zero(feeds)) + 1;
      const std::string_view line = stream.substr(line_at);
      if (line.empty()) return head;
      if (line.front() == '\n' || line.starts_with("\r\n")) {
        head.headers_bytes = line_at;
        head.bytes = line_at + (line.front() == '\n' ? 1 : 2);
        return head;
      }
      // The first of a repeated header counts (STOMP 1.2, "Repeated Header Entries").
      if (line.starts_with(kContentLength)) {
        if (head.content_length == 0) head.content_length = line_at + kContentLength.size();
      } else if (wants_ack && line.starts_with(kAck) && head.ack == 0) {
        head.ack = line_at + kAck.size();
      }
    }
  }
  return head;
}

// From `begin` to the end of its line, which is there.
std::string_view value_at(std::string_view stream, size_t begin) {
  const std::string_view value = stream.substr(begin, stream.find('\n', begin) - begin);
  return value.ends_with('\r') ? value.substr(0, value.size() - 1) : value;
}

size_t malformed(StompUnit& unit, std::string_view detail) {
  unit.kind = StompUnit::Kind::kMalformed;
  unit.detail = detail;
  return 1;
}

// False if no frame begins so.
bool read_command(std::string_view stream, StompUnit::Kind& kind) {
  using enum StompUnit::Kind;
  constexpr std::array<std::pair<std::string_view, StompUnit::Kind>, 4> kCommands = {
      {{"MESSAGE", kMessage}, {"CONNECTED", kConnected}, {"RECEIPT", kReceipt}, {"ERROR", kError}}};
  for (const auto& [command, its_kind] : kCommands) {
    kind = its_kind;
    if (stream.size() <= command.size()) {
      if (command.starts_with(stream)) return true;
    } else if (stream.starts_with(command)) {
      return stream[command.size()] == '\n' || stream[command.size()] == '\r';
    }
  }
  return false;
}

}  // namespace

size_t read_stomp_unit(std::string_view stream, bool wants_ack, StompUnit& unit) {
  unit = {};
  if (stream.front() == '\n' || stream.front() == '\r') {
    unit.kind = StompUnit::Kind::kLineEnds;
    const size_t end = stream.find_first_not_of("\r\n");
    return end == std::string_view::npos ? stream.size() : end;
  }
  if (!read_command(stream, unit.kind)) return malformed(unit, "not a frame of a STOMP server");

  const StompHead head = scan_head(stream, wants_ack);
  if (head.bytes == 0) return 0;
  if (unit.kind != StompUnit::Kind::kMessage) {
    const size_t command_end = stream.find('\n') + 1;
    unit.headers = stream.substr(command_end, head.headers_bytes - command_end);
  }
  if (head.ack != 0) unit.ack = value_at(stream, head.ack);

  size_t nul = 0;
  if (head.content_length != 0) {
    size_t body_bytes = 0;
    const char* const value = stream.data() + head.content_length;
    const auto [end, error] = std::from_chars(value, stream.data() + head.bytes, body_bytes);
    if (error != std::errc() || (*end != '\n' && *end != '\r')) {
      return malformed(unit, "content-length is no number");
    }
    if (stream.size() - head.bytes <= body_bytes) return 0;
    nul = head.bytes + body_bytes;
    if (stream[nul] != '\0') return malformed(unit, "no NUL behind content-length octets");
  } else {
    nul = stream.find('\0', head.bytes);
    if (nul == std::string_view::npos) return 0;
  }
  unit.body = stream.substr(head.bytes, nul - head.bytes);
  return nul + 1;
}

std::string_view stomp_header(std::string_view headers, std::string_view name) {
  while (!headers.empty()) {
    if (headers.size() > name.size() && headers.starts_with(name) && headers[name.size()] == ':') {
      return value_at(headers, name.size() + 1);
    }
    const size_t end = headers.find('\n');
    if (end == std::string_view::npos) break;
    headers.remove_prefix(end + 1);
  }
  return {};
}

}  // namespace stampede::bench
