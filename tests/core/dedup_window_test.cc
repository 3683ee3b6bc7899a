#include "core/dedup_window.h"

#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <string>

namespace stampede::core {
namespace {

constexpr uint64_t kSeed = 9;

TEST(DedupWindow, KnowsAnIdAgain) {
  DedupWindow window;
  EXPECT_TRUE(window.remember("a", kSeed, 8, 100, 0));
  EXPECT_FALSE(window.remember("a", kSeed, 8, 100, 0));
  EXPECT_TRUE(window.remember("b", kSeed, 8, 100, 0));
  EXPECT_EQ(window.size(), 2u);
}

TEST(DedupWindow, RemembersTheLastNAndNotOneMore) {
  DedupWindow window;
  for (const char* id : {"1", "2", "3"}) ASSERT_TRUE(window.remember(id, kSeed, 3, 100, 0));
  EXPECT_FALSE(window.remember("1", kSeed, 3, 100, 0));
  EXPECT_TRUE(window.remember("4", kSeed, 3, 100, 0));
  EXPECT_EQ(window.size(), 3u);
  EXPECT_FALSE(window.remember("2", kSeed, 3, 100, 0));
  EXPECT_TRUE(window.remember("1", kSeed, 3, 100, 0));
}

TEST(DedupWindow, RemembersForItsTimeAndNotOneMillisecondMore) {
  DedupWindow window;
  ASSERT_TRUE(window.remember("a", kSeed, 8, 100, 50));
  EXPECT_FALSE(window.remember("a", kSeed, 8, 100, 150));
  EXPECT_TRUE(window.remember("a", kSeed, 8, 100, 151));
}

TEST(DedupWindow, DoesNotMakeAKnownIdYounger) {
  DedupWindow window;
  ASSERT_TRUE(window.remember("a", kSeed, 8, 100, 0));
  ASSERT_FALSE(window.remember("a", kSeed, 8, 100, 90));
  EXPECT_TRUE(window.remember("a", kSeed, 8, 100, 101));
}

TEST(DedupWindow, KnowsNothingIfItMayRememberNothing) {
  DedupWindow window;
  EXPECT_TRUE(window.remember("a", kSeed, 0, 100, 0));
  EXPECT_TRUE(window.remember("a", kSeed, 0, 100, 0));
  EXPECT_EQ(window.size(), 0u);
}

TEST(DedupWindow, BehavesAsAListOfIdsAndTimes) {
  std::mt19937 random(5);
  for (int round = 0; round < 20; ++round) {
    const size_t entries_max = 1 + random() % 20;
    DedupWindow window;
    std::deque<std::pair<std::string, Millis>> model;
    Millis now = 0;
    for (int n = 0; n < 500; ++n) {
      now += static_cast<Millis>(random() % 20);
      const std::string id = std::to_string(random() % 30);
      while (!model.empty() && now - model.front().second > 100) model.pop_front();
      bool is_new = true;
      for (const auto& entry : model) is_new &= entry.first != id;
      if (is_new) {
        if (model.size() == entries_max) model.pop_front();
        model.emplace_back(id, now);
      }
      ASSERT_EQ(window.remember(id, kSeed, entries_max, 100, now), is_new);
      ASSERT_EQ(window.size(), model.size());
    }
  }
}

}  // namespace
}  // namespace stampede::core
