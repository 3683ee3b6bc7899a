#pragma once

#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "tools/stampede_bench/load/load_plan.h"
#include "tools/stampede_bench/load/stamp.h"
#include "tools/stampede_bench/report/run_report.h"

namespace stampede::bench {

// What a subscriber may expect.
enum class Expectation : uint8_t {
  kAll,        // every number that goes to its destination, in order
  kFromFirst,  // the same from the first one on that it sees of each publisher: it came later
  kSome,       // one of several consumers of a queue: any, but rising
};

// DeliveryCheck knows which number of each publisher one subscriber must see next.
//
// Owns:      the next number by publisher, and those that were left out so far.
// Thread:    the subscriber's.
// Invariant: a number is accepted at most once.
class DeliveryCheck {
 public:
  // `plan` outlives it.
  DeliveryCheck(const LoadPlan& plan, uint32_t destination, Expectation expectation);

  // True if it is the first delivery of this message here. Counts what is wrong with it.
  bool take(const Stamp& stamp, ReportErrors& errors) {
    if (stamp.publisher < next_.size() && next_[stamp.publisher] == stamp.number) {
      next_[stamp.publisher] += step_[stamp.publisher];
      return true;
    }
    return take_unexpected(stamp, errors);
  }
  // Numbers that did not come although later ones did.
  [[nodiscard]] uint64_t left_out() const { return left_out_.size() + left_out_uncounted_; }
  // Numbers below what `publisher` has published that did not come at its end.
  [[nodiscard]] uint64_t outstanding(uint32_t publisher, uint64_t published) const;

 private:
  bool take_unexpected(const Stamp& stamp, ReportErrors& errors);

  const LoadPlan& plan_;
  const uint32_t destination_;
  const Expectation expectation_;
  std::vector<uint64_t> next_;
  std::vector<uint32_t> step_;
  std::set<std::pair<uint32_t, uint64_t>> left_out_;
  uint64_t left_out_uncounted_ = 0;
};

}  // namespace stampede::bench
