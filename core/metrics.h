#pragma once

#include <array>
#include <cstdint>

#include "core/memory_tally.h"
#include "core/queue_types.h"
#include "core/shard_types.h"
#include "core/slow_terms.h"

namespace stampede::core {

// What a shard counted since it started. Plain words, written by the home shard's thread only;
// whoever wants to show them asks the shard for a copy (Shard::metrics).
struct ShardMetrics {
  uint64_t connections_opened = 0;
  std::array<uint64_t, static_cast<size_t>(CloseReason::kCount)> connections_closed = {};
  uint64_t frames_received = 0;
  uint64_t bytes_received = 0;
  uint64_t bytes_sent = 0;
  uint64_t sends = 0;
  uint64_t messages_received = 0;       // SENDs accepted on this home shard
  uint64_t messages_published = 0;      // numbered by this owner shard
  uint64_t messages_duplicate = 0;      // dropped by the duplicate window
  uint64_t messages_unrouted = 0;       // numbered, and no shard had interest
  uint64_t temporary_dropped = 0;       // for temporary destinations that were not there or full
  uint64_t messages_delivered = 0;      // message x subscription to a topic of this home shard
  uint64_t messages_appended = 0;       // message x group
  uint64_t bytes_discarded = 0;         // of MESSAGEs still unsent when their connection left
  uint64_t headers_unexpressible = 0;   // left out: the subscriber's version has no escape for them
  uint64_t selector_bodies_parsed = 0;  // bodies that were parsed as JSON
  uint64_t queue_delivered = 0;         // handed out by this owner shard
  uint64_t queue_redelivered = 0;       // of these, not for the first time
  uint64_t queue_acknowledged = 0;
  uint64_t queue_waited = 0;   // SENDs and COMMITs that had to wait for room in a queue
  uint64_t queue_refused = 0;  // of these and of others, those for which there was none
  std::array<uint64_t, static_cast<size_t>(DeadReason::kCount)> queue_dead = {};
  uint64_t queue_dropped = 0;           // messages, to make room for others
  uint64_t queue_dead_dropped = 0;      // of these, not kept as dead letters
  uint64_t destinations_forgotten = 0;  // evicted at --max-destinations
  uint64_t mailbox_overflows = 0;       // envelopes that had to wait outside of a full mailbox
  uint64_t publishers_held_back = 0;    // times that a publisher was not read from for a while
  // By SlowPolicy, but for kDisconnect, which connections_closed has.
  std::array<uint64_t, kSlowPolicies> slow_begun = {};    // subscriptions that began to miss some
  std::array<uint64_t, kSlowPolicies> slow_dropped = {};  // MESSAGEs that one of them missed
  uint64_t slow_recovered = 0;                            // times that one caught up again
  uint64_t errors_sent = 0;

  // Last values dropped at --max-retained, --max-retained-bytes and --retain-time, and messages of
  // histories dropped at --max-history-bytes; and of either at --max-destinations.
  uint64_t retained_evicted = 0;
  uint64_t history_evicted = 0;
  // Subscribers that said where they were, and were told recovered:true or false.
  uint64_t resumes_recovered = 0;
  uint64_t resumes_incomplete = 0;
};

// How full a shard's tables are now. All zero but `destinations` once the last client left.
struct ShardTables {
  uint64_t clients = 0;
  uint64_t subscriptions = 0;
  uint64_t cursors = 0;  // of live subscriptions and of sends still in flight
  uint64_t groups = 0;
  uint64_t topics = 0;              // home side: names and patterns with a local subscriber
  uint64_t destinations = 0;        // owner side: names with interest or a duplicate window
  uint64_t interested = 0;          // owner side: (name, shard) pairs with interest
  uint64_t pattern_interests = 0;   // owner side: (pattern, shard) pairs
  uint64_t log_bytes = 0;           // chunks held
  uint64_t slow_subscriptions = 0;  // that miss MESSAGEs
  uint64_t queues = 0;              // owner side
  uint64_t consumers = 0;           // owner side, of queues
  uint64_t queued = 0;              // messages that wait in queues, delayed ones too
  uint64_t unsettled = 0;           // messages that consumers of queues have
  uint64_t queue_bytes = 0;         // messages in queues, unsettled ones too
  uint64_t queue_applicants = 0;    // SENDs and COMMITs that wait for room in a queue

  uint64_t replays = 0;   // home side: logs of what was published before somebody came
  uint64_t retained = 0;  // owner side: last values, which stay
  uint64_t retained_bytes = 0;
  uint64_t history = 0;  // owner side: messages of histories, which stay
  uint64_t history_bytes = 0;
  // What the shard takes, at its last look. What is made on one shard and freed on another makes
  // one number too large and one too small (below zero it wraps); their sum is right.
  std::array<uint64_t, kMemoryKinds> memory_bytes = {};
};

}  // namespace stampede::core
