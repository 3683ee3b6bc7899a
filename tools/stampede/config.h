#pragma once

#include <string>
#include <vector>

#include "tools/stampede/flags.h"
#include "tools/stampede/settings.h"

namespace stampede::tools {

// Where the present value of an option is from; as long as the option table, in its order.
struct Origin {
  Source source = Source::kDefault;
  std::string where;  // empty for a default
};

// Config is what defaults, file, environment and flags come to.
struct Config {
  Settings settings;
  std::vector<Origin> origins;
  std::vector<std::string> usage_errors;  // of flags, environment and limits against each other
  std::vector<std::string> file_errors;   // each begins with file:line
  std::vector<std::string>
      unknown_keys;  // the same; errors for --check-config, warnings for a start
};

// Reads the environment and the file; a bad value leaves the one before it and is told.
// Thread:    set-up only.
[[nodiscard]] Config resolve_config(const CommandLine& command_line);

// All that --check-config counts as an error.
[[nodiscard]] std::vector<std::string> all_errors(const Config& config);

// The settings as a configuration file, with the origin of each behind it.
[[nodiscard]] std::string print_config(const Config& config);
// A short number that differs where settings differ.
[[nodiscard]] std::string config_digest(const Config& config);

}  // namespace stampede::tools
