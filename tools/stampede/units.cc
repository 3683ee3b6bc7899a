#include "tools/stampede/units.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <limits>
#include <optional>
#include <span>
#include <utility>

namespace stampede::tools {
namespace {

struct Unit {
  std::string_view name;
  uint64_t factor;
};

constexpr uint64_t kKibi = 1024;
// Largest first: format_size takes the first that divides evenly.
constexpr std::array<Unit, 4> kSizeUnits = {{{"T", kKibi* kKibi* kKibi* kKibi},
                                             {"G", kKibi* kKibi* kKibi},
                                             {"M", kKibi* kKibi},
                                             {"K", kKibi}}};
constexpr std::array<Unit, 4> kMillisecondUnits = {
    {{"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};
constexpr std::array<Unit, 3> kMicrosecondUnits = {{{"s", 1'000'000}, {"ms", 1'000}, {"us", 1}}};

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

std::string quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

// Takes the digits off the front of `text`; false if there are none or they overflow.
bool take_number(std::string_view& text, uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

// "k", "kb" and "kib" are one unit.
std::optional<uint64_t> size_factor(const std::string& suffix) {
  if (suffix.empty() || suffix == "b") return 1;
  for (const Unit& unit : kSizeUnits) {
    const std::string letter = lower(unit.name);
    if (suffix == letter || suffix == letter + "b" || suffix == letter + "ib") return unit.factor;
  }
  return std::nullopt;
}

// Requires: `units` are ordered from the largest to the one that the result counts.
Result<int64_t> parse_time(std::string_view text, std::span<const Unit> units) {
  std::string_view rest = trim(text);
  uint64_t number = 0;
  if (!take_number(rest, number))
    return std::unexpected(quoted(text) + " is not a duration such as 500ms or 10s");
  const std::string suffix = lower(trim(rest));
  if (suffix.empty() && number == 0) return 0;
  std::string known;
  for (const Unit& unit : units) {
    known = std::string(unit.name) + (known.empty() ? "" : ", ") + known;
    if (suffix != unit.name) continue;
    if (number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) / unit.factor) {
      return std::unexpected(quoted(text) + " is too large to count");
    }
    return static_cast<int64_t>(number * unit.factor);
  }
  return std::unexpected(quoted(text) + " needs a unit: " + known);
}

std::string format_time(int64_t time, std::span<const Unit> units) {
  for (const Unit& unit : units) {
    const auto factor = static_cast<int64_t>(unit.factor);
    if (time != 0 && time % factor == 0)
      return std::to_string(time / factor) + std::string(unit.name);
  }
  return "0" + std::string(units.back().name);
}

}  // namespace

Result<uint64_t> parse_count(std::string_view text) {
  std::string_view rest = trim(text);
  uint64_t number = 0;
  if (!take_number(rest, number) || !rest.empty()) {
    return std::unexpected(quoted(text) + " is not a whole number");
  }
  return number;
}

Result<uint64_t> parse_size(std::string_view text) {
  std::string_view rest = trim(text);
  uint64_t number = 0;
  if (!take_number(rest, number))
    return std::unexpected(quoted(text) + " is not a size such as 4096 or 256K");
  const std::optional<uint64_t> factor = size_factor(lower(trim(rest)));
  if (!factor) return std::unexpected(quoted(text) + " has an unknown unit: use K, M, G or T");
  if (number > std::numeric_limits<uint64_t>::max() / *factor) {
    return std::unexpected(quoted(text) + " is too large to count");
  }
  return number * *factor;
}

std::string format_size(uint64_t bytes) {
  for (const Unit& unit : kSizeUnits) {
    if (bytes != 0 && bytes % unit.factor == 0) {
      return std::to_string(bytes / unit.factor) + std::string(unit.name) + "iB";
    }
  }
  return std::to_string(bytes) + "B";
}

Result<int64_t> parse_duration(std::string_view text) {
  return parse_time(text, kMillisecondUnits);
}
std::string format_duration(int64_t milliseconds) {
  return format_time(milliseconds, kMillisecondUnits);
}
Result<int64_t> parse_microseconds(std::string_view text) {
  return parse_time(text, kMicrosecondUnits);
}
std::string format_microseconds(int64_t microseconds) {
  return format_time(microseconds, kMicrosecondUnits);
}

Result<double> parse_ratio(std::string_view text) {
  const std::string_view number_text = trim(text);
  double number = 0;
  const auto [end, error] =
      std::from_chars(number_text.data(), number_text.data() + number_text.size(), number,
                      std::chars_format::fixed);
  // The comparison is false for "nan", too.
  if (error != std::errc() || end != number_text.data() + number_text.size() || !(number >= 0)) {
    return std::unexpected(quoted(text) + " is not a number such as 2 or 1.5");
  }
  return number;
}

std::string format_ratio(double ratio) {
  std::array<char, 32> digits = {};
  const auto [end, error] = std::to_chars(digits.begin(), digits.end(), ratio);
  return std::string(digits.begin(), end);
}

Result<bool> parse_switch(std::string_view text) {
  const std::string word = lower(trim(text));
  if (word == "on" || word == "true" || word == "yes" || word == "1") return true;
  if (word == "off" || word == "false" || word == "no" || word == "0") return false;
  return std::unexpected(quoted(text) + " is neither on nor off");
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> entries;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    const std::string_view entry = trim(text.substr(0, comma));
    if (!entry.empty()) entries.emplace_back(entry);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return entries;
}

std::vector<std::string> split_lists(const std::vector<std::string>& texts) {
  std::vector<std::string> entries;
  for (const std::string& text : texts) {
    for (std::string& entry : split_list(text)) entries.push_back(std::move(entry));
  }
  return entries;
}

std::string join_list(const std::vector<std::string>& entries) {
  std::string text;
  for (const std::string& entry : entries) {
    if (!text.empty()) text += ',';
    text += entry;
  }
  return text;
}

std::string format_cpu_list(const std::vector<int>& cpus) {
  std::string text;
  for (size_t at = 0; at < cpus.size();) {
    size_t last = at;
    while (last + 1 < cpus.size() && cpus[last + 1] == cpus[last] + 1) ++last;
    if (!text.empty()) text += ',';
    text += std::to_string(cpus[at]);
    if (last > at) text += '-' + std::to_string(cpus[last]);
    at = last + 1;
  }
  return text;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

}  // namespace stampede::tools
