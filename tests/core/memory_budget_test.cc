#include "core/memory_budget.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "core/memory_tally.h"

namespace stampede::core {
namespace {

using enum MemoryStage;

TEST(MemoryBudget, IsCalmUpToItsShareAndWarnsOneOctetPastIt) {
  MemoryBudget budget(1000);
  EXPECT_FALSE(budget.add(700).has_value());
  EXPECT_EQ(budget.stage(), kCalm);
  const auto step = budget.add(1);
  ASSERT_TRUE(step.has_value());
  EXPECT_EQ(step->before, kCalm);
  EXPECT_EQ(step->after, kWarn);
  EXPECT_EQ(budget.stage(), kWarn);
}

TEST(MemoryBudget, BeginsEachStageOneOctetPastItsShare) {
  const std::vector<std::pair<int64_t, MemoryStage>> stages = {
      {700, kWarn}, {800, kHoldPublishers}, {900, kRefuseConnections}, {950, kShedClients}};
  for (const auto& [share, stage] : stages) {
    MemoryBudget budget(1000);
    (void)budget.add(share);
    EXPECT_LT(budget.stage(), stage) << share;
    (void)budget.add(1);
    EXPECT_EQ(budget.stage(), stage) << share;
  }
}

TEST(MemoryBudget, EndsEachStageFivePointsBelowItsBegin) {
  const std::vector<std::pair<int64_t, MemoryStage>> stages = {
      {650, kWarn}, {750, kHoldPublishers}, {850, kRefuseConnections}, {900, kShedClients}};
  for (const auto& [end, stage] : stages) {
    MemoryBudget budget(1000);
    (void)budget.add(static_cast<int64_t>(budget.begins_above(stage)) + 1);
    (void)budget.add(end + 1 - static_cast<int64_t>(budget.used()));
    EXPECT_EQ(budget.stage(), stage) << "one octet above the end";
    (void)budget.add(-1);
    EXPECT_LT(budget.stage(), stage) << end;
  }
}

TEST(MemoryBudget, SkipsStagesBothWays) {
  MemoryBudget budget(1000);
  EXPECT_EQ(budget.add(2000)->after, kShedClients);
  EXPECT_EQ(budget.add(-2000)->after, kCalm);
}

TEST(MemoryBudget, IsAlwaysCalmWithoutALimit) {
  MemoryBudget budget(0);
  EXPECT_FALSE(budget.add(int64_t{1} << 50).has_value());
  EXPECT_EQ(budget.stage(), kCalm);
  EXPECT_EQ(budget.used(), uint64_t{1} << 50);
}

TEST(MemoryBudget, HasNoLessThanNothing) {
  MemoryBudget budget(1000);
  (void)budget.add(-5);
  EXPECT_EQ(budget.used(), 0u);
}

// What shards keep to themselves must not matter.
TEST(MemoryBudget, HasAGrainThatIsLittleForAllShardsTogether) {
  for (const ShardId shards : {1u, 4u, 64u}) {
    for (const uint64_t limit : {uint64_t{1} << 20, uint64_t{1} << 34}) {
      EXPECT_LE(MemoryBudget(limit, shards).grain() * shards, limit / 1000);
    }
  }
}

TEST(MemoryTally, GivesWhatChangedSinceTheLastLook) {
  (void)MemoryTally::take();
  MemoryTally::add(MemoryKind::kLogs, 30);
  MemoryTally::drop(MemoryKind::kLogs, 50);
  EXPECT_EQ(MemoryTally::take()[static_cast<size_t>(MemoryKind::kLogs)], -20);
  EXPECT_EQ(MemoryTally::take()[static_cast<size_t>(MemoryKind::kLogs)], 0);
}

TEST(MemoryTally, FollowsWhoRemembersWhatItTold) {
  (void)MemoryTally::take();
  uint32_t told = 0;
  MemoryTally::change(MemoryKind::kOutboxes, told, 100);
  MemoryTally::change(MemoryKind::kOutboxes, told, 40);
  EXPECT_EQ(MemoryTally::take()[static_cast<size_t>(MemoryKind::kOutboxes)], 40);
}

}  // namespace
}  // namespace stampede::core
