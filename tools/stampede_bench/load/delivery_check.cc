#include "tools/stampede_bench/load/delivery_check.h"

namespace stampede::bench {
namespace {

// Of kFromFirst: nothing of this publisher was seen yet.
constexpr uint64_t kUnknown = UINT64_MAX - 1;
// Beyond that many a broker has lost so much that telling late from lost does not matter.
constexpr size_t kLeftOutMax = 100'000;

}  // namespace

DeliveryCheck::DeliveryCheck(const LoadPlan& plan, uint32_t destination, Expectation expectation)
    : plan_(plan), destination_(destination), expectation_(expectation) {
  next_.reserve(plan.publishers.size());
  step_.reserve(plan.publishers.size());
  for (const PublisherPlan& publisher : plan.publishers) {
    const uint64_t first = publisher.first_number_to(destination);
    const bool is_unknown =
        expectation == Expectation::kFromFirst && first != PublisherPlan::kNever;
    next_.push_back(is_unknown ? kUnknown : first);
    step_.push_back(publisher.cycle);
  }
}

bool DeliveryCheck::take_unexpected(const Stamp& stamp, ReportErrors& errors) {
  if (stamp.publisher >= next_.size() ||
      plan_.publishers[stamp.publisher].destination_of(stamp.number) != destination_) {
    ++errors.corrupted;
    return false;
  }
  uint64_t& next = next_[stamp.publisher];
  const uint32_t step = step_[stamp.publisher];
  if (next == kUnknown) {
    next = stamp.number + step;
    return true;
  }
  if (stamp.number > next) {
    for (; next < stamp.number && expectation_ != Expectation::kSome; next += step) {
      if (left_out_.size() < kLeftOutMax) {
        left_out_.emplace(stamp.publisher, next);
      } else {
        ++left_out_uncounted_;
      }
    }
    next = stamp.number + step;
    return true;
  }
  const bool was_left_out = left_out_.erase({stamp.publisher, stamp.number}) > 0;
  if (was_left_out || expectation_ == Expectation::kSome) {
    ++errors.reordered;
    return true;
  }
  ++errors.duplicated;
  return false;
}

uint64_t DeliveryCheck::outstanding(uint32_t publisher, uint64_t published) const {
  const uint64_t next = next_[publisher];
  if (expectation_ != Expectation::kAll || next >= published) return 0;
  return (published - next + step_[publisher] - 1) / step_[publisher];
}

}  // namespace stampede::bench
