#pragma once

#include <string>

#include "net/net_metrics.h"

namespace stampede::tools {

// One shard's tables and counters as a line of key=value, for the log.
[[nodiscard]] std::string snapshot_line(core::ShardId shard, const net::ShardSnapshot& snapshot);

}  // namespace stampede::tools
