#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace stampede::bench {

// Flight is what one publisher has sent and not yet seen delivered everywhere: when each message
// was to be sent, and how many threads still wait for it. Messages may complete out of order.
//
// Owns:      a fixed number of slots; a message takes the one of its number modulo that.
// Thread:    try_begin(): the publisher's. The others: any load thread.
// Invariant: a slot is taken again only after the message in it was delivered to all.
class Flight {
 public:
  // Requires: slots is a power of two.
  explicit Flight(size_t slots) : mask_(slots - 1), slots_(std::make_unique<Slot[]>(slots)) {}

  // False while the slot of `number` is still in flight.
  [[nodiscard]] bool try_begin(uint64_t number, int64_t intended_ns, uint32_t waiting_threads) {
    Slot& slot = slots_[number & mask_];
    // acquire: what the last thread did with the slot comes before what we do with it.
    if (slot.waiting_threads.load(std::memory_order_acquire) != 0) return false;
    // relaxed: readers see these by way of the broker, which is as good as any order.
    slot.number.store(number, std::memory_order_relaxed);
    slot.intended_ns.store(intended_ns, std::memory_order_relaxed);
    // release: for a reader that looks at the count first.
    slot.waiting_threads.store(waiting_threads, std::memory_order_release);
    return true;
  }

  // Whether a delivery of `number` can belong to something that is on its way.
  [[nodiscard]] bool is_in_flight(uint64_t number) const {
    const Slot& slot = slots_[number & mask_];
    // acquire: pairs with the release in try_begin().
    return slot.waiting_threads.load(std::memory_order_acquire) != 0 &&
           slot.number.load(std::memory_order_relaxed) == number;
  }
  [[nodiscard]] int64_t intended_ns(uint64_t number) const {
    // relaxed: written before the message was sent.
    return slots_[number & mask_].intended_ns.load(std::memory_order_relaxed);
  }
  // This thread has all its deliveries. True if it was the last one.
  bool end_one(uint64_t number) {
    // acq_rel: the publisher takes the slot again only after all were here.
    return slots_[number & mask_].waiting_threads.fetch_sub(1, std::memory_order_acq_rel) == 1;
  }

  // The one delivery of a message that goes to one of many. False if somebody had it before: then
  // it came twice.
  bool try_end_only(uint64_t number) {
    uint32_t waiting = 1;
    // acq_rel: as above; of two threads that have the message one alone takes it out of flight.
    return is_in_flight(number) && slots_[number & mask_].waiting_threads.compare_exchange_strong(
                                       waiting, 0, std::memory_order_acq_rel);
  }

  [[nodiscard]] size_t slot_of(uint64_t number) const { return number & mask_; }
  [[nodiscard]] size_t slots() const { return mask_ + 1; }

 private:
  struct Slot {
    std::atomic<int64_t> intended_ns = 0;
    std::atomic<uint64_t> number = 0;
    std::atomic<uint32_t> waiting_threads = 0;
  };

  const size_t mask_;
  std::unique_ptr<Slot[]> slots_;
};

}  // namespace stampede::bench
