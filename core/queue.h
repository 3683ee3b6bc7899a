#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/options.h"
#include "core/queue_backlog.h"
#include "core/queue_consumers.h"
#include "core/queue_types.h"
#include "core/queued_message.h"

namespace stampede::core {

// Queue is one destination whose messages go to one consumer each and are kept until that one has
// settled them. It knows no clock: every call is told the time, and first does what is due by then.
//
// A message stands at its place: by priority, then in the order of publishing. It keeps that place
// whatever happens to it, so what comes back goes out before what was published later. A message
// goes to the consumer whose turn it is among those that take it and have credit; one that nobody
// takes waits and holds up nothing else.
//
// Messages of one group go to the consumer that was given the first of them, until it goes; or,
// where an exclusive consumer took over, until the last delivery of the group is settled.
//
// Owns:      its messages, with one reference each. Thread: owner shard.
// Lifetime:  options and sink outlive it.
// Invariant: between two calls no ready consumer takes a message that waits. So only what comes to
//            wait and who becomes ready have to be looked at.
class Queue {
 public:
  Queue(std::string_view name, const Options& options, QueueSink& sink);
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }

  // Whether so many more may be published; room that is reserved is not there. Where a full queue
  // makes room by itself, what fits the bounds alone always may.
  [[nodiscard]] bool has_room(size_t messages, size_t bytes) const;
  // Whether it would have room for so much if it were empty.
  [[nodiscard]] bool fits(size_t messages, size_t bytes) const {
    return messages <= options_.queue_messages_max && bytes <= options_.queue_bytes_max;
  }
  // Keeps room for a transaction. What unreserve() gives back was reserved.
  void reserve(size_t messages, size_t bytes);
  void unreserve(size_t messages, size_t bytes);

  // Takes over the caller's reference. Requires: has_room(1, message->memory_bytes()). A full queue
  // that makes room by itself does so with what no client has; where that is not enough, the
  // message is taken all the same.
  void publish(Message* message, Millis now);

  // Requires: no consumer has that key.
  void add_consumer(const ConsumerKey& key, ConsumerOptions options, Millis now);
  // Its unsettled deliveries go back to their places. Those before `first_tag_not_given` have
  // failed, the others were never given to the client. Unknown keys are ignored.
  void remove_consumer(const ConsumerKey& key, Millis now,
                       uint64_t first_tag_not_given = UINT64_MAX);

  // Settles one delivery, or with `is_cumulative` all of the consumer's up to that tag; for a
  // browser this gives back credit, whatever the settlement. Gives how many there were: 0 if the
  // consumer or the tag is not known. O(1) for the consumer's oldest, else O(log unsettled).
  size_t settle(const ConsumerKey& key, uint64_t tag, Settlement settlement, bool is_cumulative,
                Millis now);

  // Expired messages leave, and delayed ones that are due are handed out.
  void run(Millis now);
  // When to call run(); kNever if nothing will come of it.
  [[nodiscard]] Millis next_deadline() const { return backlog_.next_deadline(); }

  [[nodiscard]] size_t waiting() const { return backlog_.count(QueuedState::kWaiting); }
  [[nodiscard]] size_t delayed() const { return backlog_.count(QueuedState::kDelayed); }
  [[nodiscard]] size_t unsettled() const { return backlog_.count(QueuedState::kUnsettled); }
  [[nodiscard]] size_t messages() const { return waiting() + delayed() + unsettled(); }
  [[nodiscard]] size_t bytes() const { return backlog_.bytes(); }
  [[nodiscard]] size_t consumers() const { return consumers_.size(); }  // browsers too
  [[nodiscard]] uint64_t dropped() const { return dropped_; }  // by kDropOldest, since ever
  // Nothing is in it or reserved, and it has no consumer.
  [[nodiscard]] bool is_idle() const {
    return messages() == 0 && reserved_messages_ == 0 && consumers() == 0;
  }
  // When something was last published, settled, or a consumer came or went.
  [[nodiscard]] Millis last_used() const { return last_used_; }

 private:
  using Node = QueuedMessages::node_type;

  void make_room(size_t bytes);
  void bury(Node node, DeadReason reason);

  // Hands out what came to wait, `back`, and fills a consumer that became ready; all in order.
  void hand_out(QueuedMessages& back, QueueConsumer* hungry);
  void offer(Node node);
  void offer_to_owner(Node node, QueueConsumer& owner);
  [[nodiscard]] bool has_room_or_stalls(QueueConsumer& consumer, const QueuedMessage& queued);
  void deliver(QueueConsumer& consumer, Node node);
  void browse(QueueConsumer& browser);

  [[nodiscard]] Node end_delivery(QueueConsumer& consumer, QueuedMessages::iterator delivery);
  // What becomes of an ended delivery; what comes to wait goes into `back`.
  void take_back(Node node, Settlement settlement, Millis now, QueuedMessages& back);

  const std::string name_;
  const Options& options_;
  QueueSink& sink_;
  QueueBacklog backlog_;
  QueueConsumers consumers_;
  size_t reserved_messages_ = 0;
  size_t reserved_bytes_ = 0;
  uint64_t dropped_ = 0;
  Millis last_used_ = 0;
};

}  // namespace stampede::core
