#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "core/shard_types.h"

namespace stampede::core {

// Departures says which client leaves when in a drain: evenly over the time there is, each at a
// random moment of its share, so that those who come back do not come all at once. Who has been
// idle for longer leaves earlier; among those that were idle for about as long, chance decides.
//
// Owns:      its list. Thread: home shard. It knows no clock.
// Invariant: given in the order of their times; everybody once, by `until` at the latest.
class Departures {
 public:
  struct Candidate {
    ClientRef client;
    Millis idle_ms;
  };

  // Nobody leaves.
  Departures() = default;
  Departures(std::vector<Candidate> candidates, Millis from, Millis until, uint64_t seed);

  // When the next one leaves; kNever if none is left.
  [[nodiscard]] Millis next_at() const { return next_at_; }
  // Who leaves at next_at(). Requires: somebody is left.
  ClientRef pop();

 private:
  [[nodiscard]] Millis draw_next_at();

  std::vector<Candidate> order_;
  size_t left_ = 0;  // how many have left
  double from_ = 0;
  double share_ = 0;  // of each, in milliseconds
  Millis next_at_ = kNever;
  std::minstd_rand random_;
};

}  // namespace stampede::core
