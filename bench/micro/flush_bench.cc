// The way out: planning a send for each client that has something, and hearing that it is complete.
// Octets are not copied here (the kernel would), so this is the price of a send in user space.
// Stages are the thread's CPU time.
// Workloads:
//
//   flush_group/clients/pending  a group that is behind by so many messages; only the flush is in
//                                the time. flush_ns is for one client, delivery_ns for one message
//                                of one client.
//   small_groups/destinations/subscribers/own_ids
//                                a SEND to each of the destinations, then the flush; every
//                                subscriber is a connection. 1000/5/0 is many small topics,
//                                1/1000/1 one topic whose subscribers make up their ids, so that
//                                each is a group. send_ns is for one SEND, its way in and the
//                                appends; flush_ns for one client's flush.

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

constexpr size_t kBodyBytes = 200;

void flush_group(benchmark::State& state) {
  const auto clients = static_cast<size_t>(state.range(0));
  const auto pending = static_cast<size_t>(state.range(1));
  BenchShards shards;
  const Connection publisher = shards.connect(core::Transport::kWebSocket);
  for (size_t n = 0; n < clients; ++n) {
    shards.subscribe(shards.connect(core::Transport::kWebSocket), "sub-0", "/topic/prices.acme");
  }
  shards.come_to_rest();
  const std::string send = BenchShards::on_wire(core::Transport::kWebSocket,
                                                sample_send("/topic/prices.acme", kBodyBytes));

  Stopwatch flushing;
  for (auto _ : state) {
    for (size_t n = 0; n < pending; ++n) shards.receive(publisher, send);
    Flushed flushed;
    const double before = flushing.seconds();
    flushing.time([&] { flushed = shards.flush(0); });
    state.SetIterationTime(flushing.seconds() - before);
    CHECK(flushed.sends == clients && flushed.bytes > clients * pending * kBodyBytes);
  }
  const int64_t flushes = state.iterations() * state.range(0);
  flushing.report(state, "flush", flushes);
  flushing.report(state, "delivery", flushes * state.range(1));
  state.SetItemsProcessed(flushes * state.range(1));
}
BENCHMARK(flush_group)
    ->ArgNames({"clients", "pending"})
    ->ArgsProduct({{1'000, 10'000}, {1, 16, 64}})
    ->UseManualTime();

void small_groups(benchmark::State& state) {
  const auto destinations = static_cast<size_t>(state.range(0));
  const auto subscribers = static_cast<size_t>(state.range(1));
  const bool has_own_ids = state.range(2) != 0;
  BenchShards shards;
  const Connection publisher = shards.connect(core::Transport::kWebSocket);
  std::vector<std::string> sends;
  for (size_t topic = 0; topic < destinations; ++topic) {
    const std::string name = "/topic/prices." + std::to_string(topic);
    sends.push_back(
        BenchShards::on_wire(core::Transport::kWebSocket, sample_send(name, kBodyBytes)));
    for (size_t n = 0; n < subscribers; ++n) {
      const std::string id = has_own_ids ? std::to_string(n) + "-57a3-4bd6-9f21-c0ffee" : "sub-0";
      shards.subscribe(shards.connect(core::Transport::kWebSocket), id, name);
    }
  }
  shards.come_to_rest();
  const size_t groups = has_own_ids ? destinations * subscribers : destinations;
  CHECK(shards.shard().tables().groups == groups);

  Stopwatch sending;
  Stopwatch flushing;
  for (auto _ : state) {
    const double before = sending.seconds() + flushing.seconds();
    sending.time([&] {
      for (const std::string& send : sends) shards.receive(publisher, send);
    });
    Flushed flushed;
    flushing.time([&] { flushed = shards.flush(0); });
    const double seconds = sending.seconds() + flushing.seconds();
    state.SetIterationTime(seconds - before);
    CHECK(flushed.sends == destinations * subscribers);
  }
  const int64_t sends_made = state.iterations() * state.range(0);
  sending.report(state, "send", sends_made);
  flushing.report(state, "flush", sends_made * state.range(1));
  state.SetItemsProcessed(sends_made * state.range(1));
}
BENCHMARK(small_groups)
    ->ArgNames({"destinations", "subscribers", "own_ids"})
    ->Args({1'000, 5, 0})
    ->Args({1, 1'000, 1})
    ->Args({1, 1'000, 0})
    ->UseManualTime();

}  // namespace
}  // namespace stampede::bench
