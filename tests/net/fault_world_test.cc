#include "tests/net/fault_world.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "tests/sim/sim_seeds.h"

namespace stampede::net {
namespace {

TEST(FaultWorld, LosesNothingThatLivesAndLeavesNothingBehind) {
  sim::run_seeds([](uint64_t seed) {
    FaultWorld world(seed);
    world.run();
  });
}

TEST(FaultWorld, DrainsEveryoneWhoLives) {
  sim::run_seeds([](uint64_t seed) {
    FaultWorld world(seed);
    world.run_with_drain();
  });
}

}  // namespace
}  // namespace stampede::net
