#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace stampede::tools {

// A configuration file is lines of `key = value`. `#` begins a comment. A value is a bare word, "a
// quoted text" (with \" and \\) or a list of them in brackets.
struct ConfigEntry {
  int line;
  std::string key;
  std::vector<std::string> values;
  bool is_list;  // it was written in brackets
};

struct ConfigError {
  int line;
  std::string text;
};

struct ConfigFile {
  std::vector<ConfigEntry> entries;
  std::vector<ConfigError> errors;
};

[[nodiscard]] ConfigFile parse_config_file(std::string_view text);
// `value` so that it reads back as one value.
[[nodiscard]] std::string quote_config_value(std::string_view value);

}  // namespace stampede::tools
