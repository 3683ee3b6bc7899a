#include "tools/stampede_bench/report/fail_if.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

#include "tools/stampede_bench/report/quantity.h"

namespace stampede::bench {
namespace {

using Value = std::optional<double>;

enum class Kind { kNumber, kDuration, kBytes };

// One name that every scenario knows.
struct Measure {
  std::string_view name;
  Kind kind;
  Value (*read)(const RunReport&);
};

Value if_any(const Histogram& histogram, double value) {
  return histogram.count() > 0 ? Value(value) : std::nullopt;
}

Value count(uint64_t number) { return static_cast<double>(number); }

Value server_bytes(const RunReport& report, uint64_t ServerUse::*field) {
  return report.server ? count((*report.server).*field) : std::nullopt;
}

using Report = const RunReport&;

constexpr Measure kMeasures[] = {
    {"min", Kind::kDuration,
     [](Report run) { return if_any(run.latency, static_cast<double>(run.latency.min())); }},
    {"max", Kind::kDuration,
     [](Report run) { return if_any(run.latency, static_cast<double>(run.latency.max())); }},
    {"mean", Kind::kDuration, [](Report run) { return if_any(run.latency, run.latency.mean()); }},
    {"completion_min", Kind::kDuration,
     [](Report run) { return if_any(run.completion, static_cast<double>(run.completion.min())); }},
    {"completion_max", Kind::kDuration,
     [](Report run) { return if_any(run.completion, static_cast<double>(run.completion.max())); }},
    {"completion_mean", Kind::kDuration,
     [](Report run) { return if_any(run.completion, run.completion.mean()); }},
    {"throughput", Kind::kNumber, [](Report run) { return Value(run.deliveries_per_second()); }},
    {"published", Kind::kNumber, [](Report run) { return count(run.published); }},
    {"delivered", Kind::kNumber, [](Report run) { return count(run.delivered); }},
    {"cpu_per_delivery", Kind::kDuration, [](Report run) { return run.cpu_ns_per_delivery(); }},
    {"server_cpu", Kind::kNumber, [](Report run) { return run.server_cpu(); }},
    {"load_cpu", Kind::kNumber, [](Report run) { return Value(run.load_cpu); }},
    {"rss", Kind::kBytes, [](Report run) { return server_bytes(run, &ServerUse::rss_bytes); }},
    {"rss_before", Kind::kBytes,
     [](Report run) { return server_bytes(run, &ServerUse::rss_before_bytes); }},
    {"rss_peak", Kind::kBytes,
     [](Report run) { return server_bytes(run, &ServerUse::rss_peak_bytes); }},
    {"errors", Kind::kNumber, [](Report run) { return count(run.errors.total()); }},
    {"lost", Kind::kNumber, [](Report run) { return count(run.errors.lost); }},
    {"duplicated", Kind::kNumber, [](Report run) { return count(run.errors.duplicated); }},
    {"reordered", Kind::kNumber, [](Report run) { return count(run.errors.reordered); }},
    {"corrupted", Kind::kNumber, [](Report run) { return count(run.errors.corrupted); }},
    {"disconnected", Kind::kNumber, [](Report run) { return count(run.errors.disconnected); }},
    {"refused", Kind::kNumber, [](Report run) { return count(run.errors.refused); }},
};

const Measure* find_measure(std::string_view name) {
  const auto* found = std::ranges::find(kMeasures, name, &Measure::name);
  return found == std::end(kMeasures) ? nullptr : found;
}

std::string_view trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

// Takes digits with an optional fraction off the front; no sign, no exponent.
Value take_number(std::string_view& text) {
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  const bool is_taken = error == std::errc() && std::isfinite(number) && !std::signbit(number);
  if (!is_taken) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return number;
}

// "p99.9" or "completion_p99.9".
struct Percentile {
  bool is_completion;
  double percentile;
};

std::optional<Percentile> percentile_of(std::string_view name) {
  constexpr std::string_view kCompletion = "completion_";
  const bool is_completion = name.starts_with(kCompletion);
  if (is_completion) name.remove_prefix(kCompletion.size());
  if (!name.starts_with('p')) return std::nullopt;
  name.remove_prefix(1);
  const Value percentile = take_number(name);
  if (!percentile || *percentile > 100 || !name.empty()) return std::nullopt;
  return Percentile{is_completion, *percentile};
}

Kind kind_of(std::string_view name) {
  if (const Measure* measure = find_measure(name)) return measure->kind;
  if (percentile_of(name) || nanoseconds_per_unit_of(name) > 0) return Kind::kDuration;
  return is_name_of_bytes(name) ? Kind::kBytes : Kind::kNumber;
}

Value read(std::string_view name, const RunReport& report) {
  if (const Measure* measure = find_measure(name)) return measure->read(report);
  if (const std::optional<Percentile> wanted = percentile_of(name)) {
    const Histogram& histogram = wanted->is_completion ? report.completion : report.latency;
    return if_any(histogram, static_cast<double>(histogram.value_at(wanted->percentile)));
  }
  const auto figure = std::ranges::find(report.figures, name, &ReportFigure::name);
  if (figure == report.figures.end() || std::isnan(figure->value)) return std::nullopt;
  const double unit = nanoseconds_per_unit_of(name);
  return figure->value * (unit > 0 ? unit : 1);
}

// ">=" is tried before ">".
constexpr std::pair<std::string_view, FailIf::Operator> kOperators[] = {
    {">=", FailIf::Operator::kAtLeast}, {"<=", FailIf::Operator::kAtMost},
    {"==", FailIf::Operator::kEqual},   {">", FailIf::Operator::kAbove},
    {"<", FailIf::Operator::kBelow},
};

struct BoundUnit {
  std::string_view name;
  Kind kind;
  double size;
};

constexpr BoundUnit kUnits[] = {
    {"ns", Kind::kDuration, 1},    {"us", Kind::kDuration, 1e3},  {"ms", Kind::kDuration, 1e6},
    {"s", Kind::kDuration, 1e9},   {"B", Kind::kBytes, 1},        {"KiB", Kind::kBytes, 0x1p10},
    {"MiB", Kind::kBytes, 0x1p20}, {"GiB", Kind::kBytes, 0x1p30},
};

std::string_view expected_bound(Kind kind) {
  switch (kind) {
    case Kind::kDuration:
      return "a duration in ns, us, ms or s, as 5ms";
    case Kind::kBytes:
      return "a size in B, KiB, MiB or GiB, as 64MiB";
    case Kind::kNumber:
      break;
  }
  return "a plain number";
}

Value parse_bound(std::string_view text, Kind kind) {
  const Value number = take_number(text);
  if (!number) return std::nullopt;
  text = trim(text);
  if (text.empty()) return kind == Kind::kNumber || *number == 0 ? number : std::nullopt;
  const auto* unit = std::ranges::find(kUnits, text, &BoundUnit::name);
  if (unit == std::end(kUnits) || unit->kind != kind) return std::nullopt;
  return *number * unit->size;
}

std::string known_names(std::span<const std::string> figure_names) {
  std::string names = "pNN, completion_pNN (NN from 0 to 100, as in p99.9)";
  for (const Measure& measure : kMeasures) names += ", " + std::string(measure.name);
  for (const std::string& figure : figure_names) names += ", " + figure;
  return names;
}

bool holds(double value, FailIf::Operator comparison, double bound) {
  switch (comparison) {
    case FailIf::Operator::kAbove:
      return value > bound;
    case FailIf::Operator::kAtLeast:
      return value >= bound;
    case FailIf::Operator::kBelow:
      return value < bound;
    case FailIf::Operator::kAtMost:
      return value <= bound;
    case FailIf::Operator::kEqual:
      break;
  }
  return value == bound;
}

std::string format(double value, Kind kind) {
  switch (kind) {
    case Kind::kDuration:
      return format_nanoseconds(value);
    case Kind::kBytes:
      return format_bytes(value);
    case Kind::kNumber:
      break;
  }
  return format_number(value);
}

}  // namespace

Result<FailIf> parse_fail_if(std::string_view text, std::span<const std::string> figure_names) {
  const std::string quoted = "--fail-if '" + std::string(text) + "': ";
  const size_t at = std::min(text.find_first_of("<>="), text.size());
  const std::string_view from_operator = text.substr(at);
  const auto* found = std::ranges::find_if(
      kOperators, [&](const auto& known) { return from_operator.starts_with(known.first); });
  if (found == std::end(kOperators)) {
    return std::unexpected(quoted +
                           "expected NAME OPERATOR BOUND with > >= < <= or ==, as p99>5ms");
  }
  FailIf condition;
  condition.text = trim(text);
  condition.name = trim(text.substr(0, at));
  condition.comparison = found->second;

  const std::string& name = condition.name;
  const bool is_known = find_measure(name) != nullptr || percentile_of(name).has_value() ||
                        std::ranges::find(figure_names, name) != figure_names.end();
  if (!is_known) {
    return std::unexpected(quoted + "unknown name '" + name + "'; known are " +
                           known_names(figure_names));
  }
  const Kind kind = kind_of(name);
  const Value bound = parse_bound(trim(from_operator.substr(found->first.size())), kind);
  if (!bound) {
    return std::unexpected(quoted + name + " is compared with " +
                           std::string(expected_bound(kind)));
  }
  condition.bound = *bound;
  return condition;
}

std::vector<std::string> held_conditions(std::span<const FailIf> conditions,
                                         const RunReport& report) {
  std::vector<std::string> sentences;
  for (const FailIf& condition : conditions) {
    const Value value = read(condition.name, report);
    if (!value) {
      sentences.push_back(condition.text + ": " + condition.name + " was not measured.");
    } else if (holds(*value, condition.comparison, condition.bound)) {
      sentences.push_back(condition.text + ": " + condition.name + " is " +
                          format(*value, kind_of(condition.name)) + ".");
    }
  }
  return sentences;
}

}  // namespace stampede::bench
