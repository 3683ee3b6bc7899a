#pragma once

#include <string>

#include "tools/stampede_bench/report/run_report.h"

namespace stampede::bench {

// The series of `report` for a spreadsheet: a line of names, then a line for each sample. What a
// name ends in is its unit; CPU is of one core.
[[nodiscard]] std::string csv_report(const RunReport& report);

}  // namespace stampede::bench
