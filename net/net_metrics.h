#pragma once

#include <cstdint>
#include <functional>

#include "core/metrics.h"
#include "core/shard.h"
#include "net/ring_counters.h"

namespace stampede::net {

// What net counted on a shard. Plain words of the shard's thread; others ask for a copy
// (Server::snapshot).
struct NetMetrics {
  RingCounters ring;
  uint64_t turns = 0;
  uint64_t sleeps = 0;
  uint64_t spins = 0;       // waits that looked instead of sleeping
  uint64_t spins_hit = 0;   // and found something
  uint64_t wakes_sent = 0;  // times another shard's sleep was ended by mail of ours
  uint64_t connections_accepted = 0;
  uint64_t connections_refused = 0;  // one past a limit of connections, or while draining
  uint64_t accept_pauses = 0;        // out of descriptors or memory
  uint64_t receives = 0;
  uint64_t buffers_exhausted = 0;  // receives that ended because no buffer was left (ENOBUFS)
  uint64_t sends = 0;
  uint64_t sends_short = 0;  // completions that carried less than asked; the rest was sent
  uint64_t sends_failed = 0;
  uint64_t log_dropped = 0;           // records that did not fit into the log's ring
  int64_t busy_ns = 0;                // time not spent waiting
  int64_t alive_ns = 0;               // since the shard started
  uint64_t connections = 0;           // now, descriptors still to be closed included
  uint64_t inbound_waiting = 0;       // now, received buffers not yet handed to the core
  uint64_t receive_buffers_free = 0;  // now, those that the kernel can fill
  uint64_t send_slots_used = 0;       // now, gathered sends in flight
};

// One shard at one moment.
struct ShardSnapshot {
  core::ShardMetrics metrics;
  core::ShardTables tables;
  NetMetrics net;
};

// A look at a shard's tables, on its thread: it copies what it needs and must not take long.
using ShardVisit =
    std::function<void(core::ShardId id, const core::Shard& shard, core::Millis now)>;

}  // namespace stampede::net
