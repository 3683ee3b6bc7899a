#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/memory_budget.h"
#include "net/net_metrics.h"

namespace stampede::tools {

// The broker's metrics in the Prometheus text format 0.0.4: sums over the shards, or one series a
// shard where the label says so. Only those whose name begins with `name_prefix`.
//
// No label holds anything that a client chose, so the number of series is known beforehand.
[[nodiscard]] std::string metrics_page(const std::vector<net::ShardSnapshot>& snapshots,
                                       const core::MemoryBudget& memory,
                                       const std::vector<double>& busy_ratios,
                                       std::string_view name_prefix);

}  // namespace stampede::tools
