#include "net/wakeup.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <thread>

#include "core/spsc_ring.h"

namespace stampede::net {
namespace {

bool is_readable(const Wakeup& wakeup, int timeout_ms) {
  pollfd waiting = {.fd = wakeup.fd(), .events = POLLIN, .revents = 0};
  return poll(&waiting, 1, timeout_ms) == 1;
}

TEST(Wakeup, CostsNoWriteWhileTheThreadIsAwake) {
  Wakeup wakeup;
  EXPECT_FALSE(wakeup.wake());
  EXPECT_FALSE(is_readable(wakeup, 0));
}

TEST(Wakeup, EndsASleepOnce) {
  Wakeup wakeup;
  wakeup.prepare_sleep();
  EXPECT_TRUE(wakeup.wake());
  EXPECT_FALSE(wakeup.wake());
  EXPECT_TRUE(is_readable(wakeup, 0));
  wakeup.consume();
  wakeup.finish_sleep();
  EXPECT_FALSE(is_readable(wakeup, 0));
}

// Promise: what is published before wake() is seen by the sleeper, however the two are timed; no
// wake-up is lost. The numbers check themselves, and a sleeper that is not woken runs into a
// timeout, which fails the test.
TEST(Wakeup, IsNeverMissed) {
  constexpr uint64_t kNumbers = 200'000;
  Wakeup wakeup;
  core::SpscRing<uint64_t> ring(64);
  std::thread producer([&] {
    for (uint64_t i = 0; i < kNumbers; ++i) {
      while (!ring.try_push(i)) std::this_thread::yield();
      ring.publish();
      wakeup.wake();
    }
  });
  uint64_t expected = 0;
  int missed = 0;
  while (expected < kNumbers) {
    uint64_t number = 0;
    while (ring.try_pop(number)) ASSERT_EQ(number, expected++);
    wakeup.prepare_sleep();
    if (ring.is_empty() && expected < kNumbers && !is_readable(wakeup, 10'000)) ++missed;
    wakeup.finish_sleep();
    wakeup.consume();
  }
  producer.join();
  EXPECT_EQ(missed, 0);
}

}  // namespace
}  // namespace stampede::net
