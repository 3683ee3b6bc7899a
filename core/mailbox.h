#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "core/envelope.h"
#include "core/shard_types.h"
#include "core/spsc_ring.h"

namespace stampede::core {

// Mailbox carries envelopes from one shard to another, in order, losing none: what does not fit
// into the ring waits in the sender's overflow until the receiver made room, and the sender is told
// that it is congested.
//
// Owns:      the envelopes in it, with what they refer to.
// Thread:    post, publish, is_congested: the sending shard; take, is_empty: the receiving shard.
// Invariant: once an envelope overflowed, all later ones do until the overflow is empty again.
class Mailbox {
 public:
  explicit Mailbox(size_t slots) : ring_(slots) {}
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // False: it went to the overflow.
  bool post(const Envelope& envelope);
  // Moves overflow into the ring as room allows and makes all of it visible; true if the receiver
  // got something new.
  bool publish();
  [[nodiscard]] bool is_congested() const { return !overflow_.empty(); }

  [[nodiscard]] bool take(Envelope& envelope) { return ring_.try_pop(envelope); }
  [[nodiscard]] bool is_empty() const { return ring_.is_empty(); }

 private:
  SpscRing<Envelope> ring_;
  // Producer side.
  std::deque<Envelope> overflow_;
};

// One mailbox for each ordered pair of shards. Thread: set-up only, but for at(), which any shard
// may call. Lifetime: outlives the shards.
class MailboxGrid {
 public:
  MailboxGrid(ShardId shards, size_t slots);

  [[nodiscard]] Mailbox& at(ShardId from, ShardId to) { return *boxes_[from * shards_ + to]; }
  [[nodiscard]] ShardId shards() const { return shards_; }

  // A shard whose own mailboxes overflow says so here, and the others hold back the publishers that
  // feed it. A hint: it is followed a little late and nothing depends on its order, hence relaxed.
  void set_pressed(ShardId shard, bool pressed) {
    pressed_[shard].store(pressed, std::memory_order_relaxed);
  }
  [[nodiscard]] bool is_pressed(ShardId shard) const {
    return pressed_[shard].load(std::memory_order_relaxed);
  }

 private:
  ShardId shards_;
  std::vector<std::atomic<bool>> pressed_;
  std::vector<std::unique_ptr<Mailbox>> boxes_;
};

}  // namespace stampede::core
