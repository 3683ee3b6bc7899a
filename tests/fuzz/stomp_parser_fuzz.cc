// The octets of one connection, read by StompParser however they are cut. What must hold:
//   - the frames, the error, its text and the receipt are the same for every way of cutting;
//   - they are what the slow reference parser says;
//   - a partial frame never holds more memory than its limit and a constant.
//
// Input: octet 0 version, 1 frame_bytes_max, 2 headers_max, 3 header_line_bytes_max,
// 4 header_total_bytes_max, 5 command_bytes_max, 6 and 7 where to cut; the rest is what the client
// sent. A limit of 255 stands for one that is never reached.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "proto/base/check.h"
#include "proto/stomp_parser.h"
#include "tests/support/collect_stomp_frames.h"
#include "tests/support/reference_stomp_parser.h"

namespace {

using stampede::proto::StompLimits;
using stampede::proto::StompParser;
using stampede::proto::StompVersion;
using stampede::tests::ParseOutcome;
using Octets = std::span<const uint8_t>;
using Pieces = std::vector<Octets>;

constexpr size_t kControlOctets = 8;

size_t limit_from(uint8_t octet, size_t scale) {
  return octet == 255 ? size_t{1} << 20 : octet * scale;
}

Pieces every(Octets stream, size_t step) {
  Pieces pieces;
  for (size_t at = 0; at < stream.size(); at += step) {
    pieces.push_back(stream.subspan(at, std::min(step, stream.size() - at)));
  }
  return pieces;
}

Pieces cut_at(Octets stream, size_t first, size_t second) {
  if (first > second) std::swap(first, second);
  second = std::min(second, stream.size());
  first = std::min(first, second);
  return {stream.first(first), stream.subspan(first, second - first), stream.subspan(second)};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < kControlOctets) return 0;
  const auto version = static_cast<StompVersion>(data[0] % 3);
  const StompLimits limits{.frame_bytes_max = limit_from(data[1], 2),
                           .headers_max = limit_from(data[2], 1),
                           .header_line_bytes_max = limit_from(data[3], 1),
                           .header_total_bytes_max = limit_from(data[4], 1),
                           .command_bytes_max = data[5]};
  const Octets stream(data + kControlOctets, size - kControlOctets);

  const ParseOutcome expected =
      stampede::tests::ReferenceStompParser(version, limits).parse(stream);

  // A header mark takes 16 octets and their number may be rounded up to the next power of two; a
  // header line is at least two octets. The rest is the object, a spare buffer and the error's
  // text.
  const size_t marks_max = std::min(limits.headers_max, stream.size() / 2 + 1);
  const size_t memory_bytes_max = limits.frame_bytes_max + 32 * marks_max + 8192;
  const auto check_memory = [&](const StompParser& parser) {
    CHECK(parser.memory_bytes() <= memory_bytes_max);
    CHECK(parser.error() != stampede::proto::StompError::kNone ||
          parser.at_frame_border() == (parser.memory_bytes() == 0));
  };

  std::string whole_detail;
  const ParseOutcome whole =
      stampede::tests::collect_stomp_frames({stream}, version, limits, &whole_detail, check_memory);
  CHECK(whole == expected);
  const Pieces cuts[] = {
      every(stream, 1),
      every(stream, size_t{data[6] % 100u} + 2),
      cut_at(stream, data[6], data[7]),
      cut_at(stream, data[6] * size_t{4} + 3, data[7]),
  };
  for (const Pieces& pieces : cuts) {
    std::string detail;
    const ParseOutcome outcome =
        stampede::tests::collect_stomp_frames(pieces, version, limits, &detail, check_memory);
    CHECK(outcome == expected);
    CHECK(detail == whole_detail);
  }
  return 0;
}
