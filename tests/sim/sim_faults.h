#pragma once

#include <cstdint>

namespace stampede::sim {

// What goes wrong around the broker in a life, besides what may in each: receives are cut anywhere,
// sends reach the peer bit by bit, and mailboxes are full or not looked at.
struct SimFaults {
  bool clock_jumps = false;
  bool shards_stall = false;
  bool connections_break = false;

  [[nodiscard]] bool are_any() const { return clock_jumps || shards_stall || connections_break; }

  // Half of the seeds have none, the others some or all.
  [[nodiscard]] static SimFaults of_seed(uint64_t seed);
};

}  // namespace stampede::sim
