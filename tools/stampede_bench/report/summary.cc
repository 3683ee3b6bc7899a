#include "tools/stampede_bench/report/summary.h"

#include <algorithm>
#include <cstdio>
#include <string_view>
#include <utility>

#include "tools/stampede_bench/report/quantity.h"

namespace stampede::bench {
namespace {

constexpr size_t kFigureWidth = 10;

std::string pad_right(std::string_view text, size_t width) {
  return std::string(text) + std::string(width - std::min(width, text.size()), ' ');
}

std::string pad_left(std::string_view text, size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + std::string(text);
}

std::string two_decimals(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

// Rows of a label and what belongs to it; all contents begin in one column.
class Table {
 public:
  explicit Table(const RunReport& report) {
    for (const ReportFigure& figure : report.figures) {
      label_width_ = std::max(label_width_, figure.name.size());
    }
  }

  void add(std::string_view label, const std::string& content) {
    text_ += "  " + pad_right(label, label_width_) + "  " + content + "\n";
  }
  void add_empty_line() { text_ += "\n"; }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  size_t label_width_ = std::string_view("server memory").size();
  std::string text_;
};

void add_counts(Table& table, const RunReport& report) {
  const std::string published = format_count(report.published);
  const std::string delivered = format_count(report.delivered);
  const size_t width = std::max(published.size(), delivered.size());
  const double publish_rate =
      report.seconds > 0 ? static_cast<double>(report.published) / report.seconds : 0;
  const auto with_rate = [width](const std::string& count, double rate) {
    return pad_left(count, width) + "  " + format_number(rate) + " /s";
  };
  table.add("measured", two_decimals(report.seconds) + " s");
  table.add("published", with_rate(published, publish_rate));
  table.add("delivered", with_rate(delivered, report.deliveries_per_second()));
}

std::string percentile_cells(const Histogram& histogram) {
  std::string cells;
  const auto add = [&cells](double nanoseconds) {
    cells += pad_left(format_nanoseconds(nanoseconds), kFigureWidth);
  };
  for (const double percentile : {50.0, 90.0, 99.0, 99.9, 99.99}) {
    add(static_cast<double>(histogram.value_at(percentile)));
  }
  add(static_cast<double>(histogram.max()));
  add(histogram.mean());
  return cells;
}

void add_percentiles(Table& table, const RunReport& report) {
  if (report.latency.count() == 0 && report.completion.count() == 0) return;
  std::string names;
  for (const char* name : {"p50", "p90", "p99", "p99.9", "p99.99", "max", "mean"}) {
    names += pad_left(name, kFigureWidth);
  }
  table.add_empty_line();
  table.add("", names);
  if (report.latency.count() > 0) table.add("latency", percentile_cells(report.latency));
  if (report.completion.count() > 0) table.add("completion", percentile_cells(report.completion));
  table.add_empty_line();
}

void add_cpu_and_memory(Table& table, const RunReport& report) {
  if (report.server) {
    std::string cpu = two_decimals(report.server_cpu().value_or(0)) + " of a core";
    if (const auto cost = report.cpu_ns_per_delivery()) {
      cpu += ", " + format_nanoseconds(*cost) + " per delivery";
    }
    const auto bytes = [](uint64_t count) { return format_bytes(static_cast<double>(count)); };
    table.add("server CPU", cpu);
    table.add("server memory", bytes(report.server->rss_bytes) + ", before " +
                                   bytes(report.server->rss_before_bytes) + ", peak " +
                                   bytes(report.server->rss_peak_bytes));
  }
  table.add("load CPU", two_decimals(report.load_cpu) + " of a core, its busiest thread");
}

void add_errors(Table& table, const RunReport& report) {
  const ReportErrors& errors = report.errors;
  const std::pair<const char*, uint64_t> kinds[] = {
      {"lost", errors.lost},           {"duplicated", errors.duplicated},
      {"reordered", errors.reordered}, {"corrupted", errors.corrupted},
      {"refused", errors.refused},     {"disconnected", errors.disconnected}};
  std::string found;
  for (const auto& [name, count] : kinds) {
    if (count > 0) found += (found.empty() ? "" : ", ") + format_count(count) + " " + name;
  }
  table.add("errors", found.empty() ? "none" : found);
  if (!report.first_error.empty()) table.add("first error", printable(report.first_error));
}

}  // namespace

std::string summary(const RunReport& report) {
  std::string text = report.scenario + " " + printable(report.url) + "\n";
  std::string parameters;
  for (const auto& [name, value] : report.parameters) {
    parameters += (parameters.empty() ? "" : ", ") + name + " " + printable(value);
  }
  if (!parameters.empty()) text += "  " + parameters + "\n";

  Table table(report);
  add_counts(table, report);
  add_percentiles(table, report);
  add_cpu_and_memory(table, report);
  for (const ReportFigure& figure : report.figures) {
    table.add(figure.name, format_by_name(figure.name, figure.value));
  }
  add_errors(table, report);
  text += "\n" + table.text();
  if (report.load_was_limit) {
    text +=
        "\nThe load generator was the bottleneck: its busiest thread used " +
        two_decimals(report.load_cpu) +
        " of a core.\nThese figures tell what stampede-bench can do on this machine, not what the "
        "server can.\n";
  }
  return text;
}

}  // namespace stampede::bench
