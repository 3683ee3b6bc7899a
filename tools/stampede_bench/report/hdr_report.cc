#include "tools/stampede_bench/report/hdr_report.h"

#include <cstdarg>
#include <cstdio>

#include "tools/stampede_bench/report/percentile_curve.h"

namespace stampede::bench {
namespace {

// HdrHistogram's own default.
constexpr int kTicksPerHalfDistance = 5;

[[gnu::format(printf, 2, 3)]] void append_line(std::string& text, const char* format, ...) {
  char line[160];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  text += line;
  text += '\n';
}

double microseconds(double nanoseconds) { return nanoseconds / 1e3; }

}  // namespace

std::string hdr_report(const Histogram& histogram) {
  std::string text;
  append_line(text, "%12s %14s %10s %14s\n", "Value", "Percentile", "TotalCount",
              "1/(1-Percentile)");
  for (const PercentilePoint& point : percentile_curve(histogram, kTicksPerHalfDistance)) {
    const double value = microseconds(static_cast<double>(point.value));
    const auto count = static_cast<unsigned long long>(point.values_up_to);
    if (point.percentile < 100) {
      append_line(text, "%12.3f %2.12f %10llu %14.2f", value, point.percentile / 100, count,
                  1 / (1 - point.percentile / 100));
    } else {
      append_line(text, "%12.3f %2.12f %10llu", value, point.percentile / 100, count);
    }
  }
  append_line(text, "#[Mean    = %12.3f, StdDeviation   = %12.3f]", microseconds(histogram.mean()),
              microseconds(histogram.standard_deviation()));
  append_line(text, "#[Max     = %12.3f, Total count    = %12llu]",
              microseconds(static_cast<double>(histogram.max())),
              static_cast<unsigned long long>(histogram.count()));
  append_line(text, "#[Buckets = %12d, SubBuckets     = %12d]",
              Histogram::kValueBits - Histogram::kSubBits + 1, 1 << Histogram::kSubBits);
  return text;
}

}  // namespace stampede::bench
