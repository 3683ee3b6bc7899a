// Reading STOMP. Workloads:
//
//   classify_block/<implementation>  the scanner alone, over 16 KiB in the first-level cache.
//   parse_sends/body/length/cut      a stream of SEND frames through StompParser. length:0 leaves
//                                    content-length out, so the end is found by its NUL. cut:0
//                                    hands over all octets at once; cut:4096 as receive buffers
//                                    bring them, so that frames are split and joined again. The
//                                    scanner is the one that the CPU made the parser choose.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>

#include "bench/micro/stomp_sample.h"
#include "proto/base/check.h"
#include "proto/stomp_parser.h"
#include "proto/stomp_scanner.h"

namespace stampede::bench {
namespace {

void classify_block(benchmark::State& state, proto::ScannerImplementation implementation) {
  if (!proto::scanner_is_supported(implementation)) {
    state.SkipWithError("this CPU does not have it");
    return;
  }
  constexpr size_t kBytes = 16 * 1024;
  std::string text;
  while (text.size() < kBytes) text += sample_send("/topic/prices.acme", 100) + '\0';
  const auto* octets = reinterpret_cast<const uint8_t*>(text.data());
  const proto::ClassifyBlock classify = proto::scanner(implementation);
  for (auto _ : state) {
    uint64_t stops = 0;
    for (size_t at = 0; at < kBytes; at += 64) {
      const proto::StompMarks marks = classify(octets + at);
      stops |= marks.line_feed ^ marks.nul;
    }
    benchmark::DoNotOptimize(stops);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(kBytes));
}
BENCHMARK_CAPTURE(classify_block, scalar, proto::ScannerImplementation::kScalar);
BENCHMARK_CAPTURE(classify_block, sse2, proto::ScannerImplementation::kSse2);
BENCHMARK_CAPTURE(classify_block, avx2, proto::ScannerImplementation::kAvx2);

void parse_sends(benchmark::State& state) {
  constexpr size_t kStreamBytes = 256 * 1024;
  constexpr proto::StompLimits kLimits = {.frame_bytes_max = 256 * 1024,
                                          .headers_max = 64,
                                          .header_line_bytes_max = 8 * 1024,
                                          .header_total_bytes_max = 32 * 1024};
  const auto body_bytes = static_cast<size_t>(state.range(0));
  const auto length = state.range(1) == 0 ? BodyLength::kLeftOut : BodyLength::kDeclared;
  const std::string frame = sample_send("/topic/prices.acme", body_bytes, length) + '\0';
  std::string stream;
  size_t frames_in_stream = 0;
  for (; stream.size() < kStreamBytes; ++frames_in_stream) stream += frame;
  const std::span<const uint8_t> octets(reinterpret_cast<const uint8_t*>(stream.data()),
                                        stream.size());
  const size_t piece_bytes = state.range(2) == 0 ? octets.size() : size_t(state.range(2));

  proto::StompParser parser;
  for (auto _ : state) {
    size_t frames = 0;
    for (size_t at = 0; at < octets.size(); at += piece_bytes) {
      std::span<const uint8_t> piece =
          octets.subspan(at, std::min(piece_bytes, octets.size() - at));
      while (true) {
        proto::StompFrame parsed;
        const proto::ParseResult result = parser.feed(piece, kLimits, parsed);
        piece = piece.subspan(result.consumed);
        if (result.status != proto::ParseStatus::kFrame) break;
        benchmark::DoNotOptimize(parsed.headers.data());
        benchmark::DoNotOptimize(parsed.body.data());
        ++frames;
      }
    }
    CHECK(frames == frames_in_stream && parser.at_frame_border());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(frames_in_stream));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(octets.size()));
}
BENCHMARK(parse_sends)
    ->ArgNames({"body", "length", "cut"})
    ->ArgsProduct({{100, 1'024, 16'384}, {0, 1}, {0}})
    ->ArgsProduct({{100, 1'024, 16'384}, {1}, {4'096}});

}  // namespace
}  // namespace stampede::bench
