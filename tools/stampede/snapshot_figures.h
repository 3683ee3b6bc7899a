#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "net/net_metrics.h"

namespace stampede::tools {

struct Figure {
  std::string name;  // "bytes_received"
  uint64_t value;
};

// All that a snapshot holds, by name: what the log and the admin pages show of a shard. The names
// and their order are the same for each snapshot.
struct SnapshotFigures {
  std::vector<Figure> tables;    // how full they are now
  std::vector<Figure> counters;  // since the start
  std::vector<Figure> closed;    // connections by the reason for their end
  std::vector<Figure> net;
  std::vector<Figure> ring;
};

[[nodiscard]] SnapshotFigures snapshot_figures(const net::ShardSnapshot& snapshot);

// Adds each of `more` to its namesake. Requires: both are of snapshot_figures().
void add_figures(SnapshotFigures& sum, const SnapshotFigures& more);

}  // namespace stampede::tools
