#include <gtest/gtest.h>

#include <cstdint>

#include "tests/sim/queue_world.h"
#include "tests/sim/sim_seeds.h"

namespace stampede::sim {
namespace {

QueueScale scale_of(uint64_t seed) {
  QueueScale scale;
  scale.shards = 1 + static_cast<core::ShardId>(seed % 4);
  scale.queues = 1 + static_cast<uint32_t>(seed / 4 % 6);
  scale.faults = SimFaults::of_seed(seed);
  scale.faults.clock_jumps = false;
  return scale;
}

TEST(QueueSimulation, LosesNothingAndGivesNothingTwice) {
  run_seeds([](uint64_t seed) {
    QueueWorld world(seed, scale_of(seed));
    world.run();
  });
}

TEST(QueueSimulation, KeepsWhatItTookInThroughADrain) {
  run_seeds([](uint64_t seed) {
    QueueWorld world(seed, scale_of(seed));
    world.run_with_drain();
  });
}

}  // namespace
}  // namespace stampede::sim
