#include "tools/stampede_bench/report/percentile_curve.h"

#include <cmath>

namespace stampede::bench {
namespace {

double next_percentile(double percentile, int ticks_per_half_distance) {
  const double halvings = std::floor(std::log2(100 / (100 - percentile))) + 1;
  return percentile + 100 / (ticks_per_half_distance * std::exp2(halvings));
}

}  // namespace

std::vector<PercentilePoint> percentile_curve(const Histogram& histogram,
                                              int ticks_per_half_distance) {
  std::vector<PercentilePoint> curve;
  if (histogram.count() == 0) return curve;
  const auto total = static_cast<double>(histogram.count());
  double percentile = 0;
  uint64_t passed = 0;
  for (const Histogram::Bucket& bucket : histogram.buckets()) {
    passed += bucket.count;
    const double reached = 100 * static_cast<double>(passed) / total;
    while (percentile <= reached) {
      curve.push_back({percentile, bucket.highest_value, passed});
      if (passed == histogram.count()) break;
      percentile = next_percentile(percentile, ticks_per_half_distance);
    }
  }
  curve.push_back({100, histogram.max(), histogram.count()});
  return curve;
}

}  // namespace stampede::bench
