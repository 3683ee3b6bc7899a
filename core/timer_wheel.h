#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/intrusive_list.h"
#include "core/shard_types.h"

namespace stampede::core {

// A deadline of something; a member of what it belongs to.
struct Timer {
  enum class Kind : uint8_t { kHousekeeping, kClient, kQueue, kDrain };
  explicit Timer(Kind of_kind = Kind::kHousekeeping) : kind(of_kind) {}

  const Kind kind;
  ListLink<Timer> link;
  Millis deadline = kNever;
  [[nodiscard]] bool is_armed() const { return deadline != kNever; }
};

// TimerWheel keeps the deadlines of one shard in slots of 16 ms; a deadline beyond one turn of the
// wheel (65 s) stays in its slot and is passed over. It knows no clock.
//
// Owns:      its slots, not the timers. Thread: home shard.
// Lifetime:  a timer is disarmed before it is destroyed.
// Invariant: an armed timer is given by exactly one expire() or ended by disarm(); never before its
// deadline,
//            and by the first call of expire() that is a tick or more past it.
class TimerWheel {
 public:
  static constexpr Millis kTickMs = 16;

  // Sets the timer anew if it is armed. O(1).
  void arm(Timer& timer, Millis deadline);
  void disarm(Timer& timer);

  // Takes out one timer whose deadline has passed; null if there is none. Call until null.
  [[nodiscard]] Timer* expire(Millis now);

  // When to call expire() next: at most a tick after the first deadline, and sometimes before it;
  // kNever if nothing is armed. O(slots / 64).
  [[nodiscard]] Millis next_deadline() const;

 private:
  static constexpr size_t kSlots = 4096;
  using Slot = IntrusiveList<Timer, &Timer::link>;

  [[nodiscard]] static size_t slot_of(Millis deadline) {
    return static_cast<size_t>(deadline / kTickMs) % kSlots;
  }

  std::array<Slot, kSlots> slots_;
  std::array<uint64_t, kSlots / 64> occupied_ = {};
  // The tick that expire() looks at next.
  Millis tick_ = 0;
  size_t armed_ = 0;
};

}  // namespace stampede::core
