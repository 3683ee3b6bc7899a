#include "tools/stampede/snapshot_line.h"

#include <string_view>

#include "tools/stampede/snapshot_figures.h"

namespace stampede::tools {
namespace {

void append(std::string& line, std::string_view prefix, const std::vector<Figure>& figures) {
  for (const Figure& figure : figures) {
    line += " " + std::string(prefix) + figure.name + "=" + std::to_string(figure.value);
  }
}

}  // namespace

std::string snapshot_line(core::ShardId shard, const net::ShardSnapshot& snapshot) {
  SnapshotFigures figures = snapshot_figures(snapshot);
  // There are many reasons, and most shards see few of them.
  std::erase_if(figures.closed, [](const Figure& figure) { return figure.value == 0; });
  std::string line = "snapshot shard=" + std::to_string(shard);
  append(line, "", figures.tables);
  append(line, "", figures.counters);
  append(line, "closed_", figures.closed);
  append(line, "net_", figures.net);
  append(line, "ring_", figures.ring);
  return line;
}

}  // namespace stampede::tools
