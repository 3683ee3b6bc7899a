#pragma once

#include <string_view>

namespace stampede::tools {

// The commit that this was built from, "-dirty" behind it if files were changed since; "unknown"
// outside of git. Its definition is written at each build by tools/cmake/write_git_revision.cmake.
[[nodiscard]] std::string_view git_revision();

}  // namespace stampede::tools
