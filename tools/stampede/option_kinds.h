#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "tools/stampede/option_table.h"
#include "tools/stampede/units.h"

// The kinds of rows that the option table is made of: each function makes one row that knows how to
// read, check and write its field. For option_table.cc alone.
namespace stampede::tools {

using Values = std::vector<std::string>;

// A field is named by a pointer to a member of Settings, or of one of the two structs of options in
// it.
template <typename Field>
Field& at(Settings& settings, Field core::Options::*field) {
  return settings.broker.*field;
}
template <typename Field>
Field& at(Settings& settings, Field net::ServerOptions::*field) {
  return settings.server.*field;
}
template <typename Field>
Field& at(Settings& settings, Field Settings::*field) {
  return settings.*field;
}
template <typename Field, typename Class>
const Field& at(const Settings& settings, Field Class::*field) {
  return at(const_cast<Settings&>(settings), field);
}

template <typename Number>
struct Range {
  Number min;
  Number max;
};

// One row for anything that is a number with a way to parse it and one to write it.
template <typename Number, typename Pointer>
Option number_option(std::string name, std::string group, std::string value_name, std::string help,
                     Pointer field, Range<Number> range, Result<Number> (*parse)(std::string_view),
                     std::string (*format)(Number)) {
  auto set = [=](Settings& settings, const Values& values) -> Result<void> {
    const Result<Number> number = parse(values.back());
    if (!number) return std::unexpected(number.error());
    if (!(*number >= range.min && *number <= range.max)) {
      return std::unexpected("'" + values.back() + "' is not between " + format(range.min) +
                             " and " + format(range.max));
    }
    auto& place = at(settings, field);
    place = static_cast<std::remove_reference_t<decltype(place)>>(*number);
    return {};
  };
  auto get = [=](const Settings& settings) {
    return format(static_cast<Number>(at(settings, field)));
  };
  return {
      std::move(name), std::move(group), std::move(value_name), std::move(help), false, set, get};
}

template <typename Pointer>
Option count_option(std::string name, std::string group, std::string help, Pointer field,
                    Range<uint64_t> range) {
  return number_option<uint64_t>(std::move(name), std::move(group), "N", std::move(help), field,
                                 range, parse_count,
                                 [](uint64_t number) { return std::to_string(number); });
}

template <typename Pointer>
Option size_option(std::string name, std::string group, std::string help, Pointer field,
                   Range<uint64_t> range) {
  return number_option<uint64_t>(std::move(name), std::move(group), "SIZE", std::move(help), field,
                                 range, parse_size, format_size);
}

template <typename Pointer>
Option duration_option(std::string name, std::string group, std::string help, Pointer field,
                       Range<int64_t> range) {
  return number_option<int64_t>(std::move(name), std::move(group), "TIME", std::move(help), field,
                                range, parse_duration, format_duration);
}

template <typename Pointer>
Option text_option(std::string name, std::string group, std::string value_name, std::string help,
                   Pointer field) {
  auto set = [=](Settings& settings, const Values& values) -> Result<void> {
    at(settings, field) = values.back();
    return {};
  };
  auto get = [=](const Settings& settings) { return at(settings, field); };
  return {
      std::move(name), std::move(group), std::move(value_name), std::move(help), false, set, get};
}

template <typename Pointer>
Option list_option(std::string name, std::string group, std::string value_name, std::string help,
                   Pointer field) {
  auto set = [=](Settings& settings, const Values& values) -> Result<void> {
    at(settings, field) = values;
    return {};
  };
  auto get = [=](const Settings& settings) { return join_list(at(settings, field)); };
  return {
      std::move(name), std::move(group), std::move(value_name), std::move(help), true, set, get};
}

template <typename Pointer>
Option on_off_option(std::string name, std::string group, std::string help, Pointer field) {
  auto set = [=](Settings& settings, const Values& values) -> Result<void> {
    // A flag that stands alone means on.
    const Result<bool> value = values.back().empty() ? true : parse_switch(values.back());
    if (!value) return std::unexpected(value.error());
    at(settings, field) = *value;
    return {};
  };
  auto get = [=](const Settings& settings) {
    return std::string(at(settings, field) ? "on" : "off");
  };
  return {std::move(name), std::move(group), "", std::move(help), false, set, get};
}

// One of a few words; the value is spelled "text|json" in --help.
template <typename Value, typename Pointer>
Option choice_option(std::string name, std::string group, std::string help, Pointer field,
                     std::vector<std::pair<std::string, Value>> words) {
  std::string spelled;
  for (const auto& [word, value] : words) spelled += (spelled.empty() ? "" : "|") + word;
  auto set = [=](Settings& settings, const Values& values) -> Result<void> {
    for (const auto& [word, value] : words) {
      if (word != values.back()) continue;
      at(settings, field) = value;
      return {};
    }
    return std::unexpected("'" + values.back() + "' is none of " + spelled);
  };
  auto get = [=](const Settings& settings) {
    const auto found = std::ranges::find(words, at(settings, field),
                                         [](const auto& entry) { return entry.second; });
    return found == words.end() ? std::string() : found->first;
  };
  return {std::move(name), std::move(group), spelled, std::move(help), false, set, get};
}

// "auto" is stored as 0.
template <typename Pointer>
Option number_or_auto(std::string name, std::string group, std::string help, Pointer field,
                      Range<uint64_t> range) {
  Option option = count_option(std::move(name), std::move(group), std::move(help), field, range);
  option.value_name = "N|auto";
  option.set = [set = option.set, field](Settings& settings, const Values& values) -> Result<void> {
    if (values.back() != "auto") return set(settings, values);
    at(settings, field) = 0;
    return {};
  };
  option.get = [field](const Settings& settings) {
    return at(settings, field) == 0 ? std::string("auto") : std::to_string(at(settings, field));
  };
  return option;
}

// The same for a duration; "auto" is none.
template <typename Class>
Option duration_or_auto(std::string name, std::string group, std::string help,
                        std::optional<int64_t> Class::*field, Range<int64_t> range) {
  auto set = [=](Settings& settings, const Values& values) -> Result<void> {
    at(settings, field).reset();
    if (values.back() == "auto") return {};
    const Result<int64_t> time = parse_duration(values.back());
    if (!time) return std::unexpected(time.error());
    if (*time < range.min || *time > range.max) {
      return std::unexpected("'" + values.back() + "' is not between " +
                             format_duration(range.min) + " and " + format_duration(range.max));
    }
    at(settings, field) = *time;
    return {};
  };
  auto get = [=](const Settings& settings) {
    const std::optional<int64_t>& time = at(settings, field);
    return time ? format_duration(*time) : std::string("auto");
  };
  return {std::move(name), std::move(group), "TIME|auto", std::move(help), false, set, get};
}

}  // namespace stampede::tools
