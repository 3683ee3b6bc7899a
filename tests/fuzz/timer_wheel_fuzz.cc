// A script of deadlines, beside a sorted map of them. What must hold:
//   - a timer comes once, never before its deadline, and at the latest by the first look that is a
//     tick or more past it;
//   - next_deadline() is at most a tick after the first one, and never when none is armed.
//
// Input: four octets a step: what (arm, disarm, wait), which timer, and how long (two octets, whose
// unit the first one chooses).

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>

#include "core/timer_wheel.h"
#include "proto/base/check.h"

namespace {

using stampede::core::Millis;
using stampede::core::Timer;
using stampede::core::TimerWheel;

constexpr size_t kTimers = 16;

struct Script {
  TimerWheel wheel;
  std::array<Timer, kTimers> timers;
  std::map<size_t, Millis> armed;
  Millis now = 0;

  ~Script() {
    for (Timer& timer : timers) wheel.disarm(timer);
  }

  [[nodiscard]] Millis first_deadline() const {
    Millis first = stampede::core::kNever;
    for (const auto& [timer, deadline] : armed) first = std::min(first, deadline);
    return first;
  }

  void arm(size_t timer, Millis deadline) {
    wheel.arm(timers[timer], deadline);
    armed[timer] = deadline;
  }
  void disarm(size_t timer) {
    wheel.disarm(timers[timer]);
    armed.erase(timer);
  }
  void wait(Millis duration) {
    now += duration;
    while (Timer* const timer = wheel.expire(now)) {
      const auto index = static_cast<size_t>(timer - timers.data());
      const auto found = armed.find(index);
      CHECK(found != armed.end() && found->second <= now && !timer->is_armed());
      armed.erase(found);
    }
    for (const auto& [timer, deadline] : armed) CHECK(deadline > now - TimerWheel::kTickMs);
  }
  void check() const {
    const Millis next = wheel.next_deadline(), first = first_deadline();
    if (armed.empty()) {
      CHECK(next == stampede::core::kNever);
    } else {
      CHECK(next <= first + TimerWheel::kTickMs);
    }
    for (size_t i = 0; i < kTimers; ++i) CHECK(timers[i].is_armed() == armed.contains(i));
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr std::array<Millis, 4> kUnits = {1, 16, 1'000, 70'000};
  Script script;
  for (; size >= 4; data += 4, size -= 4) {
    const Millis duration = (data[2] + 256 * data[3]) * kUnits[data[0] / 64];
    const size_t timer = data[1] % kTimers;
    switch (data[0] % 3) {
      case 0:
        script.arm(timer, script.now + duration);
        break;
      case 1:
        script.disarm(timer);
        break;
      default:
        script.wait(duration);
    }
    script.check();
  }
  return 0;
}
