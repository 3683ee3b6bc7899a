#include "core/mailbox.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <thread>

#include "tests/core/make_message.h"

namespace stampede::core {
namespace {

Envelope numbered(uint64_t number) {
  return {.kind = EnvelopeKind::kInterestLive,
          .ticket = static_cast<uint32_t>(~number),
          .token = number};
}

// Takes all there is; gives how many, and checks that they go on from `next`.
uint64_t take_all(Mailbox& mailbox, uint64_t next) {
  Envelope envelope;
  while (mailbox.take(envelope)) {
    EXPECT_EQ(envelope.token, next);
    ++next;
  }
  return next;
}

TEST(Mailbox, CarriesNothingBeforeItIsPublished) {
  Mailbox mailbox(4);
  EXPECT_TRUE(mailbox.post(numbered(0)));
  EXPECT_TRUE(mailbox.is_empty());
  EXPECT_TRUE(mailbox.publish());
  EXPECT_FALSE(mailbox.is_empty());
  EXPECT_EQ(take_all(mailbox, 0), 1u);
  EXPECT_FALSE(mailbox.publish());
}

TEST(Mailbox, KeepsWhatDoesNotFitAndSaysSo) {
  Mailbox mailbox(4);
  for (uint64_t n = 0; n < 4; ++n) EXPECT_TRUE(mailbox.post(numbered(n)));
  EXPECT_FALSE(mailbox.is_congested());
  EXPECT_FALSE(mailbox.post(numbered(4)));
  EXPECT_TRUE(mailbox.is_congested());
}

TEST(Mailbox, KeepsTheOrderOverTheOverflow) {
  Mailbox mailbox(4);
  uint64_t posted = 0;
  for (; posted < 6; ++posted) (void)mailbox.post(numbered(posted));
  mailbox.publish();
  uint64_t taken = take_all(mailbox, 0);
  EXPECT_EQ(taken, 4u);
  // There is room, but two are waiting already.
  EXPECT_FALSE(mailbox.post(numbered(posted++)));
  EXPECT_TRUE(mailbox.is_congested());
  EXPECT_TRUE(mailbox.publish());
  EXPECT_FALSE(mailbox.is_congested());
  EXPECT_TRUE(mailbox.post(numbered(posted++)));
  mailbox.publish();
  EXPECT_EQ(take_all(mailbox, taken), 8u);
}

TEST(Mailbox, StaysCongestedWhileSomeStillWait) {
  Mailbox mailbox(2);
  for (uint64_t n = 0; n < 5; ++n) (void)mailbox.post(numbered(n));
  EXPECT_TRUE(mailbox.publish());
  EXPECT_TRUE(mailbox.is_congested());
  EXPECT_EQ(take_all(mailbox, 0), 2u);
  EXPECT_TRUE(mailbox.publish());
  EXPECT_TRUE(mailbox.is_congested());
  EXPECT_EQ(take_all(mailbox, 2), 4u);
  EXPECT_TRUE(mailbox.publish());
  EXPECT_FALSE(mailbox.is_congested());
  EXPECT_EQ(take_all(mailbox, 4), 5u);
}

// A leak check tells if it does not.
TEST(Mailbox, DropsWhatNobodyTook) {
  Mailbox mailbox(2);
  for (int n = 0; n < 5; ++n) {
    Message* message = tests::make_message({});
    (void)mailbox.post({.kind = EnvelopeKind::kDeliver, .message = message});
    (void)mailbox.post({.kind = EnvelopeKind::kAddInterest, .name = new std::string("/topic/a")});
  }
  mailbox.publish();
}

TEST(MailboxGrid, HasOneMailboxForEachOrderedPair) {
  MailboxGrid grid(3, 4);
  (void)grid.at(0, 1).post(numbered(0));
  grid.at(0, 1).publish();
  for (ShardId from = 0; from < 3; ++from) {
    for (ShardId to = 0; to < 3; ++to) {
      EXPECT_EQ(grid.at(from, to).is_empty(), !(from == 0 && to == 1));
    }
  }
}

TEST(MailboxGrid, PassesOnWhoIsPressed) {
  MailboxGrid grid(3, 4);
  EXPECT_FALSE(grid.is_pressed(1));
  grid.set_pressed(1, true);
  EXPECT_TRUE(grid.is_pressed(1));
  EXPECT_FALSE(grid.is_pressed(0));
  grid.set_pressed(1, false);
  EXPECT_FALSE(grid.is_pressed(1));
}

// Promise: whatever the pace of the two threads, and however much overflows, all envelopes arrive
// in order and whole.
TEST(Mailbox, KeepsOrderBetweenTwoThreadsWhileItOverflows) {
  constexpr uint64_t kCount = 1'000'000;
  Mailbox mailbox(32);
  std::thread sender([&] {
    std::minstd_rand random(7);
    for (uint64_t n = 0; n < kCount;) {
      for (uint64_t batch = 1 + random() % 50; batch > 0 && n < kCount; --batch) {
        (void)mailbox.post(numbered(n++));
      }
      mailbox.publish();
      // As the broker does, let the overflow shrink before more comes.
      while (mailbox.is_congested() && random() % 4 != 0) {
        std::this_thread::yield();
        mailbox.publish();
      }
    }
    while (mailbox.is_congested()) {
      std::this_thread::yield();
      mailbox.publish();
    }
  });
  uint64_t next = 0;
  uint64_t wrong = 0;
  Envelope envelope;
  while (next < kCount) {
    if (!mailbox.take(envelope)) {
      std::this_thread::yield();
      continue;
    }
    wrong += envelope.token != next || envelope.ticket != static_cast<uint32_t>(~next);
    ++next;
  }
  sender.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_TRUE(mailbox.is_empty());
}

}  // namespace
}  // namespace stampede::core
