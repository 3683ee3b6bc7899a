// What it costs that many come back at once and resume. Workload:
//
//   resume/subscribers/own_ids  so many subscribers, each on its own connection, resume a topic at
//                               the first of 1,000 messages, one after the other, and get them all.
//                               own_ids:0: they have the same id, as stompjs gives, and share one
//                               replay. own_ids:1: each makes up an id, and has a replay of its
//                               own. encodings is how often a message was encoded, subscribe_ns is
//                               for one SUBSCRIBE with what it makes the shard encode, deliver_ns
//                               for one message to one subscriber, without the kernel. Items are
//                               messages delivered.
//
// A message is 200 octets of body.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <vector>

#include "bench/micro/bench_shard.h"
#include "bench/micro/stomp_sample.h"
#include "bench/micro/stopwatch.h"
#include "proto/base/check.h"

namespace stampede::bench {
namespace {

void resume(benchmark::State& state) {
  constexpr int64_t kMessages = 1'000;
  constexpr size_t kBodyBytes = 200;
  const auto subscribers = static_cast<size_t>(state.range(0));
  const bool has_own_ids = state.range(1) != 0;
  core::Options options;
  options.history = {{.pattern = "/topic/#", .messages = kMessages}};
  BenchShards shards(1, options);
  const Connection publisher = shards.connect(core::Transport::kWebSocket);
  const std::string send =
      BenchShards::on_wire(core::Transport::kWebSocket, sample_send("/topic/a", kBodyBytes));
  for (int64_t n = 0; n < kMessages; ++n) shards.receive(publisher, send);
  std::vector<Connection> connections;
  std::vector<std::string> subscribe;
  std::vector<std::string> unsubscribe;
  for (size_t n = 0; n < subscribers; ++n) {
    const std::string id =
        has_own_ids ? std::to_string(n) + "-57a3-4bd6-9f21-c0ffee123456" : "sub-0";
    connections.push_back(shards.connect(core::Transport::kWebSocket));
    subscribe.push_back(BenchShards::on_wire(
        core::Transport::kWebSocket,
        "SUBSCRIBE\nid:" + id + "\ndestination:/topic/a\nfrom-seq:1\nreceipt:r\n\n"));
    unsubscribe.push_back(
        BenchShards::on_wire(core::Transport::kWebSocket, "UNSUBSCRIBE\nid:" + id + "\n\n"));
  }
  shards.come_to_rest();

  const uint64_t encoded_before = shards.shard().metrics().messages_appended;
  Stopwatch subscribing;
  Stopwatch delivering;
  for (auto _ : state) {
    const double before = subscribing.seconds() + delivering.seconds();
    size_t bytes = 0;
    subscribing.time([&] {
      for (size_t n = 0; n < subscribers; ++n) shards.receive(connections[n], subscribe[n]);
    });
    delivering.time([&] { bytes = shards.flush(0).bytes; });
    state.SetIterationTime(subscribing.seconds() + delivering.seconds() - before);
    CHECK(bytes > subscribers * kMessages * kBodyBytes);
    for (size_t n = 0; n < subscribers; ++n) shards.receive(connections[n], unsubscribe[n]);
    shards.come_to_rest();
  }
  const auto delivered = static_cast<int64_t>(subscribers) * kMessages * state.iterations();
  const uint64_t encoded = shards.shard().metrics().messages_appended - encoded_before;
  state.counters["encodings"] =
      static_cast<double>(encoded) / static_cast<double>(kMessages * state.iterations());
  subscribing.report(state, "subscribe", static_cast<int64_t>(subscribers) * state.iterations());
  delivering.report(state, "deliver", delivered);
  state.SetItemsProcessed(delivered);
}
BENCHMARK(resume)
    ->ArgNames({"subscribers", "own_ids"})
    ->Args({1, 0})
    ->Args({1'000, 0})
    ->Args({1'000, 1})
    ->UseManualTime();

}  // namespace
}  // namespace stampede::bench
