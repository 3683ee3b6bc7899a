#pragma once

#include <string>

namespace stampede::tools {

// What --help prints: the option table by groups, each line with its default.
[[nodiscard]] std::string help_text();

// What --version prints: one line.
[[nodiscard]] std::string version_line();

}  // namespace stampede::tools
