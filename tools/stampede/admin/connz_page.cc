#include "tools/stampede/admin/connz_page.h"

#include <numeric>

#include "tools/json/json_writer.h"
#include "tools/stampede/admin/json_figures.h"
#include "tools/stampede/admin/page_range.h"

namespace stampede::tools {
namespace {

void append_client(json::JsonWriter& json, size_t shard, const core::ClientEntry& client) {
  json.begin_object();
  json.member("shard", shard);
  json.member("id", client.id);
  json.member("peer", client.peer);
  json.member("transport", net::scheme_of(client.transport));
  json.member("version", client.version);
  json.member("state", client.phase);
  json.member("since", time_ago(client.phase_ms));
  json.member("subscriptions", client.subscriptions);
  json.member("lag_bytes", client.lag_bytes);
  json.end_object();
}

}  // namespace

std::string connz_page(net::Server& server, core::ListRange range,
                       const std::vector<net::ShardSnapshot>& snapshots) {
  std::vector<uint64_t> sizes;
  for (const net::ShardSnapshot& snapshot : snapshots) sizes.push_back(snapshot.tables.clients);
  const std::vector<core::ListRange> ranges = split_range(range, sizes);
  std::vector<std::vector<core::ClientEntry>> clients(sizes.size());
  (void)server.ask_shards([&](core::ShardId id, const core::Shard& shard, core::Millis now) {
    clients[id] = shard.list_clients(ranges[id], now);
  });

  json::JsonWriter json;
  json.begin_object();
  json.member("total", std::accumulate(sizes.begin(), sizes.end(), uint64_t{0}));
  json.member("offset", range.offset);
  json.member("limit", range.limit);
  json.key("connections");
  json.begin_array();
  for (size_t shard = 0; shard < clients.size(); ++shard) {
    for (const core::ClientEntry& client : clients[shard]) append_client(json, shard, client);
  }
  json.end_array();
  json.end_object();
  return json.take();
}

}  // namespace stampede::tools
