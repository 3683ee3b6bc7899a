#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace stampede::bench {

// Histogram counts int64 values in log-linear buckets as HdrHistogram does: 2^kSubBits buckets to
// each power of two, so a value is known to 1/128, from 0 to 2^44 (4.8 hours in nanoseconds).
//
// Owns:      its counts, 40 KiB.
// Thread:    one writer; merged when that has ended.
class Histogram {
 public:
  static constexpr int kSubBits = 7;
  static constexpr int kValueBits = 44;
  static constexpr int64_t kValueMax = (int64_t{1} << kValueBits) - 1;

  Histogram() : counts_(kBuckets) {}

  // Values below 0 count as 0, those above kValueMax as kValueMax.
  void record(int64_t value) { record(value, 1); }
  void record(int64_t value, uint64_t times) {
    const uint64_t clamped = value < 0 ? 0 : static_cast<uint64_t>(std::min(value, kValueMax));
    counts_[bucket_of(clamped)] += times;
    total_ += times;
  }
  void merge(const Histogram& other);
  void clear();

  [[nodiscard]] uint64_t count() const { return total_; }
  // The highest value that is equal, within a bucket, to the one at `percentile` (0..100); 0 if
  // nothing was recorded.
  [[nodiscard]] int64_t value_at(double percentile) const;
  // The ends of the outermost buckets in use, so that no recorded value lies outside; 0 if empty.
  [[nodiscard]] int64_t min() const;
  [[nodiscard]] int64_t max() const;
  [[nodiscard]] double mean() const;
  [[nodiscard]] double standard_deviation() const;

  // For writers: all non-empty buckets in order.
  struct Bucket {
    int64_t highest_value = 0;
    uint64_t count = 0;
  };
  [[nodiscard]] std::vector<Bucket> buckets() const;

 private:
  static constexpr size_t kSubBuckets = size_t{1} << kSubBits;
  static constexpr size_t kBuckets = (kValueBits - kSubBits + 1) * kSubBuckets;

  // Values below 2^kSubBits have a bucket each; above, the leading kSubBits + 1 bits choose it.
  static size_t bucket_of(uint64_t value) {
    if (value < kSubBuckets) return value;
    const int shift = static_cast<int>(std::bit_width(value)) - 1 - kSubBits;
    return (static_cast<size_t>(shift + 1) << kSubBits) + (value >> shift) - kSubBuckets;
  }
  static int64_t lowest_value_of(size_t bucket);
  static int64_t highest_value_of(size_t bucket);
  static double middle_of(size_t bucket);

  std::vector<uint64_t> counts_;
  uint64_t total_ = 0;
};

}  // namespace stampede::bench
