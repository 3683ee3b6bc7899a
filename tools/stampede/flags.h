#pragma once

#include <string>
#include <vector>

#include "proto/base/result.h"
#include "tools/stampede/option_table.h"

namespace stampede::tools {

// What one source says about one option.
struct Assignment {
  const Option* option;
  Source source;
  std::string where;  // "--max-headers", "STAMPEDE_MAX_HEADERS" or "stampede.conf:3: max_headers"
  std::vector<std::string> values;
};

struct CommandLine {
  Action action = Action::kRun;
  std::string config_file;  // empty: none was named
  std::vector<Assignment> assignments;
};

// Thread:    set-up only.
// An error is bad usage: one line that names the argument.
[[nodiscard]] Result<CommandLine> parse_command_line(int argc, const char* const* argv);

}  // namespace stampede::tools
