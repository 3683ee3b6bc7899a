#pragma once

#include <string>

#include "tools/stampede_bench/report/histogram.h"

namespace stampede::bench {

// The percentile distribution of `histogram` of nanoseconds as HdrHistogram prints it, values in
// microseconds. HdrHistogram's plotter and those made after it read this.
[[nodiscard]] std::string hdr_report(const Histogram& histogram);

}  // namespace stampede::bench
