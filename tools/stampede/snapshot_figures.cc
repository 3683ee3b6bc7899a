#include "tools/stampede/snapshot_figures.h"

#include <algorithm>

#include "proto/base/check.h"

namespace stampede::tools {
namespace {

std::vector<Figure> closed_figures(const core::ShardMetrics& metrics) {
  std::vector<Figure> figures;
  for (size_t reason = 0; reason < metrics.connections_closed.size(); ++reason) {
    figures.push_back({std::string(core::to_string(static_cast<core::CloseReason>(reason))),
                       metrics.connections_closed[reason]});
  }
  return figures;
}

std::string metric_name(std::string_view text) {
  std::string name(text);
  std::ranges::replace(name, '-', '_');
  return name;
}

void append_dead(std::vector<Figure>& figures, const core::ShardMetrics& metrics) {
  for (size_t reason = 0; reason < metrics.queue_dead.size(); ++reason) {
    const std::string name = metric_name(core::to_string(static_cast<core::DeadReason>(reason)));
    figures.push_back({"queue_dead_" + name, metrics.queue_dead[reason]});
  }
}

void append_slow(std::vector<Figure>& figures, const core::ShardMetrics& metrics) {
  for (const core::SlowPolicy policy : core::kDroppingPolicies) {
    const auto index = static_cast<size_t>(policy);
    const std::string name = metric_name(core::to_string(policy));
    figures.push_back({"slow_begun_" + name, metrics.slow_begun[index]});
    figures.push_back({"slow_dropped_" + name, metrics.slow_dropped[index]});
  }
}

std::vector<Figure> net_figures(const net::NetMetrics& net) {
  return {{"connections", net.connections},
          {"inbound_waiting", net.inbound_waiting},
          {"receive_buffers_free", net.receive_buffers_free},
          {"send_slots_used", net.send_slots_used},
          {"connections_accepted", net.connections_accepted},
          {"connections_refused", net.connections_refused},
          {"accept_pauses", net.accept_pauses},
          {"receives", net.receives},
          {"buffers_exhausted", net.buffers_exhausted},
          {"sends", net.sends},
          {"sends_short", net.sends_short},
          {"sends_failed", net.sends_failed},
          {"turns", net.turns},
          {"sleeps", net.sleeps},
          {"spins", net.spins},
          {"spins_hit", net.spins_hit},
          {"wakes_sent", net.wakes_sent},
          {"log_dropped", net.log_dropped},
          {"busy_ms", static_cast<uint64_t>(net.busy_ns / 1'000'000)},
          {"alive_ms", static_cast<uint64_t>(net.alive_ns / 1'000'000)}};
}

void add_to(std::vector<Figure>& sum, const std::vector<Figure>& more) {
  CHECK(sum.size() == more.size());
  for (size_t place = 0; place < sum.size(); ++place) sum[place].value += more[place].value;
}

}  // namespace

SnapshotFigures snapshot_figures(const net::ShardSnapshot& snapshot) {
  const core::ShardTables& tables = snapshot.tables;
  const core::ShardMetrics& metrics = snapshot.metrics;
  const net::RingCounters& ring = snapshot.net.ring;
  SnapshotFigures figures;
  figures.tables = {{"clients", tables.clients},
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
                    {"queue_bytes", tables.queue_bytes},
                    {"queue_applicants", tables.queue_applicants},
                    {"slow_subscriptions", tables.slow_subscriptions},
                    {"replays", tables.replays},
                    {"retained", tables.retained},
                    {"retained_bytes", tables.retained_bytes},
                    {"history", tables.history},
                    {"history_bytes", tables.history_bytes}};
  figures.counters = {{"connections_opened", metrics.connections_opened},
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
                      {"slow_recovered", metrics.slow_recovered},
                      {"errors_sent", metrics.errors_sent},
                      {"selector_bodies_parsed", metrics.selector_bodies_parsed},
                      {"queue_delivered", metrics.queue_delivered},
                      {"queue_redelivered", metrics.queue_redelivered},
                      {"queue_acknowledged", metrics.queue_acknowledged},
                      {"queue_waited", metrics.queue_waited},
                      {"queue_refused", metrics.queue_refused},
                      {"queue_dropped", metrics.queue_dropped},
                      {"queue_dead_dropped", metrics.queue_dead_dropped},
                      {"retained_evicted", metrics.retained_evicted},
                      {"history_evicted", metrics.history_evicted},
                      {"resumes_recovered", metrics.resumes_recovered},
                      {"resumes_incomplete", metrics.resumes_incomplete}};
  append_dead(figures.counters, metrics);
  append_slow(figures.counters, metrics);
  figures.closed = closed_figures(metrics);
  figures.net = net_figures(snapshot.net);
  figures.ring = {{"enters", ring.enters},
                  {"submissions", ring.submissions},
                  {"completions", ring.completions},
                  {"overflows", ring.overflows},
                  {"submit_refused", ring.submit_refused}};
  return figures;
}

void add_figures(SnapshotFigures& sum, const SnapshotFigures& more) {
  add_to(sum.tables, more.tables);
  add_to(sum.counters, more.counters);
  add_to(sum.closed, more.closed);
  add_to(sum.net, more.net);
  add_to(sum.ring, more.ring);
}

}  // namespace stampede::tools
