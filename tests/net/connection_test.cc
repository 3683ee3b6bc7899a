#include "net/connection.h"

#include <gtest/gtest.h>

#include <set>

#include "net/connection_limits.h"
#include "net/idle_spin.h"

namespace stampede::net {
namespace {

TEST(ConnectionTable, ReusesASlotUnderANewGeneration) {
  ConnectionTable table;
  const uint32_t first = table.allocate(5);
  const OpTag old_tag = table.tag(Op::kSend, first);
  ASSERT_NE(table.find(old_tag), nullptr);
  table.release(first);
  EXPECT_EQ(table.find(old_tag), nullptr);
  const uint32_t second = table.allocate(6);
  EXPECT_EQ(second, first);
  EXPECT_EQ(table.find(old_tag), nullptr);
  EXPECT_NE(table.find(table.tag(Op::kSend, second)), nullptr);
}

TEST(ConnectionTable, NeverMovesARecord) {
  ConnectionTable table;
  Connection* const first = &table.at(table.allocate(1));
  std::set<uint32_t> handles;
  for (int fd = 2; fd < 5000; ++fd) EXPECT_TRUE(handles.insert(table.allocate(fd)).second);
  EXPECT_EQ(first->fd, 1);
  EXPECT_EQ(table.size(), 4999u);
}

TEST(ConnectionTable, KnowsNoHandleBeyondItsSlots) {
  ConnectionTable table;
  EXPECT_EQ(table.find({.op = Op::kSend, .handle = 77, .generation = 1}), nullptr);
}

TEST(NodeLimits, AdmitsUpToTheLimitAndAgainAfterOneLeft) {
  NodeLimits limits(2, 0);
  EXPECT_EQ(limits.admit("a"), NodeLimits::Verdict::kAdmitted);
  EXPECT_EQ(limits.admit("a"), NodeLimits::Verdict::kAdmitted);
  EXPECT_EQ(limits.admit("a"), NodeLimits::Verdict::kTooMany);
  EXPECT_EQ(limits.connections(), 2u);
  limits.leave("a");
  EXPECT_EQ(limits.admit("b"), NodeLimits::Verdict::kAdmitted);
}

TEST(NodeLimits, CountsAddressesApart) {
  NodeLimits node(10, 1);
  ConnectionLimits shard(node);
  EXPECT_EQ(shard.admit("a"), NodeLimits::Verdict::kAdmitted);
  shard.enter(0, "a");
  EXPECT_EQ(shard.admit("a"), NodeLimits::Verdict::kTooManyFromAddress);
  EXPECT_EQ(shard.admit("b"), NodeLimits::Verdict::kAdmitted);
  shard.enter(1, "b");
  EXPECT_EQ(node.connections(), 2u);
  shard.leave(0);
  EXPECT_EQ(shard.admit("a"), NodeLimits::Verdict::kAdmitted);
}

TEST(IdleSpin, LooksOnlyWhileGapsAreShort) {
  IdleSpin spin(20'000);
  EXPECT_EQ(spin.budget_ns(), 0);
  for (int i = 0; i < 50; ++i) spin.on_gap(50'000, true);
  EXPECT_EQ(spin.budget_ns(), 20'000);
  for (int i = 0; i < 8; ++i) spin.on_gap(1'000'000, true);
  EXPECT_EQ(spin.budget_ns(), 0);
  for (int i = 0; i < 50; ++i) spin.on_gap(2'000, false);
  EXPECT_EQ(spin.budget_ns(), 20'000);
}

TEST(IdleSpin, NeverLooksIfSwitchedOff) {
  IdleSpin spin(0);
  for (int i = 0; i < 100; ++i) spin.on_gap(1'000, true);
  EXPECT_EQ(spin.budget_ns(), 0);
}

}  // namespace
}  // namespace stampede::net
