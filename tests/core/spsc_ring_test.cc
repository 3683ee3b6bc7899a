#include "core/spsc_ring.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <thread>

namespace stampede::core {
namespace {

TEST(SpscRing, GivesElementsInOrder) {
  SpscRing<int> ring(4);
  for (int n = 0; n < 3; ++n) ASSERT_TRUE(ring.try_push(n));
  ring.publish();
  int got = -1;
  for (int n = 0; n < 3; ++n) {
    ASSERT_TRUE(ring.try_pop(got));
    EXPECT_EQ(got, n);
  }
  EXPECT_FALSE(ring.try_pop(got));
}

TEST(SpscRing, ShowsNothingBeforeItIsPublished) {
  SpscRing<int> ring(4);
  int got = -1;
  ASSERT_TRUE(ring.try_push(1));
  EXPECT_TRUE(ring.is_empty());
  EXPECT_FALSE(ring.try_pop(got));
  EXPECT_TRUE(ring.publish());
  EXPECT_FALSE(ring.is_empty());
  EXPECT_TRUE(ring.try_pop(got));
  EXPECT_TRUE(ring.is_empty());
}

TEST(SpscRing, SaysWhetherPublishingShowedSomethingNew) {
  SpscRing<int> ring(4);
  EXPECT_FALSE(ring.publish());
  ASSERT_TRUE(ring.try_push(1));
  EXPECT_TRUE(ring.publish());
  EXPECT_FALSE(ring.publish());
}

TEST(SpscRing, TakesAsManyAsItHasSlotsAndNoMore) {
  SpscRing<int> ring(4);
  for (int n = 0; n < 4; ++n) EXPECT_TRUE(ring.try_push(n));
  EXPECT_FALSE(ring.try_push(4));
  ring.publish();
  EXPECT_FALSE(ring.try_push(4));
  int got = -1;
  ASSERT_TRUE(ring.try_pop(got));
  EXPECT_TRUE(ring.try_push(4));
  EXPECT_FALSE(ring.try_push(5));
}

TEST(SpscRing, WorksWithOneSlot) {
  SpscRing<int> ring(1);
  int got = -1;
  for (int n = 0; n < 10; ++n) {
    EXPECT_TRUE(ring.try_push(n));
    EXPECT_FALSE(ring.try_push(n));
    ring.publish();
    EXPECT_TRUE(ring.try_pop(got));
    EXPECT_EQ(got, n);
  }
}

TEST(SpscRingDeathTest, InsistsOnAPowerOfTwo) {
  EXPECT_DEATH(SpscRing<int>(3), "has_single_bit");
  EXPECT_DEATH(SpscRing<int>(0), "has_single_bit");
}

// Promise: with one thread pushing and publishing in batches of any size and one popping, every
// element comes out once, whole and in order. An element carries its number in two forms, so that a
// torn or stale one shows.
TEST(SpscRing, LosesAndTearsNothingBetweenTwoThreads) {
  struct Element {
    uint64_t number;
    uint64_t inverted;
  };
  constexpr uint64_t kCount = 1'000'000;
  SpscRing<Element> ring(64);
  std::thread producer([&] {
    std::minstd_rand random(1);
    for (uint64_t n = 0; n < kCount;) {
      for (uint64_t batch = 1 + random() % 100; batch > 0 && n < kCount; --batch) {
        if (!ring.try_push({n, ~n})) break;
        ++n;
      }
      ring.publish();
      if (random() % 16 == 0) std::this_thread::yield();
    }
  });
  uint64_t expected = 0;
  uint64_t wrong = 0;
  while (expected < kCount) {
    Element element;
    if (!ring.try_pop(element)) {
      std::this_thread::yield();
      continue;
    }
    wrong += element.number != expected || element.inverted != ~expected;
    ++expected;
  }
  producer.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_TRUE(ring.is_empty());
}

}  // namespace
}  // namespace stampede::core
