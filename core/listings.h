#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/shard_types.h"

// What operators see of a shard's tables: copies of a few entries, made by the shard between two of
// its turns (Shard::list_clients and so on).
namespace stampede::core {

// A page of a table, in the order that the table has at that moment.
struct ListRange {
  size_t offset = 0;
  size_t limit = 0;
};

struct ClientEntry {
  uint64_t id = 0;  // unique on its shard
  std::string peer;
  Transport transport = Transport::kTcp;
  std::string_view phase;    // "handshake", "connecting", "connected", "closing"
  std::string_view version;  // of STOMP; empty before CONNECT
  uint64_t subscriptions = 0;
  uint64_t lag_bytes = 0;  // appended for it, and not given to the kernel yet
  Millis phase_ms = 0;     // how long it has been in this phase
};

// A destination or pattern with subscribers on this shard.
struct TopicEntry {
  std::string name;
  bool is_pattern = false;
  uint64_t subscriptions = 0;
  uint64_t lagging = 0;  // those in groups most of which lagged at the last message
  // What its groups' logs hold; nullopt where there are too many groups to look at in one turn.
  std::optional<uint64_t> log_bytes;
};

// A queue that this shard owns.
struct QueueEntry {
  std::string name;
  uint64_t waiting = 0;
  uint64_t delayed = 0;
  uint64_t unsettled = 0;  // at consumers
  uint64_t bytes = 0;      // of all of these
  uint64_t consumers = 0;  // browsers too
  uint64_t held_out = 0;   // SENDs and COMMITs that wait for room
};

}  // namespace stampede::core
