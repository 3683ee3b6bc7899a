#include "core/queue_door.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace stampede::core {
namespace {

constexpr Millis kPatience = 100;

class QueueDoorTest : public ::testing::Test {
 protected:
  // Applicants are told apart by their ticket.
  void join(uint32_t publisher, uint32_t ticket, Millis now = 0, ShardId home = 0) {
    door_.join({.home = home, .client = {publisher, 1}, .since = now, .ticket = ticket}, now);
  }
  uint32_t take_first(Millis now = 0) { return door_.take_first(now).ticket; }
  static std::vector<uint32_t> tickets(const std::vector<Applicant>& applicants) {
    std::vector<uint32_t> tickets;
    for (const Applicant& one : applicants) tickets.push_back(one.ticket);
    return tickets;
  }
  std::vector<uint32_t> take_late(Millis now) { return tickets(door_.take_late(kPatience, now)); }
  [[nodiscard]] Millis next_deadline() const { return door_.next_deadline(kPatience); }

  QueueDoor door_;
};

using Tickets = std::vector<uint32_t>;

TEST_F(QueueDoorTest, LetsPublishersInByTurnsAndEachInItsOrder) {
  for (const uint32_t ticket : {11, 12, 13, 14}) join(1, ticket);
  join(2, 21);
  join(2, 22);
  join(3, 31);
  EXPECT_EQ(door_.size(), 7u);
  Tickets order;
  while (!door_.is_empty()) order.push_back(take_first());
  EXPECT_EQ(order, (Tickets{11, 21, 31, 12, 22, 13, 14}));
  EXPECT_EQ(door_.size(), 0u);
}

TEST_F(QueueDoorTest, TellsPublishersOfTwoShardsApart) {
  join(1, 11, 0, 0);
  join(1, 12, 0, 0);
  join(1, 21, 0, 1);
  EXPECT_EQ(take_first(), 11u);
  EXPECT_EQ(take_first(), 21u);
  EXPECT_EQ(take_first(), 12u);
}

TEST_F(QueueDoorTest, PutsWhoComesAgainBehindTheOthers) {
  join(1, 11);
  join(2, 21);
  EXPECT_EQ(take_first(), 11u);
  join(1, 12);
  EXPECT_EQ(take_first(), 21u);
  EXPECT_EQ(take_first(), 12u);
}

TEST_F(QueueDoorTest, IsPatientForSoLongAndNoLonger) {
  EXPECT_EQ(next_deadline(), kNever);
  join(1, 11, 1'000);
  EXPECT_EQ(next_deadline(), 1'000 + kPatience);
  EXPECT_EQ(take_late(1'000 + kPatience - 1), Tickets{});
  EXPECT_EQ(take_late(1'000 + kPatience), Tickets{11});
  EXPECT_EQ(next_deadline(), kNever);
}

TEST_F(QueueDoorTest, TurnsAwayAllOfAPublisherAndNobodyElse) {
  join(1, 11, 0);
  join(2, 21, 50);
  join(1, 12, 90);
  EXPECT_EQ(take_late(kPatience), (Tickets{11, 12}));
  EXPECT_EQ(next_deadline(), 50 + kPatience);
  EXPECT_EQ(take_late(50 + kPatience), Tickets{21});
  EXPECT_EQ(door_.size(), 0u);
}

TEST_F(QueueDoorTest, IsPatientAnewWheneverSomebodyIsLetIn) {
  join(1, 11, 0);
  join(2, 21, 0);
  EXPECT_EQ(take_first(90), 11u);
  EXPECT_EQ(next_deadline(), 90 + kPatience);
  EXPECT_EQ(take_late(90 + kPatience - 1), Tickets{});
  EXPECT_EQ(take_late(90 + kPatience), Tickets{21});
}

TEST_F(QueueDoorTest, CountsWhatWasWaitedElsewhereBefore) {
  join(1, 11, 1'000);
  door_.join({.client = {2, 1}, .since = 960, .ticket = 21}, 1'000);
  EXPECT_EQ(take_late(1'000 + kPatience), (Tickets{11, 21}));
}

TEST_F(QueueDoorTest, GivesAllAtOnce) {
  join(1, 11);
  join(2, 21);
  join(1, 12);
  EXPECT_EQ(tickets(door_.take_all()), (Tickets{11, 12, 21}));
  EXPECT_TRUE(door_.is_empty());
  join(1, 13);
  EXPECT_EQ(take_first(), 13u);
}

}  // namespace
}  // namespace stampede::core
