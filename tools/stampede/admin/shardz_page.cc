#include "tools/stampede/admin/shardz_page.h"

#include "tools/json/json_writer.h"
#include "tools/stampede/admin/json_figures.h"

namespace stampede::tools {

std::string shardz_page(const std::vector<net::ShardSnapshot>& snapshots,
                        const std::vector<double>& busy_ratios) {
  json::JsonWriter json;
  json.begin_object();
  json.key("shards");
  json.begin_array();
  for (size_t shard = 0; shard < snapshots.size(); ++shard) {
    json.begin_object();
    json.member("shard", shard);
    json.member("busy_ratio", busy_ratios[shard]);
    append_figures(json, snapshot_figures(snapshots[shard]));
    json.end_object();
  }
  json.end_array();
  json.end_object();
  return json.take();
}

}  // namespace stampede::tools
