#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "core/queue_consumers.h"
#include "core/queue_deadlines.h"
#include "core/queue_groups.h"
#include "core/queued_message.h"

namespace stampede::core {

// QueueBacklog is what is in one queue, and where it waits. A message that waits is in one of three
// kinds of places: open to whoever takes it; with the consumer that owns its group; or with
// that one, and refused by it. Who looks for a message finds the first one without looking at those
// that are not for it.
//
// Owns:      what waits and is delayed; unsettled messages are with their consumers, but counted
//            here. Thread: owner shard.
// Invariant: a message is armed for what comes next by its state: waiting for its expiry, delayed
//            for what is due first, unsettled for nothing.
class QueueBacklog {
 public:
  using Node = QueuedMessages::node_type;

  explicit QueueBacklog(uint64_t seed) : groups_(seed) {}

  // Makes the newest message of the queue and takes over the reference. It waits or is delayed, but
  // nowhere yet.
  [[nodiscard]] Node enter(Message* message, QueuedState state);
  void become(QueuedMessage& queued, QueuedState state);
  // The message is in the queue no more. Requires: it is in none of its maps.
  void leave(QueuedMessage& queued);

  void wait_open(Node node) { wait_in(open_, std::move(node)); }
  void delay(Node node) { wait_in(delayed_, std::move(node)); }
  static void wait_in(QueuedMessages& where, Node node);
  // Out of what it waits in.
  [[nodiscard]] static Node take_out(QueuedMessage& queued);
  // Puts all that waits into `out`, but for what the owner of its group refused.
  void take_out_all(const QueueConsumers& consumers, QueuedMessages& out);

  // The first message that the consumer takes; null if there is none. What it refuses on the way it
  // will not look at again.
  [[nodiscard]] QueuedMessage* first_for(QueueConsumer& consumer);
  // The first that waits behind a place, wherever it does. O(consumers) if there are groups.
  [[nodiscard]] QueuedMessage* next_waiting(Place behind, const QueueConsumers& consumers);
  // The oldest that no client has. O(consumers) if there are groups.
  [[nodiscard]] QueuedMessage* oldest_without_client(const QueueConsumers& consumers);
  [[nodiscard]] bool is_newest(const QueuedMessage& queued) const {
    return sequence_of(queued.place) == sequence_;
  }

  // What of the group is open waits for the consumer alone from now on.
  void assign(QueueGroup& group, QueueConsumer& consumer);
  // Puts what waits of the group into `out`; it is open to whoever takes it. Requires: nothing of
  // the group is unsettled.
  static void release(QueueGroup& group, QueuedMessages& out);
  static void release_settled_groups(QueueConsumer& consumer, QueuedMessages& out);

  // One whose deadline has come; null if there is none.
  [[nodiscard]] QueuedMessage* first_passed(Millis now) const { return deadlines_.passed(now); }
  [[nodiscard]] Millis next_deadline() const { return deadlines_.next(); }

  [[nodiscard]] uint64_t sequence() const { return sequence_; }  // of the newest message
  [[nodiscard]] size_t bytes() const { return bytes_; }
  [[nodiscard]] size_t count(QueuedState state) const {
    return counts_[static_cast<size_t>(state)];
  }

 private:
  [[nodiscard]] size_t& count_of(QueuedState state) { return counts_[static_cast<size_t>(state)]; }
  void arm(QueuedMessage& queued);
  [[nodiscard]] QueuedMessage* first_open_for(QueueConsumer& consumer);
  // Calls visit(messages) for each map in which messages wait.
  template <typename Visit>
  void for_each_waiting(const QueueConsumers& consumers, Visit&& visit);

  QueuedMessages open_;
  QueuedMessages delayed_;
  QueueDeadlines deadlines_;
  QueueGroups groups_;
  uint64_t sequence_ = 0;
  std::array<size_t, static_cast<size_t>(QueuedState::kCount)> counts_ = {};
  size_t bytes_ = 0;
};

}  // namespace stampede::core
