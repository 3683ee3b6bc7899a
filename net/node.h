#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "core/mailbox.h"
#include "core/memory_budget.h"
#include "core/options.h"
#include "core/shard.h"
#include "core/shard_types.h"
#include "net/accepted_queue.h"
#include "net/connection_limits.h"
#include "net/event_log.h"
#include "net/net_metrics.h"
#include "net/socket.h"
#include "net/wakeup.h"
#include "proto/http_upgrade.h"

namespace stampede::net {

// What all shards serve alike. The listening sockets themselves are each shard's own.
struct ListenerPlan {
  core::Transport transport;
  proto::UpgradePolicy upgrade;  // WebSocket only
};

// What another thread asks of a shard: a copy of its measures, and a look at its tables if `visit`
// is given. Both between two of its turns.
struct ShardRequest {
  ShardVisit visit;
  std::promise<ShardSnapshot> answer;
};

// When a shard does what in a drain, by the monotonic clock.
struct DrainSchedule {
  core::Millis begin = 0;        // accepts no more; clients begin to leave
  core::DrainTimes leave = {};   // when they do
  core::Millis deadline = 0;     // whoever is left is cut off
  bool sockets_live_on = false;  // another process accepts from the listening sockets
};

// What other threads say to a shard, and how they wake it for that.
struct ShardControl {
  enum class Phase : uint8_t { kServe, kDrain, kStop };

  Wakeup wakeup;
  // Written before the phase that it belongs to.
  DrainSchedule drain;
  std::atomic<Phase> phase = Phase::kServe;
  // A request that the shard takes, answers and deletes; null if nobody asks.
  std::atomic<ShardRequest*> request = nullptr;
  // Connections that others accepted for it.
  AcceptedQueue accepted;

  ~ShardControl() { delete request.load(std::memory_order_acquire); }
};

// Node is what the shards of one broker share.
//
// Owns:      the mailboxes, limits, log and controls.
// Thread:    built before the threads start; each part says for itself who may touch it.
// Lifetime:  outlives the shards' threads.
struct Node {
  Node(core::Options core_options, core::ShardId shard_count, uint64_t connections_max,
       uint32_t connections_per_address_max, LogSink sink)
      : options(std::move(core_options)),
        shards(shard_count),
        mailboxes(shard_count, options.mailbox_slots),
        memory(options.memory_limit_bytes, shard_count),
        limits(connections_max, connections_per_address_max),
        log(shard_count, std::move(sink)),
        accepting_shards(shard_count) {
    for (core::ShardId id = 0; id < shards; ++id)
      controls.push_back(std::make_unique<ShardControl>());
  }

  // Constant after set-up.
  const core::Options options;
  const core::ShardId shards;
  std::function<void(bool is_short)> return_memory;  // MemoryReturner; may be empty
  int64_t spin_ns = 0;                               // the longest look before a sleep; 0 is off
  std::vector<ListenerPlan> listeners;
  // Any thread.
  core::MailboxGrid mailboxes;
  core::MemoryBudget memory;
  NodeLimits limits;
  EventLog log;
  std::vector<std::unique_ptr<ShardControl>> controls;
  // Shards whose clients are all gone. None ends before all are drained: a drained shard may own
  // the destinations that another's last clients still wait for.
  std::atomic<core::ShardId> drained_shards = 0;
  // Shards from which a connection may still come, to whichever shard.
  std::atomic<core::ShardId> accepting_shards;
};

}  // namespace stampede::net
