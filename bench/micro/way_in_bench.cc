// One connection's whole way in, from the octets of a receive to a numbered message that nobody
// wants. Workloads:
//
//   receive_sends/body/websocket/cut  SEND frames; cut:0 is a receive for each frame, as a quiet
//                                     connection brings them; cut:4096 are full receive buffers, as
//                                     a busy one does.
//   receive_sends_with_receipt/batch  so many SENDs of 200 octets over WebSocket that ask for a
//                                     receipt, in one receive, and the flush of their RECEIPTs.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "bench/micro/bench_shard.h"
#include "bench/micro/stomp_sample.h"
#include "proto/base/check.h"

namespace stampede::bench {
namespace {

core::Transport transport_of(int64_t is_websocket) {
  return is_websocket == 0 ? core::Transport::kTcp : core::Transport::kWebSocket;
}

void receive_sends(benchmark::State& state) {
  constexpr size_t kStreamBytes = 64 * 1024;
  const auto body_bytes = static_cast<size_t>(state.range(0));
  const core::Transport transport = transport_of(state.range(1));
  const std::string frame =
      BenchShards::on_wire(transport, sample_send("/topic/prices.acme", body_bytes));
  std::string stream;
  uint64_t frames = 0;
  for (; stream.size() < kStreamBytes; ++frames) stream += frame;
  const size_t piece_bytes = state.range(2) == 0 ? frame.size() : size_t(state.range(2));

  BenchShards shards;
  const Connection publisher = shards.connect(transport);
  shards.come_to_rest();
  const uint64_t before = shards.shard().metrics().messages_unrouted;
  for (auto _ : state) {
    for (size_t at = 0; at < stream.size(); at += piece_bytes) {
      shards.receive(publisher, std::string_view(stream).substr(at, piece_bytes));
    }
  }
  const auto iterations = static_cast<uint64_t>(state.iterations());
  CHECK(shards.shard().metrics().messages_unrouted - before == iterations * frames);
  state.SetItemsProcessed(static_cast<int64_t>(iterations * frames));
  state.SetBytesProcessed(static_cast<int64_t>(iterations * stream.size()));
}
BENCHMARK(receive_sends)
    ->ArgNames({"body", "websocket", "cut"})
    ->ArgsProduct({{100, 1'024, 16'384}, {0, 1}, {0, 4'096}});

void receive_sends_with_receipt(benchmark::State& state) {
  std::string octets;
  for (int64_t n = 0; n < state.range(0); ++n) {
    std::string frame = sample_send("/topic/prices.acme", 200);
    frame.insert(frame.find('\n') + 1, "receipt:message-" + std::to_string(n) + "\n");
    octets += BenchShards::on_wire(core::Transport::kWebSocket, frame);
  }
  BenchShards shards;
  const Connection publisher = shards.connect(core::Transport::kWebSocket);
  shards.come_to_rest();
  for (auto _ : state) {
    shards.receive(publisher, octets);
    CHECK(shards.flush(0).sends == 1);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(receive_sends_with_receipt)->ArgName("batch")->Arg(1)->Arg(16)->Arg(256);

}  // namespace
}  // namespace stampede::bench
