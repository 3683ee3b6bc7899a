#pragma once

#include <string>
#include <string_view>

namespace stampede::tools {

// What --help prints: the option table by groups, each line with its default.
[[nodiscard]] std::string help_text();

[[nodiscard]] std::string_view version();  // "0.1.0"

// What --version prints: one line.
[[nodiscard]] std::string version_line();

}  // namespace stampede::tools
