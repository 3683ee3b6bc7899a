// What anybody writes to the admin listener. What must hold:
//   - the outcome is the same however the request was cut;
//   - a refusal has a status of HTTP and a sentence;
//   - a page of a list is within its bounds, and the pieces of it are no more than was asked;
//   - what of the request goes into an answer is valid JSON there.
//
// Input: octet 0 where to cut; the rest is the request.

#include <simdjson.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "net/admin_listener.h"
#include "proto/base/check.h"
#include "tools/json/json_writer.h"
#include "tools/stampede/admin/page_range.h"

namespace {

using stampede::proto::HttpRequest;
using stampede::proto::HttpRequestReader;
using stampede::proto::HttpRequestStatus;
using Octets = std::span<const uint8_t>;

struct Outcome {
  HttpRequestStatus status = HttpRequestStatus::kNeedMore;
  int refusal_code = 0;
  HttpRequest request = {};
};

Outcome read(const std::vector<Octets>& pieces) {
  HttpRequestReader reader(stampede::net::AdminListener::kLimits);
  Outcome outcome;
  for (Octets piece : pieces) {
    const std::vector<uint8_t> exact(piece.begin(), piece.end());
    const auto progress = reader.feed(exact);
    CHECK(progress.consumed <= exact.size());
    outcome.status = progress.status;
    if (progress.status == HttpRequestStatus::kNeedMore) {
      CHECK(progress.consumed == exact.size());
      continue;
    }
    if (progress.status == HttpRequestStatus::kRequest) {
      outcome.request = reader.request();
    } else {
      outcome.refusal_code = reader.refusal_code();
      CHECK(outcome.refusal_code >= 400 && outcome.refusal_code < 600);
      CHECK(!reader.refusal().empty());
    }
    break;
  }
  return outcome;
}

void check_range(const HttpRequest& request) {
  const auto range = stampede::tools::page_range(request);
  if (!range) {
    CHECK(!range.error().empty());
    return;
  }
  CHECK(range->limit >= 1 && range->limit <= stampede::tools::kPageLimitMax);
  size_t taken = 0;
  for (const auto& piece : stampede::tools::split_range(*range, {3, 0, 1000, 1}))
    taken += piece.limit;
  CHECK(taken <= range->limit);
}

void check_json(const HttpRequest& request) {
  stampede::json::JsonWriter writer;
  writer.begin_object();
  writer.member(request.path, request.query);
  writer.end_object();
  simdjson::dom::parser parser;
  simdjson::dom::element element;
  CHECK(parser.parse(writer.take()).get(element) == simdjson::SUCCESS);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const Octets input(data + 1, size - 1);
  const size_t cut = input.empty() ? 0 : data[0] * input.size() / 256;
  const Outcome whole = read({input});
  const Outcome halves = read({input.first(cut), input.subspan(cut)});
  std::vector<Octets> singles;
  for (size_t i = 0; i < input.size(); ++i) singles.push_back(input.subspan(i, 1));
  const Outcome slow = read(singles);
  for (const Outcome* other : {&halves, &slow}) {
    CHECK(other->status == whole.status && other->refusal_code == whole.refusal_code);
    CHECK(other->request.path == whole.request.path &&
          other->request.query == whole.request.query &&
          other->request.is_head == whole.request.is_head);
  }
  if (whole.status == HttpRequestStatus::kRequest) {
    check_range(whole.request);
    check_json(whole.request);
  }
  return 0;
}
