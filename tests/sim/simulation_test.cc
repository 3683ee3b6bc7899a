#include <gtest/gtest.h>

#include <cstdint>
#include <stdexcept>

#include "tests/sim/sim_seeds.h"
#include "tests/sim/sim_world.h"

namespace stampede::sim {
namespace {

// Of eight seeds two have a clock that jumps, and two have shards that stand still.
SimScale scale_of(uint64_t seed) {
  SimScale scale;
  scale.clock_jumps = seed / 4 % 4 == 1;
  scale.shards_stall = seed / 4 % 4 == 2;
  return scale;
}

TEST(Simulation, EverySubscriberSeesEachDestinationInTheOwnersOrder) {
  run_seeds([](uint64_t seed) {
    SimWorld world(seed, scale_of(seed));
    world.run();
  });
}

TEST(Simulation, DrainGivesEverySubscriberWhatWasTakenIn) {
  run_seeds([](uint64_t seed) {
    SimScale scale = scale_of(seed);
    scale.shards = 1 + static_cast<uint32_t>(seed % 4);
    scale.subscribers = 80;
    scale.subscribers_at_once = 40;
    SimWorld world(seed, scale);
    world.run_with_drain();
  });
}

TEST(Simulation, DrainOneByOneGivesEverySubscriberWhatWasAcknowledgedBefore) {
  run_seeds([](uint64_t seed) {
    SimScale scale;
    scale.shards = 1 + static_cast<uint32_t>(seed % 4);
    scale.subscribers = 80;
    scale.subscribers_at_once = 40;
    SimWorld world(seed, scale);
    world.run_with_spread_drain();
  });
}

TEST(Simulation, HoldsWithAnyNumberOfShards) {
  for (const uint32_t shards : {1u, 2u, 3u, 8u}) {
    try {
      SimScale scale;
      scale.shards = shards;
      scale.subscribers = 120;
      SimWorld world(shards, scale);
      world.run();
    } catch (const std::runtime_error& error) {
      FAIL() << shards << " shards: " << error.what();
    }
  }
}

}  // namespace
}  // namespace stampede::sim
