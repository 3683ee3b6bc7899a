#include "tools/stampede/admin/varz_page.h"

#include <unistd.h>

#include "tools/json/json_writer.h"
#include "tools/stampede/about.h"
#include "tools/stampede/admin/json_figures.h"
#include "tools/stampede/admin/process_facts.h"
#include "tools/stampede/build_info.h"
#include "tools/stampede/option_table.h"

namespace stampede::tools {
namespace {

SnapshotFigures sum_of(const std::vector<net::ShardSnapshot>& snapshots) {
  SnapshotFigures sum = snapshot_figures({});
  for (const net::ShardSnapshot& snapshot : snapshots) add_figures(sum, snapshot_figures(snapshot));
  return sum;
}

void append_process(json::JsonWriter& json) {
  const ProcessFacts facts = process_facts();
  json.key("process");
  json.begin_object();
  json.member("pid", static_cast<int>(getpid()));
  json.member("cpu_seconds", facts.cpu_seconds);
  json.member("resident_bytes", facts.resident_bytes);
  json.member("open_descriptors", facts.open_descriptors);
  json.member("descriptors_max", facts.descriptors_max);
  json.end_object();
}

void append_memory(json::JsonWriter& json, const core::MemoryBudget& memory,
                   const std::vector<net::ShardSnapshot>& snapshots) {
  json.key("memory");
  json.begin_object();
  json.member("limit", memory.limit());
  json.member("used", memory.used());
  json.member("stage", core::to_string(memory.stage()));
  for (size_t kind = 0; kind < core::kMemoryKinds; ++kind) {
    uint64_t sum = 0;
    for (const net::ShardSnapshot& snapshot : snapshots) sum += snapshot.tables.memory_bytes[kind];
    json.member(core::to_string(static_cast<core::MemoryKind>(kind)), sum);
  }
  json.end_object();
}

}  // namespace

std::string varz_page(const net::Server& server, const Settings& settings,
                      const std::vector<net::ShardSnapshot>& snapshots) {
  // All shards start at the same time.
  const core::Millis uptime_ms = snapshots.front().net.alive_ns / 1'000'000;
  json::JsonWriter json;
  json.begin_object();
  json.member("version", version());
  json.member("revision", git_revision());
  json.member("build", version_line());
  json.member("started", time_ago(uptime_ms));
  json.member("uptime_seconds", static_cast<double>(uptime_ms) / 1e3);
  json.member("state", std::string_view(server.is_serving() ? "serving" : "draining"));
  json.member("shards", server.shards());
  json.member("pinned", server.is_pinned());
  json.member("connections", server.connections());
  json.member("connections_max", server.connections_max());
  json.key("listeners");
  json.begin_array();
  for (const net::BoundListener& listener : server.bound()) json.value(listener.uri());
  json.end_array();
  append_process(json);
  append_memory(json, server.memory(), snapshots);
  json.key("options");
  json.begin_object();
  for (const Option& option : option_table()) json.member(option.file_key(), option.get(settings));
  json.end_object();
  append_figures(json, sum_of(snapshots));
  json.end_object();
  return json.take();
}

}  // namespace stampede::tools
