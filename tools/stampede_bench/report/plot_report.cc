#include "tools/stampede_bench/report/plot_report.h"

#include <string_view>

#include "tools/stampede_bench/report/json_report.h"
#include "tools/stampede_bench/report/percentile_curve.h"
#include "tools/stampede_bench/report/plot_page.h"

namespace stampede::bench {
namespace {

// Close enough together for a line without visible corners.
constexpr int kTicksPerHalfDistance = 20;

// [[percentile, microseconds], ...]
void append_curve(JsonWriter& json, const Histogram& histogram) {
  json.begin_array();
  for (const PercentilePoint& point : percentile_curve(histogram, kTicksPerHalfDistance)) {
    json.begin_array();
    json.value(point.percentile);
    json.value(static_cast<double>(point.value) / 1e3);
    json.end_array();
  }
  json.end_array();
}

}  // namespace

std::string plot_report(const RunReport& report) {
  JsonWriter json;
  json.begin_object();
  json.key("report");
  append_json_report(json, report);
  json.key("latency");
  append_curve(json, report.latency);
  json.key("completion");
  append_curve(json, report.completion);
  json.end_object();

  constexpr std::string_view kMark = "{{data}}";
  std::string page(kPlotPage);
  page.replace(page.find(kMark), kMark.size(), json.take());
  return page;
}

}  // namespace stampede::bench
