#pragma once

#include <string>
#include <vector>

#include "net/net_metrics.h"

namespace stampede::tools {

// {"shards":[{"shard":0,"busy_ratio":0.1,"tables":{...},"counters":{...},...}]}
[[nodiscard]] std::string shardz_page(const std::vector<net::ShardSnapshot>& snapshots,
                                      const std::vector<double>& busy_ratios);

}  // namespace stampede::tools
