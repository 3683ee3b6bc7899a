#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "core/fan_out_log.h"
#include "core/outbox.h"
#include "core/session.h"
#include "core/shard_types.h"

namespace stampede::core {

class SlowConsumers;
class Topics;

// Outflow is all that one client has still to get: its private octets, the cursors of its
// subscriptions and the farewell; and the one operation that takes some of it to the kernel.
//
// Owns:      the private octets; a subscription that ended while in flight, until that is over.
// Thread:    home shard.
// Lifetime:  what a send was given stays untouched until end_send().
// Invariant: at most one operation in flight. A cursor of a live subscription is behind, in flight,
//            behind but stopped by credit, parked, or caught up and on none of the lists here; that
//            of an ended one is in flight or gone.
class Outflow {
 public:
  struct Send {
    size_t spans;
    size_t bytes;
  };

  // -- What is to be sent.
  // Where private octets are appended, whole frames only.
  [[nodiscard]] std::string& gathering() { return outbox_.gathering(); }
  // Puts a cursor that got octets on the list of those behind.
  void add_behind(Cursor& cursor) { behind_.push_back(cursor); }
  // Some of what the subscription was given is settled: it may go on; true if it was stopped.
  bool resume(Subscription& subscription);
  // True if a send could begin with something.
  [[nodiscard]] bool has_unsent() const {
    return !outbox_.empty() || !behind_.empty() || !parked_.empty();
  }
  [[nodiscard]] bool has_private() const { return !outbox_.empty(); }
  [[nodiscard]] size_t private_bytes() const { return outbox_.bytes(); }
  // Of private octets, on the heap.
  [[nodiscard]] size_t private_memory_bytes() const { return outbox_.memory_bytes(); }
  // Octets that were not sent yet, private and of the subscriptions. O(cursors with any).
  [[nodiscard]] size_t lag_bytes() const;
  // Those of them that the client could have taken (Subscription::blamed_lag), without those of
  // subscriptions that rather miss something than end their client.
  [[nodiscard]] size_t blamed_bytes() const;

  // -- Subscriptions that do not get everything; SlowConsumers decides which.
  void begin_detour(Subscription& subscription);
  void end_detour(Subscription& subscription);
  void on_parked(Subscription& subscription);
  // Makes its first unsent frame private octets; true if it is caught up then.
  bool give_first(Subscription& subscription, SlowConsumers& slow);
  // Makes what must be said to them alone private octets, about `bytes_max`. Call before
  // begin_send().
  void gather_detours(SlowConsumers& slow, size_t bytes_max);

  // -- The farewell: what is said last, once nothing is owed before it.
  void set_farewell(std::string octets);
  [[nodiscard]] bool has_farewell() const { return farewell_ != nullptr; }
  void release_farewell();

  // -- Sending.
  [[nodiscard]] bool is_sending() const { return is_sending_; }
  // When the send in flight began. Requires: a send, not a shutdown, is in flight.
  [[nodiscard]] Millis send_started() const { return send_started_; }
  // Fills spans with private octets and then with what cursors have, about `bytes_max`, and puts it
  // in flight; nothing is in flight if there are no octets. Requires: nothing in flight.
  [[nodiscard]] Send begin_send(std::span<SendSpan> spans, size_t bytes_max, Millis now);
  // The stream's end is in flight, as a send would be.
  void begin_shutdown() { is_sending_ = true; }
  // The operation is complete, or will never be looked at again.
  void end_send(Topics& topics);

  // -- Taking back.
  // Copies what the subscription was not given yet to the private octets, but nothing of a replay
  // of which that is more than `replay_bytes_max`.
  void keep_unsent(Subscription& subscription, Topics& topics, size_t replay_bytes_max);
  // Detaches an ended subscription; one in flight at the end of its flight.
  void drop(std::unique_ptr<Subscription> subscription, Topics& topics);
  // Forgets private octets and farewell but for what is in flight.
  void drop_private();

 private:
  template <typename Measure>
  [[nodiscard]] size_t sum_of(Measure&& lag_of) const;

  PendingCursors behind_;
  PendingCursors in_flight_;
  PendingCursors stopped_;  // behind or parked, and without credit
  PendingCursors parked_;   // not in flight
  Outbox outbox_;
  std::unique_ptr<std::string> farewell_;
  Millis send_started_ = 0;
  uint32_t detours_ = 0;
  bool is_sending_ = false;
};

}  // namespace stampede::core
