#pragma once

#include <string>

#include "tools/stampede_bench/report/run_report.h"

namespace stampede::bench {

// What the terminal shows at the end of a run, ready to print. Lines about what the run did not
// measure are left out. Says in a plain sentence if the load generator was the bottleneck.
[[nodiscard]] std::string summary(const RunReport& report);

}  // namespace stampede::bench
