#include <gtest/gtest.h>

#include <cstdint>

#include "tests/sim/sim_seeds.h"
#include "tests/sim/slow_world.h"

namespace stampede::sim {
namespace {

TEST(SlowSimulation, EveryReaderIsToldExactlyWhatItMissed) {
  uint64_t missed = 0;
  run_seeds([&missed](uint64_t seed) {
    SlowWorld world(seed, 1 + static_cast<core::ShardId>(seed % 4), SimFaults::of_seed(seed));
    world.run();
    missed += world.missed();
  });
  EXPECT_GT(missed, 0u) << "nobody lagged, so nothing was tested";
}

}  // namespace
}  // namespace stampede::sim
