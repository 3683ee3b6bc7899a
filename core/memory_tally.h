#pragma once

#include <malloc.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace stampede::core {

// What memory is taken for.
enum class MemoryKind : uint8_t {
  kMessages,  // published content, wherever it waits
  kLogs,      // chunks of fan-out logs, spare ones too
  kOutboxes,  // private octets of connections
  kReceive,   // frames that have not come whole, and what came from who is not listened to
  kQueues,    // places of messages in queues
  kTables,    // clients, subscriptions, destinations, message-ids that are remembered
  kCount,
};
inline constexpr size_t kMemoryKinds = static_cast<size_t>(MemoryKind::kCount);

[[nodiscard]] std::string_view to_string(MemoryKind kind);  // "messages", "fan_out_log", ...

using MemoryByKind = std::array<int64_t, kMemoryKinds>;

// MemoryTally is where objects say how much memory they take: counters of the thread, which nobody
// else looks at. A shard's MemoryLedger takes what has gathered. What is made on one thread may be
// freed on another, so a thread may tally less than nothing; the sum over all of them is right.
//
// Thread:    any, each its own.
class MemoryTally {
 public:
  static void add(MemoryKind kind, size_t bytes) {
    changes_[static_cast<size_t>(kind)] += static_cast<int64_t>(bytes);
  }
  static void drop(MemoryKind kind, size_t bytes) {
    changes_[static_cast<size_t>(kind)] -= static_cast<int64_t>(bytes);
  }
  // A block of the heap, with what the allocator rounds it up to. Before it is freed.
  static void add_block(MemoryKind kind, void* block) { add(kind, malloc_usable_size(block)); }
  static void drop_block(MemoryKind kind, void* block) { drop(kind, malloc_usable_size(block)); }
  // For who remembers what it told: from `told`, which follows, to `bytes`.
  static void change(MemoryKind kind, uint32_t& told, size_t bytes) {
    changes_[static_cast<size_t>(kind)] += static_cast<int64_t>(bytes) - int64_t{told};
    told = static_cast<uint32_t>(bytes);
  }
  // The changes since it was called last.
  [[nodiscard]] static MemoryByKind take() { return std::exchange(changes_, {}); }

 private:
  static inline constinit thread_local MemoryByKind changes_ = {};
};

}  // namespace stampede::core
