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
// Owns:      the next number of each publisher to the destination, and those that were left out.
// Thread:    the subscriber's.
// Invariant: a number is accepted at most once; of kSome, where repeats are for the flight to see,
//            it may be accepted again.
class DeliveryCheck {
 public:
  // `plan` outlives it.
  DeliveryCheck(const LoadPlan& plan, uint32_t destination, Expectation expectation);

  // True if it is the one that must come next: all there is to do for it then.
  bool take_next(const Stamp& stamp) {
    // Wraps around below the first, which is beyond the last then.
    const uint32_t row = stamp.publisher - first_publisher_;
    if (row >= rows_.size() || rows_[row].next != stamp.number) return false;
    rows_[row].next += rows_[row].step;
    return true;
  }
  // After that was false. True if it is the first delivery of this message here. Counts what is
  // wrong with it. `published` is how many its publisher has sent so far, 0 if there is none.
  bool take_other(const Stamp& stamp, uint64_t published, ReportErrors& errors);

  // Numbers that did not come although later ones did.
  [[nodiscard]] uint64_t left_out() const { return left_out_.size() + left_out_uncounted_; }
  // Numbers below what `publisher` has published that did not come at its end.
  // Requires: it is one of those that publish to the destination.
  [[nodiscard]] uint64_t outstanding(uint32_t publisher, uint64_t published) const;

 private:
  struct Row {
    uint64_t next = 0;
    uint32_t step = 1;
  };

  const LoadPlan& plan_;
  const uint32_t destination_;
  const Expectation expectation_;
  uint32_t first_publisher_ = 0;
  std::vector<Row> rows_;  // by publisher, from first_publisher_
  std::set<std::pair<uint32_t, uint64_t>> left_out_;
  uint64_t left_out_uncounted_ = 0;
};

}  // namespace stampede::bench
