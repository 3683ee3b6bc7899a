#include "core/conflated_table.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/memory_tally.h"
#include "proto/base/check.h"

namespace stampede::core {

namespace {

// A node of the map and the buckets of its key.
constexpr size_t kEntryBytes = 80 + 64;

}  // namespace

ConflatedTable::Key ConflatedTable::key_of(const Message& message, std::string_view key) const {
  const std::string_view destination = message.destination();
  const XXH128_hash_t of_destination =
      XXH3_128bits_withSeed(destination.data(), destination.size(), seed_);
  if (key.empty()) return {of_destination.low64, of_destination.high64};
  const XXH128_hash_t both =
      XXH3_128bits_withSeed(key.data(), key.size(), of_destination.low64 ^ of_destination.high64);
  return {both.low64, both.high64};
}

void ConflatedTable::put(Message& message, std::string_view key, uint64_t frame, uint64_t number,
                         size_t bytes_max) {
  DCHECK(entries_.empty() || entries_.rbegin()->first < frame);
  const Key found = key_of(message, key);
  const auto [place, is_new] = frames_.try_emplace(found, frame);
  if (!is_new) {
    erase(entries_.find(place->second));
    place.value() = frame;
  }
  message.add_references(1);
  entries_.emplace_hint(entries_.end(), frame, Entry{&message, number, found.low, found.high});
  bytes_ += message.memory_bytes();
  MemoryTally::add(MemoryKind::kTables, kEntryBytes);
  while (bytes_ > bytes_max && entries_.size() > 1) {
    const auto oldest = entries_.begin();
    frames_.erase(Key{oldest->second.key_low, oldest->second.key_high});
    erase(oldest);
  }
}

void ConflatedTable::erase(Entries::iterator entry) {
  bytes_ -= entry->second.message->memory_bytes();
  entry->second.message->drop_reference();
  entries_.erase(entry);
  MemoryTally::drop(MemoryKind::kTables, kEntryBytes);
}

const ConflatedTable::Entries::value_type* ConflatedTable::first_from(uint64_t frame) const {
  const auto found = entries_.lower_bound(frame);
  return found == entries_.end() ? nullptr : &*found;
}

void ConflatedTable::clear() {
  while (!entries_.empty()) erase(entries_.begin());
  frames_.clear();
}

}  // namespace stampede::core
