// Selectors. Workloads:
//
//   parse_selector/*            a selector's text to a program, as at SUBSCRIBE.
//   match_headers/*/selectors   so many selectors like it look at the headers of a message, which
//                               has six, and is a new one each time.
//   match_body/selectors        so many selectors look at the body of a message, 230 octets of
//                               JSON, which is parsed for the first one.
//   parse_body/body             one selector, a body of about so many octets.

#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/message.h"
#include "core/options.h"
#include "core/selector/selector.h"
#include "proto/base/check.h"

namespace stampede::bench {
namespace {

constexpr std::string_view kEquals = "region = 'eu'";
constexpr std::string_view kNumber = "priority > 4";
constexpr std::string_view kLike = "symbol LIKE 'AC%_E%'";
constexpr std::string_view kList = "symbol IN ('BOLT', 'NUT', 'GEAR', 'ROPE', 'ACME')";
constexpr std::string_view kSeveral =
    "region = 'eu' AND (priority > 4 OR type = 'trade') AND symbol NOT LIKE 'X%' "
    "AND content-type IS NOT NULL";
constexpr std::string_view kBody =
    R"({"symbol":"ACME","price":12.5,"volume":1200,"region":"eu","venue":{"name":"XETR","mic":"XETR"},)"
    R"("bids":[[12.4,100],[12.3,400],[12.2,900]],"asks":[[12.6,100],[12.7,300],[12.8,700]],)"
    R"("at":"2024-05-01T12:00:00Z","last":true})";

core::Message* make_message(std::string_view body, uint64_t sequence) {
  constexpr std::array<proto::StompHeader, 6> kHeaders = {
      {{.name = "content-type", .value = "application/json"},
       {.name = "type", .value = "trade"},
       {.name = "trace", .value = "4bf92f3577b34da6"},
       {.name = "symbol", .value = "ACME"},
       {.name = "priority", .value = "7"},
       {.name = "region", .value = "eu"}}};
  core::Message::Content content;
  content.destination = "/topic/prices.acme";
  content.headers = kHeaders;
  content.body = {reinterpret_cast<const uint8_t*>(body.data()), body.size()};
  core::Message* message = core::Message::create(content, 1);
  message->set_number(sequence, "k3x9a0b1-0-1000000");
  return message;
}

std::shared_ptr<const core::Selector> parse(std::string_view text) {
  const auto selector = core::Selector::parse(text, {});
  CHECK(selector.has_value());
  return *selector;
}

void parse_selector(benchmark::State& state, std::string_view text) {
  for (auto _ : state) benchmark::DoNotOptimize(parse(text));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK_CAPTURE(parse_selector, equals, kEquals);
BENCHMARK_CAPTURE(parse_selector, several, kSeveral);

// Two messages in turn, so that each is new to the subject.
void match(benchmark::State& state, std::string_view body,
           const std::vector<std::shared_ptr<const core::Selector>>& selectors) {
  const std::array messages = {make_message(body, 1), make_message(body, 2)};
  core::SelectorSubject subject(core::Options().selector_body_bytes_max);
  size_t turn = 0;
  int64_t matched = 0;
  for (auto _ : state) {
    subject.begin(*messages[turn++ % 2]);
    for (const auto& selector : selectors) matched += selector->matches(subject);
  }
  const auto looks = state.iterations() * static_cast<int64_t>(selectors.size());
  CHECK(matched == looks);
  for (core::Message* message : messages) message->drop_reference();
  state.SetItemsProcessed(looks);
}

void match_headers(benchmark::State& state, std::string_view text) {
  const auto count = static_cast<size_t>(state.range(0));
  match(state, "", std::vector(count, parse(text)));
}
BENCHMARK_CAPTURE(match_headers, equals, kEquals)->ArgName("selectors")->Arg(1)->Arg(100);
BENCHMARK_CAPTURE(match_headers, number, kNumber)->ArgName("selectors")->Arg(1)->Arg(100);
BENCHMARK_CAPTURE(match_headers, like, kLike)->ArgName("selectors")->Arg(1)->Arg(100);
BENCHMARK_CAPTURE(match_headers, list, kList)->ArgName("selectors")->Arg(1)->Arg(100);
BENCHMARK_CAPTURE(match_headers, several, kSeveral)->ArgName("selectors")->Arg(1)->Arg(100);

void match_body(benchmark::State& state) {
  constexpr std::array<std::string_view, 4> kTexts = {
      "body.price > 10 AND region = 'eu'", "body.venue.name = 'XETR'", "body.bids[2][1] >= 900",
      "body.volume BETWEEN 1000 AND 2000 AND body.last"};
  std::vector<std::shared_ptr<const core::Selector>> selectors;
  for (size_t n = 0; n < static_cast<size_t>(state.range(0)); ++n) {
    selectors.push_back(parse(kTexts[n % kTexts.size()]));
  }
  match(state, kBody, selectors);
}
BENCHMARK(match_body)->ArgName("selectors")->Arg(1)->Arg(10)->Arg(100)->Arg(1'000);

void parse_body(benchmark::State& state) {
  const auto bytes = static_cast<size_t>(state.range(0));
  std::string body = "[" + std::string(kBody);
  while (body.size() + kBody.size() + 2 <= bytes) body.append(",").append(kBody);
  body += "]";
  match(state, body, {parse("body[0].price > 10")});
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(body.size()));
}
BENCHMARK(parse_body)->ArgName("body")->Arg(230)->Arg(16 * 1024)->Arg(256 * 1024);

}  // namespace
}  // namespace stampede::bench
