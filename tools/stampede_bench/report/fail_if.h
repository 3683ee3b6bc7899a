#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/result.h"
#include "tools/stampede_bench/report/run_report.h"

namespace stampede::bench {

// FailIf is one condition of --fail-if under which a run counts as failed, so that a build can hold
// a bound: "p99>5ms", "completion_p99.9>=30ms", "throughput<1000000", "cpu_per_delivery>120ns",
// "rss_peak>512MiB", "lost>0".
//
// NAME OPERATOR NUMBER[UNIT], blanks between them allowed. Operators: > >= < <= ==. Units of
// durations: ns us ms s; of sizes: B KiB MiB GiB. A bound other than 0 has a unit exactly if what
// it bounds has one.
//
// Thread:    any; plain data.
struct FailIf {
  enum class Operator { kAbove, kAtLeast, kBelow, kAtMost, kEqual };

  std::string text;  // as it was given
  std::string name;
  Operator comparison = Operator::kAbove;
  double bound = 0;  // ns, bytes or a plain number, as `name` is
};

// `figure_names`: those that the scenario will add to RunReport::figures. Their unit follows from
// how they end (quantity.h). The error is one line and, for an unknown name, lists the known ones.
[[nodiscard]] Result<FailIf> parse_fail_if(std::string_view text,
                                           std::span<const std::string> figure_names);

// A sentence for each of `conditions` that holds. One about what the run did not measure counts as
// held: a bound that nothing was compared with must not look kept.
[[nodiscard]] std::vector<std::string> held_conditions(std::span<const FailIf> conditions,
                                                       const RunReport& report);

}  // namespace stampede::bench
