#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "proto/base/check.h"
#include "proto/ws_decoder.h"
#include "tests/support/ws_oracle.h"

// The WebSocket decoder against any bytes. Promises: it tells the same story however the input was
// cut, the same as wslay's event level where that one has the rule, within its limits, and the pool
// gets every context back.

namespace {

using stampede::proto::WsContextPool;
using stampede::proto::WsLimits;
using stampede::tests::WsStory;

constexpr WsLimits kLimits{.message_bytes_max = 512, .fragments_max = 1 << 30};
constexpr WsLimits kFewFragments{.message_bytes_max = 512, .fragments_max = 3};
constexpr size_t kOracleBytesMax = 4000;

using Pieces = std::vector<std::span<const uint8_t>>;

Pieces single_octets(std::span<const uint8_t> input) {
  Pieces pieces;
  for (size_t at = 0; at < input.size(); ++at) pieces.push_back(input.subspan(at, 1));
  return pieces;
}

// The input's own octets decide where it is cut, so that a finding is replayed by its file alone.
Pieces cut_by_data(std::span<const uint8_t> input) {
  Pieces pieces;
  size_t at = 0;
  for (size_t turn = 0; at < input.size(); ++turn) {
    const size_t wanted = input[turn * 5 % input.size()] % 32;
    const size_t size = std::min(wanted, input.size() - at);
    pieces.push_back(input.subspan(at, size));
    at += size;
    if (turn > 4 * input.size()) {
      pieces.push_back(input.subspan(at));
      break;
    }
  }
  return pieces;
}

void check_same_for_every_cut(std::span<const uint8_t> input, const WsLimits& limits,
                              const WsStory& whole, WsContextPool& pool) {
  CHECK(stampede::tests::tell_by_decoder(single_octets(input), limits, pool) == whole);
  CHECK(stampede::tests::tell_by_decoder(cut_by_data(input), limits, pool) == whole);
  CHECK(pool.lent() == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> input(data, size);
  static WsContextPool pool;
  const WsStory whole = stampede::tests::tell_by_decoder({input}, kLimits, pool);
  check_same_for_every_cut(input, kLimits, whole, pool);
  CHECK(whole.data.size() <= size);
  CHECK(!whole.closed || whole.close_code == 0 ||
        stampede::proto::is_valid_peer_close_code(whole.close_code));
  if (size <= kOracleBytesMax) {
    CHECK(stampede::tests::compare_with_oracle(whole, input, kLimits.message_bytes_max).empty());
  }
  const WsStory limited = stampede::tests::tell_by_decoder({input}, kFewFragments, pool);
  check_same_for_every_cut(input, kFewFragments, limited, pool);
  CHECK(limited == whole || limited.error_code == 1009);
  return 0;
}
