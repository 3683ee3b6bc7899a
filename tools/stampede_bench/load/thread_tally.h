#pragma once

#include <cstdint>
#include <vector>

#include "tools/stampede_bench/report/run_report.h"

namespace stampede::bench {

// One step of one thread's series.
struct TallyStep {
  uint64_t published = 0;
  uint64_t delivered = 0;
  int64_t cpu_ns = 0;  // of the thread
  int64_t ends_at_ns = 0;
  Histogram latency;
};

// ThreadTally is what one load thread counts. Counts of deliveries and latencies are of the
// measured window; errors are of the whole run.
//
// Thread:    its load thread; the main thread once that has ended.
struct ThreadTally {
  bool is_measuring = false;
  uint64_t delivered_in_all = 0;
  uint64_t published_in_all = 0;
  Histogram completion;
  Histogram connect;  // from connect() to the broker's answer to the subscription
  ReportErrors errors;
  uint64_t churned = 0;
  std::vector<TallyStep> steps;
  TallyStep step;
};

}  // namespace stampede::bench
