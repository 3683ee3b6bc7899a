#pragma once

#include <string>

#include "tools/stampede_bench/report/run_report.h"

namespace stampede::bench {

// An HTML page of its own that draws `report`: latency by percentile, then latency, throughput and
// CPU over time. It fetches nothing, so it can be kept beside the figures and opened anywhere; the
// figures stand in it as JSON (the object of json_report.h and the curves).
[[nodiscard]] std::string plot_report(const RunReport& report);

}  // namespace stampede::bench
