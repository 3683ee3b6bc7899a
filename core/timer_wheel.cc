#include "core/timer_wheel.h"

#include <algorithm>
#include <bit>

namespace stampede::core {

void TimerWheel::arm(Timer& timer, Millis deadline) {
  disarm(timer);
  // A deadline in the past goes where expire() looks next, or it would wait for a whole turn of the
  // wheel.
  const Millis at = std::max(deadline, tick_ * kTickMs);
  timer.deadline = at;
  const size_t slot = slot_of(at);
  slots_[slot].push_back(timer);
  occupied_[slot / 64] |= uint64_t{1} << (slot % 64);
  ++armed_;
}

void TimerWheel::disarm(Timer& timer) {
  if (!timer.is_armed()) return;
  const size_t slot = slot_of(timer.deadline);
  slots_[slot].remove(timer);
  if (slots_[slot].empty()) occupied_[slot / 64] &= ~(uint64_t{1} << (slot % 64));
  timer.deadline = kNever;
  --armed_;
}

Timer* TimerWheel::expire(Millis now) {
  const Millis now_tick = now / kTickMs;
  if (armed_ == 0) {
    tick_ = now_tick;
    return nullptr;
  }
  // One turn of the wheel passes every slot, however long ago the last call was.
  tick_ = std::max(tick_, now_tick - static_cast<Millis>(kSlots) + 1);
  for (; tick_ <= now_tick; ++tick_) {
    const size_t slot = static_cast<size_t>(tick_) % kSlots;
    for (Timer* timer = slots_[slot].front(); timer != nullptr; timer = Slot::next(*timer)) {
      if (timer->deadline > now) continue;
      disarm(*timer);
      return timer;
    }
    if (tick_ == now_tick) break;  // its later half may still be armed
  }
  return nullptr;
}

Millis TimerWheel::next_deadline() const {
  if (armed_ == 0) return kNever;
  const size_t first = static_cast<size_t>(tick_) % kSlots;
  // The word of the first slot is looked at twice: its upper bits first, its lower bits last.
  for (size_t n = 0; n <= occupied_.size(); ++n) {
    const size_t word = (first / 64 + n) % occupied_.size();
    uint64_t bits = occupied_[word];
    if (n == 0) bits &= ~uint64_t{0} << (first % 64);
    if (n == occupied_.size()) bits &= ~(~uint64_t{0} << (first % 64));
    if (bits == 0) continue;
    const size_t slot = word * 64 + static_cast<size_t>(std::countr_zero(bits));
    const size_t ahead = (slot + kSlots - first) % kSlots;
    // The end of the tick: by then everything in it is due.
    return (tick_ + static_cast<Millis>(ahead) + 1) * kTickMs;
  }
  return kNever;
}

}  // namespace stampede::core
