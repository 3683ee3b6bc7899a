#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string_view>

#include <tsl/robin_set.h>

#include "core/shard_types.h"

namespace stampede::core {

// DedupWindow remembers the message-ids that clients gave to one destination: the last
// `entries_max` of them, for `time_ms`. An id is kept as a keyed 128-bit hash; that two ids share
// one is less likely than the machine erring.
//
// Owns:      its entries. Thread: owner shard.
// Invariant: entries are in order of time; the set holds exactly the hashes of the queue.
class DedupWindow {
 public:
  DedupWindow() = default;
  ~DedupWindow();
  DedupWindow(const DedupWindow&) = delete;
  DedupWindow& operator=(const DedupWindow&) = delete;

  // True if the id was new, and remembers it. A known id is not made younger.
  [[nodiscard]] bool remember(std::string_view id, uint64_t seed, size_t entries_max,
                              Millis time_ms, Millis now);
  [[nodiscard]] size_t size() const { return entries_.size(); }

 private:
  struct Hash128 {
    uint64_t low;
    uint64_t high;
    friend bool operator==(const Hash128&, const Hash128&) = default;
  };
  struct HashOf {
    size_t operator()(const Hash128& hash) const { return static_cast<size_t>(hash.low); }
  };
  struct Entry {
    Hash128 hash;
    Millis time;
  };

  void forget_front();

  std::deque<Entry> entries_;
  tsl::robin_set<Hash128, HashOf> known_;
};

}  // namespace stampede::core
