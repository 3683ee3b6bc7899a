#include "tools/stampede/admin/busy_watch.h"

#include <algorithm>

namespace stampede::tools {
namespace {

// Less says more about the look than about the shard.
constexpr int64_t kBetweenLooksNsMin = 1'000'000'000;

double ratio_of(int64_t busy_ns, int64_t alive_ns) {
  if (alive_ns <= 0) return 0;
  return std::clamp(static_cast<double>(busy_ns) / static_cast<double>(alive_ns), 0.0, 1.0);
}

}  // namespace

std::vector<double> BusyWatch::look(const std::vector<net::ShardSnapshot>& snapshots) {
  const bool is_first = samples_.empty();
  samples_.resize(snapshots.size());
  std::vector<double> ratios;
  for (size_t shard = 0; shard < snapshots.size(); ++shard) {
    const net::NetMetrics& net = snapshots[shard].net;
    Sample& sample = samples_[shard];
    const int64_t passed_ns = net.alive_ns - sample.alive_ns;
    if (is_first || passed_ns >= kBetweenLooksNsMin) {
      sample = {.busy_ns = net.busy_ns,
                .alive_ns = net.alive_ns,
                .ratio = ratio_of(net.busy_ns - sample.busy_ns, passed_ns)};
    }
    ratios.push_back(sample.ratio);
  }
  return ratios;
}

}  // namespace stampede::tools
