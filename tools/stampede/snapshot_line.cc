#include "tools/stampede/snapshot_line.h"

#include <algorithm>
#include <string_view>

namespace stampede::tools {
namespace {

struct Figure {
  std::string_view key;
  uint64_t value;
};

void append(std::string& line, std::initializer_list<Figure> figures) {
  for (const Figure& figure : figures) {
    line += " " + std::string(figure.key) + "=" + std::to_string(figure.value);
  }
}

void append_closed(std::string& line, const core::ShardMetrics& metrics) {
  for (size_t reason = 0; reason < metrics.connections_closed.size(); ++reason) {
    const uint64_t count = metrics.connections_closed[reason];
    if (count == 0) continue;
    line += " closed_" + std::string(core::to_string(static_cast<core::CloseReason>(reason))) +
            "=" + std::to_string(count);
  }
}

void append_dead(std::string& line, const core::ShardMetrics& metrics) {
  for (size_t reason = 0; reason < metrics.queue_dead.size(); ++reason) {
    std::string name(core::to_string(static_cast<core::DeadReason>(reason)));
    std::ranges::replace(name, '-', '_');
    line += " queue_dead_" + name + "=" + std::to_string(metrics.queue_dead[reason]);
  }
}

}  // namespace

std::string snapshot_line(core::ShardId shard, const net::ShardSnapshot& snapshot) {
  const core::ShardTables& tables = snapshot.tables;
  const core::ShardMetrics& metrics = snapshot.metrics;
  const net::NetMetrics& net = snapshot.net;
  std::string line = "snapshot shard=" + std::to_string(shard);
  append(line, {{"clients", tables.clients},
                {"subscriptions", tables.subscriptions},
                {"cursors", tables.cursors},
                {"groups", tables.groups},
                {"topics", tables.topics},
                {"destinations", tables.destinations},
                {"interested", tables.interested},
                {"pattern_interests", tables.pattern_interests},
                {"log_bytes", tables.log_bytes},
                {"queues", tables.queues},
                {"consumers", tables.consumers},
                {"queued", tables.queued},
                {"unsettled", tables.unsettled},
                {"queue_bytes", tables.queue_bytes}});
  append(line, {{"connections_opened", metrics.connections_opened},
                {"frames_received", metrics.frames_received},
                {"bytes_received", metrics.bytes_received},
                {"bytes_sent", metrics.bytes_sent},
                {"sends", metrics.sends},
                {"messages_received", metrics.messages_received},
                {"messages_published", metrics.messages_published},
                {"messages_duplicate", metrics.messages_duplicate},
                {"messages_unrouted", metrics.messages_unrouted},
                {"temporary_dropped", metrics.temporary_dropped},
                {"messages_delivered", metrics.messages_delivered},
                {"messages_appended", metrics.messages_appended},
                {"bytes_discarded", metrics.bytes_discarded},
                {"headers_unexpressible", metrics.headers_unexpressible},
                {"destinations_forgotten", metrics.destinations_forgotten},
                {"mailbox_overflows", metrics.mailbox_overflows},
                {"publishers_held_back", metrics.publishers_held_back},
                {"errors_sent", metrics.errors_sent},
                {"selector_bodies_parsed", metrics.selector_bodies_parsed},
                {"queue_delivered", metrics.queue_delivered},
                {"queue_redelivered", metrics.queue_redelivered},
                {"queue_acknowledged", metrics.queue_acknowledged},
                {"queue_refused", metrics.queue_refused},
                {"queue_dropped", metrics.queue_dropped},
                {"queue_dead_dropped", metrics.queue_dead_dropped}});
  append_dead(line, metrics);
  append_closed(line, metrics);
  append(line, {{"net_connections", net.connections},
                {"net_inbound_waiting", net.inbound_waiting},
                {"net_connections_accepted", net.connections_accepted},
                {"net_connections_refused", net.connections_refused},
                {"net_accept_pauses", net.accept_pauses},
                {"net_receives", net.receives},
                {"net_buffers_exhausted", net.buffers_exhausted},
                {"net_sends", net.sends},
                {"net_sends_short", net.sends_short},
                {"net_sends_failed", net.sends_failed},
                {"net_turns", net.turns},
                {"net_sleeps", net.sleeps},
                {"net_spins", net.spins},
                {"net_spins_hit", net.spins_hit},
                {"net_wakes_sent", net.wakes_sent},
                {"net_log_dropped", net.log_dropped},
                {"net_busy_ms", static_cast<uint64_t>(net.busy_ns / 1'000'000)},
                {"net_alive_ms", static_cast<uint64_t>(net.alive_ns / 1'000'000)}});
  append(line, {{"ring_enters", net.ring.enters},
                {"ring_submissions", net.ring.submissions},
                {"ring_completions", net.ring.completions},
                {"ring_overflows", net.ring.overflows},
                {"ring_submit_refused", net.ring.submit_refused}});
  return line;
}

}  // namespace stampede::tools
