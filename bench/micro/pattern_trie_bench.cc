// Patterns. Workloads:
//
//   match/patterns              destinations against a trie of so many patterns, two of which match
//                               each: its own, which ends in `*`, and one that ends in `#`. Must
//                               grow only by what the caches do not hold.
//   match_every_choice/levels   one destination against all patterns that have its level or `*` at
//   each
//                               place: 2^levels of them match. What a match costs at worst.
//   insert_and_erase/patterns   one pattern more and gone again.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/pattern_trie.h"
#include "proto/base/check.h"

namespace stampede::bench {
namespace {

using Trie = core::PatternTrie<uint64_t>;

constexpr uint64_t kSeed = 42;

std::string device(size_t number) {
  return "/topic/site-" + std::to_string(number / 100) + ".device-" + std::to_string(number);
}

void fill(Trie& trie, size_t patterns) {
  trie.insert("/topic/#") = 1;
  for (size_t n = 0; trie.size() < patterns; ++n) trie.insert(device(n) + ".*") = 1;
}

void match(benchmark::State& state) {
  const auto patterns = static_cast<size_t>(state.range(0));
  Trie trie(kSeed);
  fill(trie, patterns);
  // A power of two, in an order that no cache foresees.
  std::vector<std::string> names(4096);
  for (size_t n = 0; n < names.size(); ++n) {
    names[n] = device(n * 2'654'435'761 % (patterns - 1)) + ".temperature";
  }
  uint64_t matched = 0;
  size_t at = 0;
  for (auto _ : state) {
    trie.match(names[at++ % names.size()], [&](uint64_t value) { matched += value; });
    benchmark::DoNotOptimize(matched);
  }
  CHECK(matched == 2 * static_cast<uint64_t>(state.iterations()));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(match)->ArgName("patterns")->RangeMultiplier(10)->Range(10, 100'000);

void match_every_choice(benchmark::State& state) {
  const auto levels = static_cast<unsigned>(state.range(0));
  Trie trie(kSeed);
  for (unsigned choice = 0; choice < 1u << levels; ++choice) {
    std::string pattern;
    for (unsigned level = 0; level < levels; ++level) {
      pattern += (choice >> level & 1) != 0 ? "/level" : "/*";
    }
    trie.insert(pattern) = 1;
  }
  std::string name;
  for (unsigned level = 0; level < levels; ++level) name += "/level";
  uint64_t matched = 0;
  for (auto _ : state) {
    trie.match(name, [&](uint64_t value) { matched += value; });
    benchmark::DoNotOptimize(matched);
  }
  CHECK(matched == static_cast<uint64_t>(state.iterations()) << levels);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(match_every_choice)->ArgName("levels")->Arg(2)->Arg(4)->Arg(8);

void insert_and_erase(benchmark::State& state) {
  Trie trie(kSeed);
  fill(trie, static_cast<size_t>(state.range(0)));
  const std::string pattern = "/topic/site-7.another-device.*";
  for (auto _ : state) {
    trie.insert(pattern) = 1;
    trie.erase(pattern);
  }
  CHECK(trie.size() == static_cast<size_t>(state.range(0)));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(insert_and_erase)->ArgName("patterns")->RangeMultiplier(10)->Range(10, 100'000);

}  // namespace
}  // namespace stampede::bench
