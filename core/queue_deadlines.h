#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "core/queued_message.h"

namespace stampede::core {

// QueueDeadlines knows which messages of one queue expire or become due, and when. The order is
// that of the deadlines, then of the places, so that it is the same in every run.
//
// Owns:      its entries, not the messages. Thread: owner shard.
// Lifetime:  a message is disarmed before it leaves.
// Invariant: a message is armed exactly if its deadline is not kNever.
class QueueDeadlines {
 public:
  // Arms for `deadline`; kNever arms nothing. Requires: not armed. O(1) for the latest deadline,
  // as it is where all messages live equally long.
  void arm(QueuedMessage& queued, Millis deadline) {
    queued.deadline = deadline;
    if (deadline != kNever) entries_.emplace_hint(entries_.end(), key_of(queued), &queued);
  }
  void disarm(QueuedMessage& queued) {
    if (queued.deadline == kNever) return;
    entries_.erase(key_of(queued));
    queued.deadline = kNever;
  }
  // The first whose deadline has come; null if there is none.
  [[nodiscard]] QueuedMessage* passed(Millis now) const {
    return entries_.empty() || next() > now ? nullptr : entries_.begin()->second;
  }
  [[nodiscard]] Millis next() const {
    return entries_.empty() ? kNever : entries_.begin()->first.first;
  }

 private:
  using Key = std::pair<Millis, Place>;
  [[nodiscard]] static Key key_of(const QueuedMessage& queued) {
    return {queued.deadline, queued.place};
  }

  std::map<Key, QueuedMessage*> entries_;
};

}  // namespace stampede::core
