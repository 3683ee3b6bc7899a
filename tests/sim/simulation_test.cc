#include <gtest/gtest.h>

#include <cstdint>
#include <stdexcept>

#include "tests/sim/sim_seeds.h"
#include "tests/sim/sim_world.h"

namespace stampede::sim {
namespace {

TEST(Simulation, EverySubscriberSeesEachDestinationInTheOwnersOrder) {
  run_seeds([](uint64_t seed) {
    SimWorld world(seed, {.faults = SimFaults::of_seed(seed)});
    world.run();
  });
}

TEST(Simulation, DrainGivesEverySubscriberWhatWasTakenIn) {
  run_seeds([](uint64_t seed) {
    SimScale scale = {.faults = SimFaults::of_seed(seed)};
    scale.shards = 1 + static_cast<uint32_t>(seed % 4);
    scale.subscribers = 80;
    scale.subscribers_at_once = 40;
    SimWorld world(seed, scale);
    world.run_with_drain();
  });
}

TEST(Simulation, DrainOneByOneGivesEverySubscriberWhatWasAcknowledgedBefore) {
  run_seeds([](uint64_t seed) {
    SimScale scale = {.faults = SimFaults::of_seed(seed)};
    scale.shards = 1 + static_cast<uint32_t>(seed % 4);
    scale.subscribers = 80;
    scale.subscribers_at_once = 40;
    SimWorld world(seed, scale);
    world.run_with_spread_drain();
  });
}

TEST(Simulation, HasFaultsInHalfOfTheSeeds) {
  int with = 0;
  int jumping = 0;
  int stalling = 0;
  int breaking = 0;
  for (uint64_t seed = 1; seed <= 1'000; ++seed) {
    const SimFaults faults = SimFaults::of_seed(seed);
    jumping += faults.clock_jumps ? 1 : 0;
    stalling += faults.shards_stall ? 1 : 0;
    breaking += faults.connections_break ? 1 : 0;
    with += faults.clock_jumps || faults.shards_stall || faults.connections_break ? 1 : 0;
  }
  EXPECT_NEAR(with, 500, 50);
  for (const int each : {jumping, stalling, breaking}) EXPECT_NEAR(each, 500 * 4 / 7, 50);
}

TEST(Simulation, LosesWhatABrokenConnectionCutAndNothingElse) {
  size_t lost = 0;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    SimWorld world(seed, {.faults = {.connections_break = true}});
    ASSERT_NO_THROW(world.run()) << "seed " << seed;
    lost += world.sends_lost();
  }
  EXPECT_GT(lost, 0u) << "no connection was cut inside a SEND, so nothing was tested";
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
