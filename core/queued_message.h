#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>

#include "core/intrusive_list.h"
#include "core/memory_tally.h"
#include "core/message.h"
#include "core/shard_types.h"

namespace stampede::core {

struct QueuedMessage;
struct QueueGroup;

// Where a message stands in its queue; the lowest goes out first. The high bits are its rank, which
// is 0 for priority 9 and 9 for priority 0, the others the queue's own sequence.
using Place = uint64_t;
inline constexpr size_t kRanks = 10;
inline constexpr unsigned kSequenceBits = 60;

[[nodiscard]] constexpr Place first_place_of(size_t rank) { return Place{rank} << kSequenceBits; }
[[nodiscard]] constexpr size_t rank_of(Place place) { return place >> kSequenceBits; }
[[nodiscard]] constexpr uint64_t sequence_of(Place place) {
  return place & ((uint64_t{1} << kSequenceBits) - 1);
}
[[nodiscard]] constexpr Place place_of(uint8_t priority, uint64_t sequence) {
  return first_place_of(kRanks - 1 - std::min<size_t>(priority, kRanks - 1)) + sequence;
}

// Messages by their place, or by the tags of their deliveries. A message goes from one to another
// as a node: it is neither copied nor moved in memory, and nothing is allocated. What goes to the
// end or leaves the beginning, as almost all do, costs O(1).
using QueuedMessages = std::map<uint64_t, QueuedMessage>;

enum class QueuedState : uint8_t { kWaiting, kDelayed, kUnsettled, kCount };

// QueuedMessage is a message in one queue. In a browser's unsettled deliveries it only stands for
// the credit that it takes, and has no message.
//
// Owns:      one reference to the message. Thread: owner shard.
struct QueuedMessage {
  QueuedMessage(Message* of_message, Place at, size_t bytes_of_body)
      : message(of_message), place(at), body_bytes(bytes_of_body) {
    MemoryTally::add(MemoryKind::kQueues, node_bytes());
  }
  ~QueuedMessage() {
    MemoryTally::drop(MemoryKind::kQueues, node_bytes());
    if (message != nullptr) message->drop_reference();
  }
  QueuedMessage(const QueuedMessage&) = delete;
  QueuedMessage& operator=(const QueuedMessage&) = delete;

  // With the map's node around it.
  [[nodiscard]] static size_t node_bytes();

  Message* const message;
  const Place place;
  const size_t body_bytes;
  // What it waits or is delayed in; null if it is unsettled or on its way.
  QueuedMessages* in = nullptr;
  Millis deadline = kNever;       // for which it is armed
  QueueGroup* group = nullptr;    // null: of none
  ListLink<QueuedMessage> mates;  // in the group
  uint32_t deliveries = 0;        // that failed
  QueuedState state = QueuedState::kWaiting;
};

inline size_t QueuedMessage::node_bytes() {
  constexpr size_t kNodeBytes = 4 * sizeof(void*) + sizeof(Place);
  return sizeof(QueuedMessage) + kNodeBytes;
}

}  // namespace stampede::core
