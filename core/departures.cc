#include "core/departures.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "proto/base/check.h"

namespace stampede::core {

namespace {

// 0 below a second, then a class for each doubling.
int idle_class(Millis idle_ms) {
  return static_cast<int>(
      std::bit_width(static_cast<uint64_t>(std::max<Millis>(idle_ms, 0)) / 1000));
}

}  // namespace

Departures::Departures(std::vector<Candidate> candidates, Millis from, Millis until, uint64_t seed)
    : order_(std::move(candidates)),
      from_(static_cast<double>(from)),
      random_(static_cast<std::minstd_rand::result_type>(seed ^ seed >> 32)) {
  if (order_.empty()) return;
  share_ =
      static_cast<double>(std::max<Millis>(until - from, 0)) / static_cast<double>(order_.size());
  std::ranges::shuffle(order_, random_);
  std::ranges::stable_sort(order_, [](const Candidate& one, const Candidate& other) {
    return idle_class(one.idle_ms) > idle_class(other.idle_ms);
  });
  next_at_ = draw_next_at();
}

Millis Departures::draw_next_at() {
  const double part = std::uniform_real_distribution<double>(0, 1)(random_);
  return static_cast<Millis>(from_ + share_ * (static_cast<double>(left_) + part));
}

ClientRef Departures::pop() {
  DCHECK(left_ < order_.size());
  const ClientRef client = order_[left_++].client;
  next_at_ = left_ < order_.size() ? draw_next_at() : kNever;
  return client;
}

}  // namespace stampede::core
