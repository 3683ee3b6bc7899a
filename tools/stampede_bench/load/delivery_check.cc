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
  const PublisherRange range = plan.publishers_to(destination);
  first_publisher_ = range.first;
  rows_.reserve(range.count);
  for (uint32_t row = 0; row < range.count; ++row) {
    const PublisherPlan& publisher = plan.publishers[range.first + row];
    const uint64_t first = publisher.first_number_to(destination);
    rows_.push_back({expectation == Expectation::kFromFirst ? kUnknown : first, publisher.cycle});
  }
}

bool DeliveryCheck::take_other(const Stamp& stamp, uint64_t published, ReportErrors& errors) {
  const uint32_t row = stamp.publisher - first_publisher_;
  if (row >= rows_.size() || stamp.number >= published ||
      plan_.publishers[stamp.publisher].destination_of(stamp.number) != destination_) {
    ++errors.corrupted;
    return false;
  }
  auto& [next, step] = rows_[row];
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
  const Row& row = rows_[publisher - first_publisher_];
  if (expectation_ != Expectation::kAll || row.next >= published) return 0;
  return (published - row.next + row.step - 1) / row.step;
}

}  // namespace stampede::bench
