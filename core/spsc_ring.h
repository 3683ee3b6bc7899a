#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "proto/base/cache_line.h"
#include "proto/base/check.h"

namespace stampede::core {

// SpscRing is a bounded queue from one producing thread to one consuming thread, without locks.
// What is pushed becomes visible in batches, by publish(): a reader's cache line is disturbed once
// a turn, not once an element.
//
// Owns:      its slots. Elements are trivially copyable.
// Thread:    push, publish, staged, free_slots: producer. pop, is_empty: consumer.
// Invariant: consumed_ <= published_ <= staged_ <= consumed_ + capacity; counters never wrap in
//            practice (64 bits).
template <typename T>
class SpscRing {
 public:
  // Requires: slots is a power of two.
  explicit SpscRing(size_t slots) : mask_(slots - 1), slots_(std::make_unique<T[]>(slots)) {
    CHECK(std::has_single_bit(slots));
  }

  // False if there is no room.
  [[nodiscard]] bool try_push(const T& element) {
    if (staged_ - consumed_seen_ > mask_) {
      // acquire: the slots below the counter read were left by the consumer before it stored the
      // counter.
      consumed_seen_ = consumed_.load(std::memory_order_acquire);
      if (staged_ - consumed_seen_ > mask_) return false;
    }
    slots_[staged_ & mask_] = element;
    ++staged_;
    return true;
  }

  // Makes all that was pushed visible; false if there was nothing new.
  bool publish() {
    if (staged_ == published_own_) return false;
    published_own_ = staged_;
    // release: the slots written above are visible to whoever sees the counter. Before a look at
    // the peer's sleep flag the caller adds a sequentially consistent fence (net/wakeup.h).
    published_.store(staged_, std::memory_order_release);
    return true;
  }

  // False if nothing published is left.
  [[nodiscard]] bool try_pop(T& element) {
    if (consumed_own_ == published_seen_) {
      // acquire: pairs with publish().
      published_seen_ = published_.load(std::memory_order_acquire);
      if (consumed_own_ == published_seen_) return false;
    }
    element = slots_[consumed_own_ & mask_];
    ++consumed_own_;
    // release: the slot was read before the producer may write it again.
    consumed_.store(consumed_own_, std::memory_order_release);
    return true;
  }

  [[nodiscard]] bool is_empty() const {
    // acquire: an emptiness check that is followed by sleeping must not be reordered behind it.
    return consumed_own_ == published_.load(std::memory_order_acquire);
  }

 private:
  // Constant after construction.
  const uint64_t mask_;
  const std::unique_ptr<T[]> slots_;
  // Producer side.
  alignas(kNoSharingBytes) uint64_t staged_ = 0;
  uint64_t published_own_ = 0;
  uint64_t consumed_seen_ = 0;
  std::atomic<uint64_t> published_ = 0;
  // Consumer side.
  alignas(kNoSharingBytes) uint64_t consumed_own_ = 0;
  uint64_t published_seen_ = 0;
  std::atomic<uint64_t> consumed_ = 0;
};

}  // namespace stampede::core
