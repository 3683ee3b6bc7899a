// A header of any octets, written for each STOMP version into a frame and read back. What must
// hold:
//   - it reads back as it was, or was left out, or (if its frame needs it) has `?` where the
//     version has no way to say what was there;
//   - it is one line: what stands before and behind it is untouched, whatever it contains.
//
// Input: octet 0 version; the name up to the first NUL; the rest is the value.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proto/base/check.h"
#include "proto/stomp_encoder.h"
#include "tests/support/collect_stomp_frames.h"

namespace {

using stampede::proto::StompVersion;

constexpr stampede::proto::StompLimits kLimits = {.frame_bytes_max = 1 << 20,
                                                  .headers_max = 8,
                                                  .header_line_bytes_max = 1 << 20,
                                                  .header_total_bytes_max = 1 << 20,
                                                  .command_bytes_max = 16};

// The frame around `line` is read as it was written; gives the header of the line, or nullopt if it
// has none.
std::optional<std::pair<std::string, std::string>> read_between(std::string_view line,
                                                                StompVersion version) {
  const std::string frame = "SEND\nfirst:1\n" + std::string(line) + "last:2\n\nbody" + '\0';
  const auto outcome = stampede::tests::collect_stomp_frames(
      {{reinterpret_cast<const uint8_t*>(frame.data()), frame.size()}}, version, kLimits);
  CHECK(outcome.error == stampede::proto::StompError::kNone);
  CHECK(outcome.frames.size() == 1);
  const auto& read = outcome.frames.front();
  CHECK(read.command == "SEND" && read.body == "body");
  CHECK(read.headers.size() == (line.empty() ? 2u : 3u));
  CHECK(read.headers.front() == std::pair(std::string("first"), std::string("1")));
  CHECK(read.headers.back() == std::pair(std::string("last"), std::string("2")));
  if (line.empty()) return std::nullopt;
  return read.headers[1];
}

// As 1.0 reads a value: it may pad.
std::string_view as_read(std::string_view value, StompVersion version) {
  if (version == StompVersion::k10 && value.starts_with(' ')) value.remove_prefix(1);
  return value;
}

// True if `read` is `value`, but for octets that became `?`.
bool is_but_for_inexpressible(std::string_view read, std::string_view value) {
  if (read.size() != value.size()) return false;
  for (size_t i = 0; i < read.size(); ++i)
    if (read[i] != value[i] && read[i] != stampede::proto::kInexpressible) return false;
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const auto version = static_cast<StompVersion>(data[0] % 3);
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t end = std::min(input.find('\0'), input.size());
  const std::string name = "x-" + std::string(input.substr(0, end));
  const std::string_view value = end < input.size() ? input.substr(end + 1) : std::string_view();

  std::string line;
  stampede::proto::append_header(line, name, value, version);
  if (const auto header = read_between(line, version)) {
    CHECK(header->first == name);
    CHECK(header->second == as_read(value, version));
  }

  line.clear();
  stampede::proto::append_required_header(line, "x-required", value, version);
  const auto required = read_between(line, version);
  CHECK(required && required->first == "x-required");
  CHECK(required->second == as_read(value, version) ||
        is_but_for_inexpressible(required->second, as_read(value, version)));
  return 0;
}
