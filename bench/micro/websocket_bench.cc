// WebSocket framing. Workloads:
//
//   decode_client_frames/payload/text  a stream of masked frames through WsDecoder: header,
//   unmasking
//                                      and, of text, the check for UTF-8.
//   unmask_payload/<implementation>/payload
//                                      that step alone, in the first-level cache.
//   write_ws_header/payload            the header of a server's frame.
//   append_ws_frame/payload            a server's frame with its payload, into a string that is
//   warm.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bench/micro/stomp_sample.h"
#include "proto/base/check.h"
#include "proto/ws_decoder.h"
#include "proto/ws_encoder.h"
#include "proto/ws_unmask.h"
#include "tests/support/ws_client_frames.h"

namespace stampede::bench {
namespace {

void decode_client_frames(benchmark::State& state) {
  constexpr size_t kStreamBytes = 64 * 1024;
  constexpr proto::WsLimits kLimits = {.message_bytes_max = 1 << 20, .fragments_max = 1024};
  const auto opcode = state.range(1) == 0 ? proto::WsOpcode::kBinary : proto::WsOpcode::kText;
  const std::string payload = sample_body(static_cast<size_t>(state.range(0)));
  std::string stream;
  size_t frames = 0;
  for (; stream.size() < kStreamBytes; ++frames) {
    tests::append_client_frame(stream, {.opcode = opcode, .payload = payload});
  }

  proto::WsContextPool pool;
  proto::WsDecoder decoder;
  for (auto _ : state) {
    std::span<const uint8_t> input(reinterpret_cast<const uint8_t*>(stream.data()), stream.size());
    size_t bytes = 0;
    while (true) {
      const proto::WsEvent event = decoder.next(input, kLimits, pool);
      if (event.kind != proto::WsEventKind::kData) break;
      benchmark::DoNotOptimize(event.payload.data());
      bytes += event.payload.size();
    }
    CHECK(bytes == frames * payload.size() && !decoder.holds_context());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(frames));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(stream.size()));
}
BENCHMARK(decode_client_frames)
    ->ArgNames({"payload", "text"})
    ->ArgsProduct({{200, 1'024, 16'384}, {0, 1}});

void unmask_payload(benchmark::State& state, proto::UnmaskImplementation implementation) {
  if (!proto::unmasker_is_supported(implementation)) {
    state.SkipWithError("this CPU does not have it");
    return;
  }
  constexpr uint8_t kKey[4] = {0x37, 0xFA, 0x21, 0x3D};
  const std::string masked = sample_body(static_cast<size_t>(state.range(0)));
  std::vector<uint8_t> out(masked.size());
  const proto::UnmaskPayload unmask = proto::unmasker(implementation);
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        unmask(reinterpret_cast<const uint8_t*>(masked.data()), masked.size(), kKey, out.data()));
    benchmark::DoNotOptimize(out.data());
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK_CAPTURE(unmask_payload, portable, proto::UnmaskImplementation::kPortable)
    ->ArgName("payload")
    ->Arg(200)
    ->Arg(4'096);
BENCHMARK_CAPTURE(unmask_payload, avx2, proto::UnmaskImplementation::kAvx2)
    ->ArgName("payload")
    ->Arg(200)
    ->Arg(4'096);

void write_ws_header(benchmark::State& state) {
  uint8_t header[proto::kWsServerHeaderBytesMax];
  auto payload_bytes = static_cast<uint64_t>(state.range(0));
  for (auto _ : state) {
    benchmark::DoNotOptimize(payload_bytes);
    benchmark::DoNotOptimize(proto::write_ws_header(header, proto::WsOpcode::kText, payload_bytes));
    benchmark::DoNotOptimize(header);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(write_ws_header)->ArgName("payload")->Arg(100)->Arg(1'000)->Arg(100'000);

void append_ws_frame(benchmark::State& state) {
  const std::string payload = sample_body(static_cast<size_t>(state.range(0)));
  std::string out;
  for (auto _ : state) {
    out.clear();
    proto::append_ws_frame(out, proto::WsOpcode::kText, payload);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(append_ws_frame)->ArgName("payload")->Arg(40)->Arg(300)->Arg(16'384);

}  // namespace
}  // namespace stampede::bench
