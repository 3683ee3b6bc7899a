// What is made of one SEND. Workloads:
//
//   create_message/body/known     a Message of the content of a SEND, and its end: copies,
//                                 allocates, frees, and with known:0 looks for text to escape and
//                                 for UTF-8; known:1 is a SEND that came as text.
//   encode_headers/version/plain  what a MESSAGE has between its `subscription` header and its
//   body,
//                                 once for each message and version; version 0, 1, 2 is STOMP 1.0,
//                                 1.1, 1.2; plain:0 has a header that needs an escape.

#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "bench/micro/stomp_sample.h"
#include "core/destination_name.h"
#include "core/message.h"
#include "core/message_encoder.h"
#include "proto/base/check.h"

namespace stampede::bench {
namespace {

constexpr std::string_view kDestination = "/topic/prices.acme";

// A SEND's headers, one of them to be escaped if not plain.
std::array<proto::StompHeader, 4> sample_headers(bool is_plain) {
  return {{{.name = "destination", .value = kDestination},
           {.name = "content-type", .value = "application/json"},
           {.name = "content-length", .value = "200"},
           {.name = "trace", .value = is_plain ? "4bf92f3577b34da6" : "4bf92f35:77b34da6"}}};
}

core::Message* make_message(const std::string& body, bool is_plain, bool is_known) {
  const auto headers = sample_headers(is_plain);
  return core::Message::create(
      {.destination = kDestination,
       .message_id = "",
       .headers = headers,
       .body = {reinterpret_cast<const uint8_t*>(body.data()), body.size()},
       .origin = {},
       .is_known_plain = is_known && is_plain,
       .is_known_utf8 = is_known},
      core::hash_text(kDestination, 0));
}

void create_message(benchmark::State& state) {
  const std::string body = sample_body(static_cast<size_t>(state.range(0)));
  for (auto _ : state) {
    core::Message* message = make_message(body, true, state.range(1) != 0);
    benchmark::DoNotOptimize(std::as_const(message));
    message->drop_reference();
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(create_message)->ArgNames({"body", "known"})->ArgsProduct({{100, 1'024, 16'384}, {0, 1}});

void encode_headers(benchmark::State& state) {
  const auto version = static_cast<proto::StompVersion>(state.range(0));
  core::Message* message = make_message(sample_body(200), state.range(1) != 0, false);
  message->set_number(1'000'000, "k3x9a0b1-0-1000000");
  core::MessageEncoder encoder;
  uint64_t left_out = 0;
  for (auto _ : state) {
    encoder.begin({&message, 1});
    benchmark::DoNotOptimize(encoder.headers(0, version, left_out).data());
    encoder.end();
  }
  CHECK(left_out == 0);
  message->drop_reference();
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(encode_headers)->ArgNames({"version", "plain"})->ArgsProduct({{0, 1, 2}, {0, 1}});

}  // namespace
}  // namespace stampede::bench
