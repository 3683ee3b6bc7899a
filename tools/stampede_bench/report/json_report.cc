#include "tools/stampede_bench/report/json_report.h"

namespace stampede::bench {
namespace {

void append_percentiles(JsonWriter& json, const Histogram& histogram) {
  static constexpr std::pair<std::string_view, double> kPercentiles[] = {
      {"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99_9", 99.9}, {"p99_99", 99.99}};
  json.begin_object();
  json.member("count", histogram.count());
  for (const auto& [name, percentile] : kPercentiles) {
    json.member(name, static_cast<double>(histogram.value_at(percentile)) / 1e3);
  }
  json.member("max", static_cast<double>(histogram.max()) / 1e3);
  json.member("mean", histogram.mean() / 1e3);
  json.end_object();
}

void append_errors(JsonWriter& json, const ReportErrors& errors) {
  json.begin_object();
  json.member("lost", errors.lost);
  json.member("duplicated", errors.duplicated);
  json.member("reordered", errors.reordered);
  json.member("corrupted", errors.corrupted);
  json.member("disconnected", errors.disconnected);
  json.member("refused", errors.refused);
  json.end_object();
}

void append_server(JsonWriter& json, const RunReport& report) {
  if (!report.server) return json.null();
  json.begin_object();
  json.member("cpu_seconds", static_cast<double>(report.server->cpu_ns) / 1e9);
  json.key("cpu_ns_per_delivery");
  if (const std::optional<double> cost = report.cpu_ns_per_delivery()) {
    json.value(*cost);
  } else {
    json.null();
  }
  json.member("cpu_share", report.server_cpu().value_or(0));
  json.member("rss_bytes", report.server->rss_bytes);
  json.member("rss_before_bytes", report.server->rss_before_bytes);
  json.member("rss_peak_bytes", report.server->rss_peak_bytes);
  json.end_object();
}

void append_sample(JsonWriter& json, const ReportSample& sample) {
  json.begin_object();
  json.member("at_s", sample.at_s);
  json.member("seconds", sample.seconds);
  json.member("published", sample.published);
  json.member("delivered", sample.delivered);
  json.member("latency_p50_ns", sample.latency_p50_ns);
  json.member("latency_p99_ns", sample.latency_p99_ns);
  json.member("server_cpu", sample.server_cpu);
  json.member("load_cpu", sample.load_cpu);
  json.member("server_rss_bytes", sample.server_rss_bytes);
  json.end_object();
}

}  // namespace

void append_json_report(JsonWriter& json, const RunReport& report) {
  json.begin_object();
  json.member("scenario", report.scenario);
  json.member("url", report.url);
  json.key("parameters");
  json.begin_object();
  for (const auto& [name, text] : report.parameters) json.member(name, text);
  json.end_object();

  json.member("seconds", report.seconds);
  json.member("published", report.published);
  json.member("delivered", report.delivered);
  json.member("deliveries_per_second", report.deliveries_per_second());
  json.key("latency_us");
  append_percentiles(json, report.latency);
  json.key("completion_us");
  append_percentiles(json, report.completion);
  json.key("errors");
  append_errors(json, report.errors);
  json.member("first_error", report.first_error);
  json.key("server");
  append_server(json, report);

  json.key("load");
  json.begin_object();
  json.member("cpu_share", report.load_cpu);
  json.member("was_limit", report.load_was_limit);
  json.end_object();
  json.key("figures");
  json.begin_object();
  for (const ReportFigure& figure : report.figures) json.member(figure.name, figure.value);
  json.end_object();
  json.key("series");
  json.begin_array();
  for (const ReportSample& sample : report.series) append_sample(json, sample);
  json.end_array();
  json.end_object();
}

std::string json_report(const RunReport& report) {
  JsonWriter json;
  append_json_report(json, report);
  return json.take() + "\n";
}

}  // namespace stampede::bench
