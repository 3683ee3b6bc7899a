#include "tools/stampede_bench/report/csv_report.h"

#include <cinttypes>
#include <cstdio>

namespace stampede::bench {
namespace {

std::string csv_line(const ReportSample& sample) {
  const double rate =
      sample.seconds > 0 ? static_cast<double>(sample.delivered) / sample.seconds : 0;
  char line[320];
  std::snprintf(line, sizeof line,
                "%.3f,%.3f,%" PRIu64 ",%" PRIu64 ",%.1f,%.3f,%.3f,%.4f,%.4f,%" PRIu64 "\n",
                sample.at_s, sample.seconds, sample.published, sample.delivered, rate,
                static_cast<double>(sample.latency_p50_ns) / 1e3,
                static_cast<double>(sample.latency_p99_ns) / 1e3, sample.server_cpu,
                sample.load_cpu, sample.server_rss_bytes);
  return line;
}

}  // namespace

std::string csv_report(const RunReport& report) {
  std::string text =
      "at_s,seconds,published,delivered,deliveries_per_second,latency_p50_us,latency_p99_us,"
      "server_cpu,load_cpu,server_rss_bytes\n";
  for (const ReportSample& sample : report.series) text += csv_line(sample);
  return text;
}

}  // namespace stampede::bench
