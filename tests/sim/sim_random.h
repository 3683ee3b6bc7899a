#pragma once

#include <cstdint>
#include <random>

namespace stampede::sim {

// All chance of a simulation comes from here, so that a seed replays it.
class SimRandom {
 public:
  explicit SimRandom(uint64_t seed) : engine_(seed) {}

  // 0 .. bound - 1. Not std::uniform_int_distribution, whose values differ between libraries.
  uint64_t below(uint64_t bound) { return bound == 0 ? 0 : engine_() % bound; }
  bool one_in(uint64_t n) { return below(n) == 0; }

 private:
  std::mt19937_64 engine_;
};

}  // namespace stampede::sim
