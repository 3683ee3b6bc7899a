#include "tests/sim/sim_faults.h"

#include "tests/sim/sim_random.h"

namespace stampede::sim {

SimFaults SimFaults::of_seed(uint64_t seed) {
  // Apart from the world's own chance, whose first choice would else go with the faults.
  constexpr uint64_t kApart = 0x5EED'FA17;
  SimRandom random(seed ^ kApart);
  if (random.one_in(2)) return {};
  const uint64_t which = 1 + random.below(7);
  return {.clock_jumps = (which & 1) != 0,
          .shards_stall = (which & 2) != 0,
          .connections_break = (which & 4) != 0};
}

}  // namespace stampede::sim
