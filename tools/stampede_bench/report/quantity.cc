#include "tools/stampede_bench/report/quantity.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <span>
#include <utility>

namespace stampede::bench {
namespace {

std::string with_decimals(double value, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

// The bounds are where rounding would give a fourth digit.
std::string three_digits(double value) {
  const double size = std::abs(value);
  return with_decimals(value, size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
}

struct Unit {
  const char* name;
  double step;  // to the next unit
};

std::string in_fitting_unit(double value, std::span<const Unit> units) {
  // The smallest unit is not divided any further: whole ones need no decimals.
  const Unit& smallest = units.front();
  if (value == std::floor(value) && std::abs(value) < std::min(smallest.step, 1000.0)) {
    return with_decimals(value, 0) + " " + smallest.name;
  }
  size_t unit = 0;
  while (unit + 1 < units.size() && std::abs(value) >= units[unit].step - 0.5) {
    value /= units[unit].step;
    ++unit;
  }
  return three_digits(value) + " " + units[unit].name;
}

std::string group_by_thousands(std::string digits) {
  const size_t first = digits.starts_with('-') ? 1 : 0;
  for (size_t at = digits.size(); at > first + 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

}  // namespace

std::string format_nanoseconds(double nanoseconds) {
  static constexpr Unit kUnits[] = {{"ns", 1000}, {"us", 1000}, {"ms", 1000}, {"s", 1000}};
  return in_fitting_unit(nanoseconds, kUnits);
}

std::string format_bytes(double bytes) {
  static constexpr Unit kUnits[] = {{"B", 1024}, {"KiB", 1024}, {"MiB", 1024}, {"GiB", 1024}};
  return in_fitting_unit(bytes, kUnits);
}

std::string format_count(uint64_t count) { return group_by_thousands(std::to_string(count)); }

std::string format_number(double number) {
  if (!std::isfinite(number)) return "unknown";
  const bool is_whole = number == std::floor(number);
  if (is_whole || std::abs(number) >= 99.95) return group_by_thousands(with_decimals(number, 0));
  return three_digits(number);
}

std::string format_by_name(std::string_view name, double value) {
  if (is_name_of_bytes(name)) return format_bytes(value);
  const double unit = nanoseconds_per_unit_of(name);
  return unit > 0 ? format_nanoseconds(value * unit) : format_number(value);
}

double nanoseconds_per_unit_of(std::string_view name) {
  static constexpr std::pair<std::string_view, double> kEnds[] = {
      {"_ns", 1}, {"_us", 1e3}, {"_ms", 1e6}, {"_seconds", 1e9}};
  for (const auto& [end, nanoseconds] : kEnds) {
    if (name.ends_with(end)) return nanoseconds;
  }
  return 0;
}

bool is_name_of_bytes(std::string_view name) { return name.ends_with("_bytes"); }

std::string printable(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x20 || octet == 0x7f) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\x%02x", static_cast<unsigned>(octet));
      result += escape;
    } else {
      result += c;
    }
  }
  return result;
}

}  // namespace stampede::bench
