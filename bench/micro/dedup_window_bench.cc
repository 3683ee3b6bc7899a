// The duplicate window of one destination, with ids as long as a UUID. Workloads:
//
//   remember_new_id/window        a window of so many ids that is full: each new one pushes one
//   out. remember_known_id/window      an id that is in the full window: a look-up.
//   fill_window/window            a window from empty to full, its growth included; time for one
//   id.

#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include "core/dedup_window.h"
#include "proto/base/check.h"

namespace stampede::bench {
namespace {

constexpr uint64_t kSeed = 42;
constexpr core::Millis kTimeMs = 120'000;
constexpr core::Millis kNow = 1'000;

// The text of a number in the form of a UUID, in memory that is always warm.
class IdText {
 public:
  std::string_view of(uint64_t number) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    for (size_t at = text_.size(); at > text_.size() - 12; number >>= 4) {
      text_[--at] = kDigits[number & 15];
    }
    return {text_.data(), text_.size()};
  }

 private:
  static constexpr std::string_view kForm = "6b1f0c9e-57a3-4bd6-9f21-000000000000";
  std::array<char, kForm.size()> text_ = [] {
    std::array<char, kForm.size()> text;
    kForm.copy(text.data(), text.size());
    return text;
  }();
};

struct FullWindow {
  explicit FullWindow(size_t entries) : entries_max(entries) {
    while (next < entries_max) CHECK(remember(next++));
  }
  bool remember(uint64_t number) {
    return window.remember(id.of(number), kSeed, entries_max, kTimeMs, kNow);
  }

  core::DedupWindow window;
  IdText id;
  const size_t entries_max;
  uint64_t next = 0;  // not remembered yet
};

void remember_new_id(benchmark::State& state) {
  FullWindow full(static_cast<size_t>(state.range(0)));
  uint64_t fresh = 0;
  for (auto _ : state) fresh += full.remember(full.next++) ? 1 : 0;
  CHECK(fresh == static_cast<uint64_t>(state.iterations()));
  CHECK(full.window.size() == full.entries_max);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(remember_new_id)->ArgName("window")->Arg(1'024)->Arg(65'536);

void remember_known_id(benchmark::State& state) {
  FullWindow full(static_cast<size_t>(state.range(0)));
  uint64_t fresh = 0;
  uint64_t number = 0;
  for (auto _ : state) {
    // Odd, so that it goes through all of a power of two.
    number = (number + 40'503) % full.entries_max;
    fresh += full.remember(number) ? 1 : 0;
  }
  CHECK(fresh == 0);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(remember_known_id)->ArgName("window")->Arg(1'024)->Arg(65'536);

void fill_window(benchmark::State& state) {
  const auto entries = static_cast<size_t>(state.range(0));
  for (auto _ : state) {
    auto full = std::make_unique<FullWindow>(entries);
    state.PauseTiming();
    full.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(fill_window)->ArgName("window")->Arg(1'024)->Arg(65'536);

}  // namespace
}  // namespace stampede::bench
