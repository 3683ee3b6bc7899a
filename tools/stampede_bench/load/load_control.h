#pragma once

#include "proto/base/result.h"
#include "tools/stampede_bench/bench_options.h"
#include "tools/stampede_bench/report/run_report.h"

namespace stampede::bench {

// Runs the load that the options describe, from the first connection to the last, and says what
// came of it. A line that says why if nothing could be measured at all. Shows progress on a
// terminal. An interrupt ends the run early.
//
// Thread: the main thread; it starts the load threads and waits for them.
[[nodiscard]] Result<RunReport> run_load(const BenchOptions& options);

}  // namespace stampede::bench
