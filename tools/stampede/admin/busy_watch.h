#pragma once

#include <cstdint>
#include <vector>

#include "net/net_metrics.h"

namespace stampede::tools {

// BusyWatch tells which part of the time each shard had something to do of late: between the last
// two looks that were a second apart, or since the start before there are two.
//
// Owns:      a sample of each shard. Thread: one.
class BusyWatch {
 public:
  // One ratio a shard, from 0 to 1. Requires: always the same number of shards.
  [[nodiscard]] std::vector<double> look(const std::vector<net::ShardSnapshot>& snapshots);

 private:
  struct Sample {
    int64_t busy_ns = 0;
    int64_t alive_ns = 0;
    double ratio = 0;
  };
  std::vector<Sample> samples_;
};

}  // namespace stampede::tools
