#include "core/timer_wheel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <random>
#include <set>
#include <vector>

namespace stampede::core {
namespace {

constexpr Millis kTurnMs = 4096 * TimerWheel::kTickMs;  // 65 s

class TimerWheelOf : public ::testing::Test {
 protected:
  ~TimerWheelOf() override {
    for (Timer& timer : timers_) wheel_.disarm(timer);
  }
  // The deadlines that were due, sorted: within a call they come in no promised order.
  std::vector<Millis> expire(Millis now) {
    std::vector<size_t> due;
    while (const Timer* timer = wheel_.expire(now)) {
      due.push_back(static_cast<size_t>(timer - timers_.data()));
      EXPECT_FALSE(timer->is_armed());
    }
    std::vector<Millis> deadlines;
    for (const size_t n : due) deadlines.push_back(armed_for_[n]);
    std::sort(deadlines.begin(), deadlines.end());
    return deadlines;
  }
  void arm(size_t n, Millis deadline) {
    wheel_.arm(timers_[n], deadline);
    armed_for_[n] = deadline;
  }

  TimerWheel wheel_;
  std::array<Timer, 8> timers_;
  std::array<Millis, 8> armed_for_ = {};
};

using Deadlines = std::vector<Millis>;

TEST_F(TimerWheelOf, GivesATimerAtItsDeadlineAndNotBefore) {
  arm(0, 1000);
  EXPECT_EQ(expire(999), Deadlines{});
  EXPECT_TRUE(timers_[0].is_armed());
  EXPECT_EQ(expire(1000), Deadlines{1000});
  EXPECT_FALSE(timers_[0].is_armed());
  EXPECT_EQ(expire(5000), Deadlines{});
}

TEST_F(TimerWheelOf, GivesAllThatAreDueAndNoOther) {
  arm(0, 100);
  arm(1, 101);
  arm(2, 100);
  arm(3, 5000);
  EXPECT_EQ(expire(100), (Deadlines{100, 100}));
  EXPECT_EQ(expire(4999), Deadlines{101});
  EXPECT_EQ(expire(5000), Deadlines{5000});
}

TEST_F(TimerWheelOf, ForgetsADisarmedTimer) {
  arm(0, 100);
  wheel_.disarm(timers_[0]);
  wheel_.disarm(timers_[0]);
  EXPECT_EQ(wheel_.next_deadline(), kNever);
  EXPECT_EQ(expire(1000), Deadlines{});
}

TEST_F(TimerWheelOf, MovesATimerThatIsArmedAgain) {
  arm(0, 100);
  arm(0, 900);
  EXPECT_EQ(expire(899), Deadlines{});
  arm(0, 950);
  arm(0, 920);
  EXPECT_EQ(expire(920), Deadlines{920});
}

TEST_F(TimerWheelOf, GivesADeadlineInThePastAtOnce) {
  EXPECT_EQ(expire(50'000), Deadlines{});
  arm(0, 100);
  arm(1, 0);
  EXPECT_EQ(expire(50'000), (Deadlines{0, 100}));
}

TEST_F(TimerWheelOf, PassesOverWhatIsDueInALaterTurn) {
  arm(0, 500 + kTurnMs);
  arm(1, 500 + 3 * kTurnMs);
  arm(2, 500);
  EXPECT_EQ(expire(600), Deadlines{500});
  EXPECT_EQ(expire(499 + kTurnMs), Deadlines{});
  EXPECT_EQ(expire(500 + kTurnMs), Deadlines{500 + kTurnMs});
  EXPECT_EQ(expire(499 + 3 * kTurnMs), Deadlines{});
  EXPECT_EQ(expire(500 + 3 * kTurnMs), Deadlines{500 + 3 * kTurnMs});
}

TEST_F(TimerWheelOf, MissesNothingWhenTheClockJumpsFar) {
  arm(0, 100);
  arm(1, 70'000);
  arm(2, 1'000'000);
  arm(3, 10'000'000);
  EXPECT_EQ(expire(5'000'000), (Deadlines{100, 70'000, 1'000'000}));
  EXPECT_EQ(expire(10'000'000), Deadlines{10'000'000});
}

TEST_F(TimerWheelOf, LetsTheOwnerArmATimerFromWithinExpire) {
  arm(0, 100);
  int fired = 0;
  while (Timer* timer = wheel_.expire(200)) {
    ++fired;
    wheel_.arm(*timer, fired < 3 ? 200 : 201);
  }
  EXPECT_EQ(fired, 3);
  EXPECT_NE(wheel_.expire(201), nullptr);
}

TEST_F(TimerWheelOf, SaysWhenToLookNext) {
  EXPECT_EQ(wheel_.next_deadline(), kNever);
  arm(0, 1000);
  EXPECT_GE(wheel_.next_deadline(), 1000);
  EXPECT_LE(wheel_.next_deadline(), 1000 + TimerWheel::kTickMs);
  arm(1, 40);
  EXPECT_LE(wheel_.next_deadline(), 40 + TimerWheel::kTickMs);
}

// Who sleeps until next_deadline(), again and again, is never more than a tick late, and wakes a
// bounded number of times in vain for a timer that is far away.
TEST_F(TimerWheelOf, NeverLetsASleeperOversleep) {
  for (const Millis far : {Millis{1}, Millis{15}, Millis{16}, Millis{17}, kTurnMs - 1, kTurnMs,
                           kTurnMs + 1, 5 * kTurnMs + 777, Millis{INT32_MAX}}) {
    const Millis start = 123'456;
    EXPECT_EQ(expire(start), Deadlines{});
    arm(0, start + far);
    Millis now = start;
    int wakes = 0;
    while (timers_[0].is_armed()) {
      const Millis next = wheel_.next_deadline();
      ASSERT_GT(next, now) << "a sleeper that does not sleep";
      now = next;
      ++wakes;
      if (!expire(now).empty()) break;
    }
    EXPECT_GE(now, start + far);
    EXPECT_LE(now, start + far + TimerWheel::kTickMs);
    EXPECT_LE(wakes, 2 + far / kTurnMs * 2) << far;
    wheel_ = TimerWheel();
  }
}

TEST(TimerWheel, BehavesAsASortedList) {
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    auto wheel = std::make_unique<TimerWheel>();
    std::array<Timer, 60> timers;
    std::multiset<std::pair<Millis, Timer*>> model;
    Millis now = random() % 100'000;
    const auto forget = [&](Timer* timer) {
      std::erase_if(model, [&](const auto& entry) { return entry.second == timer; });
    };
    for (int n = 0; n < 3000; ++n) {
      Timer& timer = timers[random() % timers.size()];
      switch (random() % 4) {
        case 0:
        case 1: {
          const Millis spans[] = {0, 1, static_cast<Millis>(random() % 20),
                                  static_cast<Millis>(random() % 2000),
                                  static_cast<Millis>(random() % 300'000)};
          const Millis deadline = now + spans[random() % 5];
          forget(&timer);
          wheel->arm(timer, deadline);
          model.emplace(deadline, &timer);
          break;
        }
        case 2:
          wheel->disarm(timer);
          forget(&timer);
          break;
        default: {
          const Millis steps[] = {0, static_cast<Millis>(random() % 16),
                                  static_cast<Millis>(random() % 500),
                                  static_cast<Millis>(random() % 20) == 0 ? 400'000 : 3};
          now += steps[random() % 4];
          while (Timer* due = wheel->expire(now)) {
            const auto entry = std::find_if(model.begin(), model.end(),
                                            [&](const auto& e) { return e.second == due; });
            ASSERT_NE(entry, model.end());
            ASSERT_LE(entry->first, now) << "too early";
            model.erase(entry);
          }
          if (!model.empty()) {
            ASSERT_GT(model.begin()->first, now) << "not given";
          }
        }
      }
      if (model.empty()) {
        ASSERT_EQ(wheel->next_deadline(), kNever);
      } else {
        ASSERT_LE(wheel->next_deadline(), model.begin()->first + TimerWheel::kTickMs);
      }
    }
    for (Timer& timer : timers) wheel->disarm(timer);
  }
}

}  // namespace
}  // namespace stampede::core
