#include "tools/stampede/admin/metrics_page.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <functional>
#include <sstream>
#include <utility>

#include "tools/stampede/about.h"
#include "tools/stampede/admin/process_facts.h"
#include "tools/stampede/build_info.h"

namespace stampede::tools {
namespace {

using core::CloseReason;
using core::DeadReason;
using net::ShardSnapshot;
using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

using Labels = std::vector<ClientMetric::Label>;
using Snapshots = std::vector<ShardSnapshot>;
using Measure = std::function<uint64_t(const ShardSnapshot&)>;

// MetricPage puts families together, one after the other.
class MetricPage {
 public:
  explicit MetricPage(const Snapshots& snapshots) : snapshots_(snapshots) {}

  MetricPage& counter(std::string name, std::string help) {
    return begin(std::move(name), std::move(help), MetricType::Counter);
  }
  MetricPage& gauge(std::string name, std::string help) {
    return begin(std::move(name), std::move(help), MetricType::Gauge);
  }
  // The next value of the family that was begun last.
  MetricPage& value(double number, Labels labels = {}) {
    MetricFamily& family = families_.back();
    ClientMetric metric;
    metric.label = std::move(labels);
    (family.type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = number;
    family.metric.push_back(std::move(metric));
    return *this;
  }
  MetricPage& sum(const Measure& measure, Labels labels = {}) {
    uint64_t total = 0;
    for (const ShardSnapshot& snapshot : snapshots_) total += measure(snapshot);
    return value(static_cast<double>(total), std::move(labels));
  }
  MetricPage& each_shard(const std::function<double(const ShardSnapshot&)>& measure) {
    for (size_t shard = 0; shard < snapshots_.size(); ++shard) {
      value(measure(snapshots_[shard]), {{"shard", std::to_string(shard)}});
    }
    return *this;
  }

  [[nodiscard]] std::string text(std::string_view name_prefix) {
    std::erase_if(families_, [&](const MetricFamily& family) {
      return !std::string_view(family.name).starts_with(name_prefix);
    });
    std::ostringstream out;
    prometheus::TextSerializer().Serialize(out, families_);
    return out.str();
  }

 private:
  MetricPage& begin(std::string name, std::string help, MetricType type) {
    families_.push_back({std::move(name), std::move(help), type, {}});
    return *this;
  }

  const Snapshots& snapshots_;
  std::vector<MetricFamily> families_;
};

Measure counted(uint64_t core::ShardMetrics::*field) {
  return [field](const ShardSnapshot& snapshot) { return snapshot.metrics.*field; };
}
Measure held(uint64_t core::ShardTables::*field) {
  return [field](const ShardSnapshot& snapshot) { return snapshot.tables.*field; };
}

using ByPolicy = std::array<uint64_t, core::kSlowPolicies>;
Measure of_policy(ByPolicy core::ShardMetrics::*field, core::SlowPolicy policy) {
  return [field, policy](const ShardSnapshot& snapshot) {
    return (snapshot.metrics.*field)[static_cast<size_t>(policy)];
  };
}
std::string metric_name(core::SlowPolicy policy) {
  std::string name(core::to_string(policy));
  std::ranges::replace(name, '-', '_');
  return name;
}

void add_connections(MetricPage& page) {
  using core::ShardMetrics;
  page.gauge("stampede_connections", "Open connections, those that are ending included")
      .sum(held(&core::ShardTables::clients));
  page.counter("stampede_connections_opened_total", "Connections that were accepted")
      .sum(counted(&ShardMetrics::connections_opened));
  page.counter("stampede_connections_refused_total",
               "Connections beyond a limit of connections, or while draining")
      .sum([](const ShardSnapshot& snapshot) { return snapshot.net.connections_refused; });
  page.counter("stampede_connections_closed_total", "Connections that ended, by reason");
  for (size_t reason = 0; reason < static_cast<size_t>(CloseReason::kCount); ++reason) {
    page.sum(
        [reason](const ShardSnapshot& snapshot) {
          return snapshot.metrics.connections_closed[reason];
        },
        {{"reason", std::string(core::to_string(static_cast<CloseReason>(reason)))}});
  }
  page.counter("stampede_slow_consumers_total", "Readers that lagged too much, by what was done")
      .sum(
          [](const ShardSnapshot& snapshot) {
            const auto& closed = snapshot.metrics.connections_closed;
            return closed[static_cast<size_t>(CloseReason::kSlowConsumerBytes)] +
                   closed[static_cast<size_t>(CloseReason::kSlowConsumerTime)];
          },
          {{"action", "disconnect"}});
  for (const core::SlowPolicy policy : core::kDroppingPolicies) {
    page.sum(of_policy(&ShardMetrics::slow_begun, policy), {{"action", metric_name(policy)}});
  }
  page.counter("stampede_slow_consumers_recovered_total",
               "Subscriptions that missed messages and caught up again")
      .sum(counted(&ShardMetrics::slow_recovered));
  page.gauge("stampede_slow_subscriptions", "Subscriptions that miss messages now")
      .sum(held(&core::ShardTables::slow_subscriptions));
  page.counter("stampede_errors_sent_total", "ERROR frames")
      .sum(counted(&ShardMetrics::errors_sent));
  page.counter("stampede_publishers_held_back_total",
               "Times that a publisher was not read from for a while")
      .sum(counted(&ShardMetrics::publishers_held_back));
}

void add_messages(MetricPage& page) {
  using core::ShardMetrics;
  page.counter("stampede_messages_received_total", "SENDs that were accepted")
      .sum(counted(&ShardMetrics::messages_received));
  page.counter("stampede_messages_delivered_total",
               "Messages put where a subscription takes them, once for each subscription")
      .sum([](const ShardSnapshot& snapshot) {
        return snapshot.metrics.messages_delivered + snapshot.metrics.queue_delivered;
      });
  page.counter("stampede_messages_dropped_total", "Messages that were thrown away, by cause")
      .sum(counted(&ShardMetrics::messages_duplicate), {{"cause", "duplicate"}})
      .sum(counted(&ShardMetrics::temporary_dropped), {{"cause", "temporary_gone"}})
      .sum(counted(&ShardMetrics::queue_dropped), {{"cause", "queue_full"}})
      .sum(counted(&ShardMetrics::queue_dead_dropped), {{"cause", "dead_letter"}});
  for (const core::SlowPolicy policy : core::kDroppingPolicies) {
    page.sum(of_policy(&ShardMetrics::slow_dropped, policy), {{"cause", metric_name(policy)}});
  }
  page.counter("stampede_messages_unrouted_total", "Messages to topics that nobody subscribed")
      .sum(counted(&ShardMetrics::messages_unrouted));
  page.counter("stampede_frames_received_total", "STOMP frames from clients")
      .sum(counted(&ShardMetrics::frames_received));
  page.counter("stampede_bytes_received_total", "Bytes from clients")
      .sum(counted(&ShardMetrics::bytes_received));
  page.counter("stampede_bytes_sent_total", "Bytes to clients")
      .sum(counted(&ShardMetrics::bytes_sent));
  page.counter("stampede_bytes_discarded_total",
               "Bytes of messages that were not sent when their connection ended")
      .sum(counted(&ShardMetrics::bytes_discarded));
  page.counter("stampede_sends_total", "Send operations that carried the bytes sent")
      .sum(counted(&ShardMetrics::sends));
}

void add_queues(MetricPage& page) {
  using core::ShardMetrics;
  using core::ShardTables;
  page.gauge("stampede_queues", "Queues that are known").sum(held(&ShardTables::queues));
  page.gauge("stampede_queue_messages", "Messages in queues, by state")
      .sum(held(&ShardTables::queued), {{"state", "waiting"}})
      .sum(held(&ShardTables::unsettled), {{"state", "unsettled"}});
  page.counter("stampede_queue_delivered_total", "Deliveries from queues")
      .sum(counted(&ShardMetrics::queue_delivered));
  page.counter("stampede_queue_redelivered_total", "Deliveries that were not the first")
      .sum(counted(&ShardMetrics::queue_redelivered));
  page.counter("stampede_queue_acknowledged_total", "Messages of queues that were acknowledged")
      .sum(counted(&ShardMetrics::queue_acknowledged));
  page.gauge("stampede_queue_applicants", "SENDs and COMMITs that wait for room in a queue")
      .sum(held(&ShardTables::queue_applicants));
  page.counter("stampede_queue_waited_total", "SENDs and COMMITs that waited for room in a queue")
      .sum(counted(&ShardMetrics::queue_waited));
  page.counter("stampede_queue_refused_total", "SENDs and COMMITs for which a queue had no room")
      .sum(counted(&ShardMetrics::queue_refused));
  page.counter("stampede_queue_dead_total", "Messages that left a queue unconsumed, by reason");
  for (size_t reason = 0; reason < static_cast<size_t>(DeadReason::kCount); ++reason) {
    std::string name(core::to_string(static_cast<DeadReason>(reason)));
    std::ranges::replace(name, '-', '_');
    page.sum(
        [reason](const ShardSnapshot& snapshot) { return snapshot.metrics.queue_dead[reason]; },
        {{"reason", std::move(name)}});
  }
}

void add_tables(MetricPage& page) {
  using core::ShardTables;
  page.gauge("stampede_subscriptions", "Subscriptions, by what they are to")
      .sum(held(&ShardTables::subscriptions), {{"kind", "topic"}})
      .sum(held(&ShardTables::consumers), {{"kind", "queue"}});
  page.gauge("stampede_destinations", "Destinations that are remembered, but for queues")
      .sum(held(&ShardTables::destinations));
  page.counter("stampede_destinations_forgotten_total",
               "Destinations that made room for others (--max-destinations)")
      .sum(counted(&core::ShardMetrics::destinations_forgotten));
  page.gauge("stampede_kept_messages", "Messages of topics that are kept for who comes, by kind")
      .sum(held(&ShardTables::retained), {{"kind", "last_value"}})
      .sum(held(&ShardTables::history), {{"kind", "history"}});
  page.counter("stampede_kept_evicted_total",
               "Messages that were kept and made room for others (--max-retained, "
               "--max-retained-bytes, --retain-time, --max-history-bytes, --max-destinations), by "
               "kind")
      .sum(counted(&core::ShardMetrics::retained_evicted), {{"kind", "last_value"}})
      .sum(counted(&core::ShardMetrics::history_evicted), {{"kind", "history"}});
  page.counter("stampede_resumes_total",
               "Subscribers that said where they were, by whether nothing was missing from there")
      .sum(counted(&core::ShardMetrics::resumes_recovered), {{"recovered", "true"}})
      .sum(counted(&core::ShardMetrics::resumes_incomplete), {{"recovered", "false"}});
  page.gauge("stampede_kept_bytes", "Memory of messages that are kept for who comes, by kind")
      .sum(held(&ShardTables::retained_bytes), {{"kind", "last_value"}})
      .sum(held(&ShardTables::history_bytes), {{"kind", "history"}});
  page.gauge("stampede_queue_bytes", "Memory of messages in queues")
      .sum(held(&ShardTables::queue_bytes));
}

void add_memory(MetricPage& page, const core::MemoryBudget& memory) {
  page.gauge("stampede_memory_bytes", "Memory that is accounted for, by kind");
  for (size_t kind = 0; kind < core::kMemoryKinds; ++kind) {
    page.sum([kind](const ShardSnapshot& from) { return from.tables.memory_bytes[kind]; },
             {{"kind", std::string(core::to_string(static_cast<core::MemoryKind>(kind)))}});
  }
  page.gauge("stampede_memory_used_bytes", "What is held against the limit, the program included")
      .value(static_cast<double>(memory.used()));
  page.gauge("stampede_memory_limit_bytes", "Limit (--memory-limit)")
      .value(static_cast<double>(memory.limit()));
  page.gauge("stampede_memory_stage",
             "0 calm, 1 warned, 2 holds publishers, 3 refuses connections, 4 sheds clients")
      .value(static_cast<double>(memory.stage()));
}

void add_shards(MetricPage& page, const std::vector<double>& busy_ratios) {
  const auto of_net = [&page](std::string name, std::string help, auto measure) {
    page.counter(std::move(name), std::move(help)).each_shard([measure](const ShardSnapshot& from) {
      return static_cast<double>(measure(from.net));
    });
  };
  using net::NetMetrics;
  of_net("stampede_ring_submissions_total", "Operations given to the ring",
         [](const NetMetrics& net) { return net.ring.submissions; });
  of_net("stampede_ring_completions_total", "Completions taken from the ring",
         [](const NetMetrics& net) { return net.ring.completions; });
  of_net("stampede_ring_cq_overflow_total", "Times that the completion queue had no room",
         [](const NetMetrics& net) { return net.ring.overflows; });
  of_net("stampede_ring_enobufs_total", "Receives that ended as no buffer was left",
         [](const NetMetrics& net) { return net.buffers_exhausted; });
  of_net("stampede_shard_turns_total", "Turns of the shard's loop",
         [](const NetMetrics& net) { return net.turns; });
  of_net("stampede_shard_busy_seconds_total", "Time that the shard did not wait",
         [](const NetMetrics& net) { return static_cast<double>(net.busy_ns) / 1e9; });
  page.counter("stampede_mailbox_overflows_total",
               "Envelopes to other shards that found their mailbox full")
      .each_shard([](const ShardSnapshot& snapshot) {
        return static_cast<double>(snapshot.metrics.mailbox_overflows);
      });
  page.gauge("stampede_shard_busy_ratio",
             "Part of the time between the last two scrapes that the shard did not wait");
  for (size_t shard = 0; shard < busy_ratios.size(); ++shard) {
    page.value(busy_ratios[shard], {{"shard", std::to_string(shard)}});
  }
  page.counter("stampede_log_dropped_total", "Log records that found no room")
      .sum([](const ShardSnapshot& snapshot) { return snapshot.net.log_dropped; });
}

void add_process(MetricPage& page) {
  const ProcessFacts facts = process_facts();
  page.gauge("stampede_build_info", "What is running; always 1")
      .value(1, {{"version", std::string(version())}, {"revision", std::string(git_revision())}});
  page.counter("process_cpu_seconds_total", "User and system CPU time").value(facts.cpu_seconds);
  page.gauge("process_start_time_seconds", "Start of the process since 1970")
      .value(facts.start_time_seconds);
  page.gauge("process_resident_memory_bytes", "Resident memory")
      .value(static_cast<double>(facts.resident_bytes));
  page.gauge("process_virtual_memory_bytes", "Virtual memory")
      .value(static_cast<double>(facts.virtual_bytes));
  if (facts.open_descriptors > 0) {
    page.gauge("process_open_fds", "Open file descriptors")
        .value(static_cast<double>(facts.open_descriptors));
  }
  page.gauge("process_max_fds", "Limit of open file descriptors")
      .value(static_cast<double>(facts.descriptors_max));
}

}  // namespace

std::string metrics_page(const Snapshots& snapshots, const core::MemoryBudget& memory,
                         const std::vector<double>& busy_ratios, std::string_view name_prefix) {
  MetricPage page(snapshots);
  add_connections(page);
  add_messages(page);
  add_queues(page);
  add_tables(page);
  add_memory(page, memory);
  add_shards(page, busy_ratios);
  add_process(page);
  return page.text(name_prefix);
}

}  // namespace stampede::tools
