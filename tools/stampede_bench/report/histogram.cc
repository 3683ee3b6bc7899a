#include "tools/stampede_bench/report/histogram.h"

#include <cmath>

namespace stampede::bench {

void Histogram::merge(const Histogram& other) {
  for (size_t bucket = 0; bucket < kBuckets; ++bucket) counts_[bucket] += other.counts_[bucket];
  total_ += other.total_;
}

void Histogram::clear() {
  std::fill(counts_.begin(), counts_.end(), 0);
  total_ = 0;
}

int64_t Histogram::value_at(double percentile) const {
  if (total_ == 0) return 0;
  // One step down first: 99.9 / 100 * 1000 is a little more than 999 in binary, and would round
  // up to the 1000th value.
  const double share = std::nextafter(std::clamp(percentile, 0.0, 100.0), 0.0) / 100;
  const auto wanted = static_cast<uint64_t>(std::ceil(share * static_cast<double>(total_)));
  const uint64_t rank = std::clamp<uint64_t>(wanted, 1, total_);
  uint64_t passed = 0;
  for (size_t bucket = 0; bucket < kBuckets; ++bucket) {
    passed += counts_[bucket];
    if (passed >= rank) return highest_value_of(bucket);
  }
  return kValueMax;
}

int64_t Histogram::min() const {
  for (size_t bucket = 0; bucket < kBuckets; ++bucket) {
    if (counts_[bucket] != 0) return lowest_value_of(bucket);
  }
  return 0;
}

int64_t Histogram::max() const {
  for (size_t bucket = kBuckets; bucket-- > 0;) {
    if (counts_[bucket] != 0) return highest_value_of(bucket);
  }
  return 0;
}

double Histogram::mean() const {
  if (total_ == 0) return 0;
  double sum = 0;
  for (size_t bucket = 0; bucket < kBuckets; ++bucket) {
    if (counts_[bucket] != 0) sum += middle_of(bucket) * static_cast<double>(counts_[bucket]);
  }
  return sum / static_cast<double>(total_);
}

double Histogram::standard_deviation() const {
  if (total_ == 0) return 0;
  const double center = mean();
  double squares = 0;
  for (size_t bucket = 0; bucket < kBuckets; ++bucket) {
    if (counts_[bucket] == 0) continue;
    const double distance = middle_of(bucket) - center;
    squares += distance * distance * static_cast<double>(counts_[bucket]);
  }
  return std::sqrt(squares / static_cast<double>(total_));
}

std::vector<Histogram::Bucket> Histogram::buckets() const {
  std::vector<Bucket> filled;
  for (size_t bucket = 0; bucket < kBuckets; ++bucket) {
    if (counts_[bucket] != 0) filled.push_back({highest_value_of(bucket), counts_[bucket]});
  }
  return filled;
}

int64_t Histogram::lowest_value_of(size_t bucket) {
  if (bucket < kSubBuckets) return static_cast<int64_t>(bucket);
  const size_t shift = (bucket >> kSubBits) - 1;
  return static_cast<int64_t>((kSubBuckets + bucket % kSubBuckets) << shift);
}

int64_t Histogram::highest_value_of(size_t bucket) {
  // The next bucket begins one above; beyond the last one that is 2^kValueBits.
  return lowest_value_of(bucket + 1) - 1;
}

double Histogram::middle_of(size_t bucket) {
  return static_cast<double>(lowest_value_of(bucket) + highest_value_of(bucket)) / 2;
}

}  // namespace stampede::bench
