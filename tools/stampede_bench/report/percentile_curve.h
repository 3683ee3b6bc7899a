#pragma once

#include <cstdint>
#include <vector>

#include "tools/stampede_bench/report/histogram.h"

namespace stampede::bench {

struct PercentilePoint {
  double percentile = 0;  // 0..100
  int64_t value = 0;
  uint64_t values_up_to = 0;  // how many were recorded up to there
};

// The distribution from the 0th percentile to the 100th as HdrHistogram's PercentileIterator steps
// through it: `ticks_per_half_distance` steps to 50, as many from there to 75, to 87.5, and so on
// until one value is left. Empty for an empty histogram.
[[nodiscard]] std::vector<PercentilePoint> percentile_curve(const Histogram& histogram,
                                                            int ticks_per_half_distance);

}  // namespace stampede::bench
