#include <gtest/gtest.h>

#include <cstdlib>
#include <stdexcept>
#include <string>

#include "tests/sim/sim_world.h"

namespace stampede::sim {
namespace {

uint64_t number_from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::stoull(text);
}

// STAMPEDE_SIM_FIRST_SEED and STAMPEDE_SIM_SEEDS choose the seeds; a failure prints the pair that
// replays it.
TEST(Simulation, EverySubscriberSeesEachDestinationInTheOwnersOrder) {
  const uint64_t first = number_from_environment("STAMPEDE_SIM_FIRST_SEED", 1);
  const uint64_t count = number_from_environment("STAMPEDE_SIM_SEEDS", 50);
  for (uint64_t seed = first; seed < first + count; ++seed) {
    try {
      SimWorld world(seed, SimScale{});
      world.run();
    } catch (const std::runtime_error& error) {
      FAIL() << "seed " << seed << ": " << error.what();
    }
  }
}

TEST(Simulation, DrainGivesEverySubscriberWhatWasTakenIn) {
  const uint64_t first = number_from_environment("STAMPEDE_SIM_FIRST_SEED", 1);
  const uint64_t count = number_from_environment("STAMPEDE_SIM_SEEDS", 50);
  for (uint64_t seed = first; seed < first + count; ++seed) {
    try {
      SimScale scale;
      scale.shards = 1 + static_cast<uint32_t>(seed % 4);
      scale.subscribers = 80;
      scale.subscribers_at_once = 40;
      SimWorld world(seed, scale);
      world.run_with_drain();
    } catch (const std::runtime_error& error) {
      FAIL() << "seed " << seed << ": " << error.what();
    }
  }
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
