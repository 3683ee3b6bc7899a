#include "tools/stampede/config_file.h"

#include <algorithm>

#include "proto/base/result.h"
#include "tools/stampede/units.h"

namespace stampede::tools {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

bool at_comment_or_end(std::string_view rest) {
  rest = trim(rest);
  return rest.empty() || rest.front() == '#';
}

// Wherever it stands, in a list too.
bool reads_back_bare(char c) {
  constexpr std::string_view kOthers = "-._:/*@+%";
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         kOthers.find(c) != kOthers.npos;
}

// Requires: `rest` begins with a quotation mark. Takes the text in quotes off its front.
Result<std::string> take_quoted(std::string_view& rest) {
  std::string value;
  for (size_t at = 1; at < rest.size(); ++at) {
    if (rest[at] == '"') {
      rest.remove_prefix(at + 1);
      return value;
    }
    if (rest[at] == '\\' && at + 1 < rest.size()) ++at;
    value += rest[at];
  }
  return std::unexpected(std::string("the quotation mark is not closed"));
}

// Up to a comment, which needs a blank before its '#': "https://a.example/#x" is one word.
std::string take_bare(std::string_view& rest, std::string_view stops) {
  size_t end = 0;
  while (end < rest.size() && stops.find(rest[end]) == std::string_view::npos &&
         !(rest[end] == '#' && (end == 0 || is_blank(rest[end - 1])))) {
    ++end;
  }
  const std::string value(trim(rest.substr(0, end)));
  rest.remove_prefix(end);
  return value;
}

Result<std::string> take_value(std::string_view& rest, std::string_view stops) {
  rest = trim(rest);
  if (rest.starts_with('"')) return take_quoted(rest);
  return take_bare(rest, stops);
}

// Requires: `rest` begins with '['.
Result<std::vector<std::string>> take_list(std::string_view& rest) {
  std::vector<std::string> values;
  rest.remove_prefix(1);
  while (true) {
    rest = trim(rest);
    if (rest.starts_with(']')) break;
    Result<std::string> value = take_value(rest, ",]");
    if (!value) return std::unexpected(value.error());
    values.push_back(std::move(*value));
    rest = trim(rest);
    if (rest.starts_with(',')) {
      rest.remove_prefix(1);
    } else if (!rest.starts_with(']')) {
      return std::unexpected(
          std::string("the list needs ',' between its entries and ']' at its end, on one line"));
    }
  }
  rest.remove_prefix(1);
  return values;
}

Result<ConfigEntry> parse_line(std::string_view line, int number) {
  const size_t equals = line.find('=');
  if (equals == std::string_view::npos || trim(line.substr(0, equals)).empty()) {
    return std::unexpected("'" + std::string(trim(line)) + "' is not of the form key = value");
  }
  ConfigEntry entry = {number, std::string(trim(line.substr(0, equals))), {}, false};
  std::string_view rest = trim(line.substr(equals + 1));
  if (rest.starts_with('[')) {
    entry.is_list = true;
    Result<std::vector<std::string>> values = take_list(rest);
    if (!values) return std::unexpected(entry.key + ": " + values.error());
    entry.values = std::move(*values);
  } else {
    Result<std::string> value = take_value(rest, "");
    if (!value) return std::unexpected(entry.key + ": " + value.error());
    entry.values = {std::move(*value)};
  }
  if (!at_comment_or_end(rest)) {
    return std::unexpected(entry.key + ": unexpected '" + std::string(trim(rest)) +
                           "' behind the value");
  }
  return entry;
}

}  // namespace

ConfigFile parse_config_file(std::string_view text) {
  ConfigFile file;
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (at_comment_or_end(line)) continue;
    Result<ConfigEntry> entry = parse_line(line, number);
    if (!entry) {
      file.errors.push_back({number, entry.error()});
      continue;
    }
    const auto twin = std::ranges::find(file.entries, entry->key, &ConfigEntry::key);
    if (twin != file.entries.end()) {
      file.errors.push_back(
          {number, entry->key + ": already set in line " + std::to_string(twin->line)});
      continue;
    }
    file.entries.push_back(std::move(*entry));
  }
  return file;
}

std::string quote_config_value(std::string_view value) {
  if (!value.empty() && std::ranges::all_of(value, reads_back_bare)) return std::string(value);
  std::string quoted = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

}  // namespace stampede::tools
