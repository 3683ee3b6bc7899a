#pragma once

#include <string>
#include <string_view>

#include "proto/base/result.h"

namespace stampede::bench {

// Writes what --json, --csv, --hdr and --plot name; "-" is standard output.
[[nodiscard]] Result<void> write_report_file(const std::string& path, std::string_view text);

}  // namespace stampede::bench
