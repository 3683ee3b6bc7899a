#include "tools/stampede/admin/destz_page.h"

#include <numeric>

#include "tools/json/json_writer.h"
#include "tools/stampede/admin/page_range.h"

namespace stampede::tools {
namespace {

void append(json::JsonWriter& json, size_t shard, const core::TopicEntry& topic) {
  json.begin_object();
  json.member("shard", shard);
  json.member("destination", topic.name);
  json.member("pattern", topic.is_pattern);
  json.member("subscriptions", topic.subscriptions);
  json.member("lagging", topic.lagging);
  json.key("log_bytes");
  if (topic.log_bytes) {
    json.value(*topic.log_bytes);
  } else {
    json.null();
  }
  json.end_object();
}

void append(json::JsonWriter& json, size_t shard, const core::QueueEntry& queue) {
  json.begin_object();
  json.member("shard", shard);
  json.member("destination", queue.name);
  json.member("waiting", queue.waiting);
  json.member("delayed", queue.delayed);
  json.member("unsettled", queue.unsettled);
  json.member("bytes", queue.bytes);
  json.member("consumers", queue.consumers);
  json.member("held_out", queue.held_out);
  json.end_object();
}

// Which part of a list is on which shard.
struct Layout {
  Layout(core::ListRange range, const std::vector<net::ShardSnapshot>& snapshots,
         uint64_t core::ShardTables::*field) {
    std::vector<uint64_t> sizes;
    for (const net::ShardSnapshot& snapshot : snapshots) sizes.push_back(snapshot.tables.*field);
    ranges = split_range(range, sizes);
    total = std::accumulate(sizes.begin(), sizes.end(), uint64_t{0});
  }
  std::vector<core::ListRange> ranges;
  uint64_t total;
};

template <typename Entry>
void append_list(json::JsonWriter& json, const std::string& name, uint64_t total,
                 const std::vector<std::vector<Entry>>& of_shards) {
  json.member(name + "_total", total);
  json.key(name);
  json.begin_array();
  for (size_t shard = 0; shard < of_shards.size(); ++shard) {
    for (const Entry& entry : of_shards[shard]) append(json, shard, entry);
  }
  json.end_array();
}

}  // namespace

std::string destz_page(net::Server& server, core::ListRange range,
                       const std::vector<net::ShardSnapshot>& snapshots) {
  const Layout topic_layout(range, snapshots, &core::ShardTables::topics);
  const Layout queue_layout(range, snapshots, &core::ShardTables::queues);
  std::vector<std::vector<core::TopicEntry>> topics(snapshots.size());
  std::vector<std::vector<core::QueueEntry>> queues(snapshots.size());
  (void)server.ask_shards([&](core::ShardId id, const core::Shard& shard, core::Millis) {
    topics[id] = shard.list_topics(topic_layout.ranges[id]);
    queues[id] = shard.list_queues(queue_layout.ranges[id]);
  });

  json::JsonWriter json;
  json.begin_object();
  json.member("offset", range.offset);
  json.member("limit", range.limit);
  append_list(json, "topics", topic_layout.total, topics);
  append_list(json, "queues", queue_layout.total, queues);
  json.end_object();
  return json.take();
}

}  // namespace stampede::tools
