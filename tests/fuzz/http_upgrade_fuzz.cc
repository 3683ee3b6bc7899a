#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "proto/base/check.h"
#include "proto/http_upgrade.h"

// The opening handshake against any bytes. Promises: the outcome does not depend on how the input
// was cut; the limits hold; an answer is one well-formed head whose length matches its body.

namespace stampede::proto {
namespace {

const UpgradePolicy& policy() {
  static const UpgradePolicy policy{
      .paths = {"/stomp", "/"},
      .head_bytes_max = 1024,
      .headers_max = 12,
      .allowed_origins = {"same-host", "https://a.example:444", "https://*.example"}};
  return policy;
}

struct Outcome {
  UpgradeStatus status = UpgradeStatus::kNeedMore;
  size_t consumed = 0;
  std::string answer;
  std::string subprotocol;

  bool operator==(const Outcome&) const = default;
};

// `piece_bytes` gives the size of the next piece, from how much is left.
template <class F>
Outcome run(std::span<const uint8_t> input, F&& piece_bytes) {
  HttpUpgrade upgrade(policy());
  Outcome outcome;
  while (!input.empty() && outcome.status == UpgradeStatus::kNeedMore) {
    const auto piece = input.first(std::clamp<size_t>(piece_bytes(), 1, input.size()));
    input = input.subspan(piece.size());
    const UpgradeResult result = upgrade.feed(piece);
    CHECK(result.consumed <= piece.size());
    CHECK(result.status != UpgradeStatus::kNeedMore || result.consumed == piece.size());
    outcome.status = result.status;
    outcome.consumed += result.consumed;
  }
  outcome.answer = upgrade.answer();
  outcome.subprotocol = upgrade.subprotocol();
  CHECK((upgrade.status_code() == 101) == (outcome.status == UpgradeStatus::kAccepted));
  CHECK(upgrade.refusal().empty() == (outcome.status != UpgradeStatus::kRefused));
  return outcome;
}

void check_answer(std::string_view input, const Outcome& outcome) {
  if (outcome.status == UpgradeStatus::kNeedMore) {
    CHECK(outcome.answer.empty() && outcome.consumed <= policy().head_bytes_max);
    return;
  }
  const std::string_view answer = outcome.answer;
  const size_t head_end = answer.find("\r\n\r\n");
  CHECK(answer.starts_with("HTTP/1.1 ") && head_end != answer.npos);
  const std::string_view body = answer.substr(head_end + 4);
  if (outcome.status == UpgradeStatus::kAccepted) {
    CHECK(outcome.consumed <= policy().head_bytes_max && body.empty());
    CHECK(input.substr(0, outcome.consumed).ends_with("\r\n\r\n"));
    CHECK(input.starts_with("GET "));
    CHECK(input.substr(0, outcome.consumed).find(outcome.subprotocol) != input.npos);
  } else {
    CHECK(outcome.consumed <= policy().head_bytes_max + 1);
    CHECK(answer.find("\r\nConnection: close") < head_end);
    CHECK(answer.find("\r\nContent-Length: " + std::to_string(body.size()) + "\r\n") < head_end);
  }
}

}  // namespace
}  // namespace stampede::proto

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace stampede::proto;
  const std::span<const uint8_t> input(data, size);
  const Outcome whole = run(input, [&] { return size; });
  check_answer({reinterpret_cast<const char*>(data), size}, whole);
  CHECK(run(input, [] { return size_t{1}; }) == whole);
  // The input's own octets decide where it is cut, so that a finding is replayed by its file alone.
  size_t at = 0;
  const auto by_data = [&] { return size_t{data[at++ * 7 % size]} % 64; };
  CHECK(run(input, by_data) == whole);
  return 0;
}
