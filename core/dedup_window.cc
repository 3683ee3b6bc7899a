#include "core/dedup_window.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/memory_tally.h"

namespace stampede::core {

namespace {

// An entry, and the set's buckets for it at the load that they have on average.
constexpr size_t kEntryBytes = 24 + 48;

}  // namespace

DedupWindow::~DedupWindow() {
  MemoryTally::drop(MemoryKind::kTables, entries_.size() * kEntryBytes);
}

bool DedupWindow::remember(std::string_view id, uint64_t seed, size_t entries_max, Millis time_ms,
                           Millis now) {
  while (!entries_.empty() && now - entries_.front().time > time_ms) forget_front();
  const XXH128_hash_t hashed = XXH3_128bits_withSeed(id.data(), id.size(), seed);
  const Hash128 hash = {hashed.low64, hashed.high64};
  if (known_.contains(hash)) return false;
  if (entries_max == 0) return true;
  while (entries_.size() >= entries_max) forget_front();
  entries_.push_back({hash, now});
  known_.insert(hash);
  MemoryTally::add(MemoryKind::kTables, kEntryBytes);
  return true;
}

void DedupWindow::forget_front() {
  known_.erase(entries_.front().hash);
  entries_.pop_front();
  MemoryTally::drop(MemoryKind::kTables, kEntryBytes);
}

}  // namespace stampede::core
