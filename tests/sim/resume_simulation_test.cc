#include <gtest/gtest.h>

#include <cstdint>

#include "tests/sim/resume_world.h"
#include "tests/sim/sim_seeds.h"

namespace stampede::sim {
namespace {

ResumeScale scale_of(uint64_t seed) {
  ResumeScale scale;
  scale.shards = 1 + static_cast<core::ShardId>(seed % 4);
  scale.topics_with_history = 1 + static_cast<uint32_t>(seed / 4 % 4);
  scale.faults = SimFaults::of_seed(seed);
  return scale;
}

TEST(ResumeSimulation, ClosesEveryGapOrSaysThatItIsOpen) {
  run_seeds([](uint64_t seed) {
    ResumeWorld world(seed, scale_of(seed));
    world.run();
  });
}

TEST(ResumeSimulation, GivesWhatWasAskedForThroughADrain) {
  run_seeds([](uint64_t seed) {
    ResumeWorld world(seed, scale_of(seed));
    world.run_with_drain();
  });
}

}  // namespace
}  // namespace stampede::sim
