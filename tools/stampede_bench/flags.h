#pragma once

#include <string>

#include "proto/base/result.h"
#include "tools/stampede_bench/bench_options.h"

namespace stampede::bench {

// What the command line asks for: a run, or only a text.
struct CommandLine {
  BenchOptions options;
  std::string text;  // of --help or --version; nothing runs if it is there
};

[[nodiscard]] Result<CommandLine> parse_command_line(int argc, const char* const* argv);

}  // namespace stampede::bench
