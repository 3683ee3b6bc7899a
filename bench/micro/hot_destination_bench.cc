// One destination that everything is sent to, up to the logs of its groups: what its owner shard
// can take. Workload:
//
//   publish/interest/crosses  256 SENDs to a destination in which so many other shards have
//   interest,
//                             by a group of one each. crosses:0 sends from the owner's own shard,
//                             crosses:1 from another, so that the message goes by mail first.
//                             home_ns, owner_ns are for one message, deliver_ns for one message on
//                             one shard with interest. All shards run in one thread, so cache lines
//                             do not travel: what two cores would add is not in it
//                             (mailbox_bench.cc has that).

#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>

#include "bench/micro/bench_shard.h"
#include "bench/micro/stomp_sample.h"
#include "bench/micro/stopwatch.h"
#include "proto/base/check.h"

namespace stampede::bench {
namespace {

void publish(benchmark::State& state) {
  constexpr int64_t kBatch = 256;
  constexpr size_t kBodyBytes = 200;
  constexpr core::ShardId kOwner = 0;
  constexpr core::ShardId kStranger = 5;
  const auto interested = static_cast<core::ShardId>(state.range(0));
  const bool crosses = state.range(1) != 0;
  BenchShards shards(6);
  const std::string topic = shards.topic_owned_by(kOwner);
  const core::ShardId home = crosses ? kStranger : kOwner;
  const Connection publisher = shards.connect(core::Transport::kWebSocket, home);
  for (core::ShardId id = 1; id <= interested; ++id) {
    shards.subscribe(shards.connect(core::Transport::kWebSocket, id), "sub-0", topic);
  }
  shards.come_to_rest();
  const std::string send =
      BenchShards::on_wire(core::Transport::kWebSocket, sample_send(topic, kBodyBytes));

  Stopwatch at_home;
  Stopwatch at_owner;
  Stopwatch delivering;
  for (auto _ : state) {
    const double before = at_home.seconds() + at_owner.seconds() + delivering.seconds();
    at_home.time([&] {
      for (int64_t n = 0; n < kBatch; ++n) shards.receive(publisher, send);
      shards.post_mail(home);
    });
    if (crosses) {
      at_owner.time([&] {
        shards.take_mail(kOwner);
        shards.post_mail(kOwner);
      });
    }
    delivering.time([&] {
      for (core::ShardId id = 1; id <= interested; ++id) shards.take_mail(id);
    });
    state.SetIterationTime(at_home.seconds() + at_owner.seconds() + delivering.seconds() - before);
    for (core::ShardId id = 1; id <= interested; ++id) {
      CHECK(shards.flush(id).bytes > kBatch * kBodyBytes);
    }
  }
  const int64_t messages = state.iterations() * kBatch;
  CHECK(shards.shard(kOwner).metrics().messages_published == static_cast<uint64_t>(messages));
  at_home.report(state, "home", messages);
  if (crosses) at_owner.report(state, "owner", messages);
  if (interested > 0) delivering.report(state, "deliver", messages * state.range(0));
  state.SetItemsProcessed(messages);
}
BENCHMARK(publish)
    ->ArgNames({"interest", "crosses"})
    ->ArgsProduct({{0, 1, 4}, {0, 1}})
    ->UseManualTime();

}  // namespace
}  // namespace stampede::bench
