#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/shard_fixture.h"

namespace stampede::core {
namespace {

using tests::Peer;
using tests::ShardFixture;

constexpr uint64_t kLimit = 1'000'000;
constexpr size_t kBodyBytes = 10'000;

std::string send_to(std::string_view destination, size_t body_bytes = kBodyBytes) {
  return "SEND\ndestination:" + std::string(destination) + "\n\n" + std::string(body_bytes, 'x');
}

class Memory : public ::testing::TestWithParam<ShardId> {
 protected:
  static Options options() {
    Options options;
    options.memory_limit_bytes = kLimit;
    options.publisher_lead_bytes_max = SIZE_MAX / 2;
    options.slow_consumer_bytes = SIZE_MAX / 2;
    return options;
  }
  // On the last shard.
  Peer& subscriber(std::string_view destination, std::string_view headers = "") {
    Peer& peer = shards_.connected(Transport::kTcp, GetParam() - 1);
    shards_.send(peer, "SUBSCRIBE\nid:1\ndestination:" + std::string(destination) + "\n" +
                           std::string(headers) + "receipt:s\n\n");
    EXPECT_EQ(shards_.received(peer), "RECEIPT s");
    return peer;
  }
  // Sends one at a time until the publisher is not listened to.
  void fill(Peer& publisher, std::string_view destination) {
    for (int n = 0; n < 1'000 && !Shard::receive_paused(*publisher.client); ++n) {
      shards_.send(publisher, send_to(destination));
    }
    ASSERT_TRUE(Shard::receive_paused(*publisher.client));
  }
  // Time for those to be let go who wait.
  void wait() { shards_.advance(20); }

  ShardFixture shards_{GetParam(), options()};
};

TEST_P(Memory, IsWatchedFromTheFirstMessageOn) {
  const uint64_t before = shards_.memory().used();
  Peer& publisher = shards_.connected();
  for (int n = 0; n < 20; ++n) shards_.send(publisher, send_to("/queue/a"));
  const uint64_t taken = shards_.memory().used() - before;
  EXPECT_GE(taken, 20 * kBodyBytes);
  EXPECT_LE(taken, 20 * kBodyBytes * 122 / 100 + 10'000) << "a sixth is for what is not counted";
}

TEST_P(Memory, HoldsPublishersAtFourFifthsOfTheLimit) {
  Peer& publisher = shards_.connected();
  fill(publisher, "/queue/a");
  EXPECT_GT(shards_.memory().used(), kLimit * 80 / 100);
  EXPECT_LE(shards_.memory().used(), kLimit * 83 / 100) << "no more than one message further";
  EXPECT_EQ(shards_.memory().stage(), MemoryStage::kHoldPublishers);
  shards_.advance(10'000);
  EXPECT_TRUE(Shard::receive_paused(*publisher.client));
}

TEST_P(Memory, HoldsWhoeverPublishesNext) {
  fill(shards_.connected(), "/queue/a");
  Peer& other = shards_.connected(Transport::kWebSocket);
  shards_.send(other, "SUBSCRIBE\nid:1\ndestination:/topic/x\nreceipt:s\n\n");
  EXPECT_EQ(shards_.received(other), "RECEIPT s") << "only who publishes is held";
  shards_.send(other, send_to("/topic/x", 10));
  EXPECT_TRUE(Shard::receive_paused(*other.client));
  EXPECT_EQ(shards_.received(other), "MESSAGE 1 xxxxxxxxxx") << "and what it sent goes on";
}

TEST_P(Memory, ServesReadersMeanwhileAndGoesOnOnceTheyMadeRoom) {
  Peer& publisher = shards_.connected();
  fill(publisher, "/queue/a");
  ShardFixture::write(publisher, send_to("/queue/a", 3));
  shards_.run();
  EXPECT_TRUE(Shard::receive_paused(*publisher.client));
  Peer& reader = shards_.connected(Transport::kTcp, GetParam() - 1);
  shards_.send(reader, "SUBSCRIBE\nid:1\ndestination:/queue/a\n\n");
  wait();
  EXPECT_FALSE(Shard::receive_paused(*publisher.client));
  EXPECT_EQ(shards_.memory().stage(), MemoryStage::kCalm);
  EXPECT_EQ(shards_.last_frame(reader).body, "xxx") << "nothing was lost";
  EXPECT_EQ(shards_.tables().queued, 0u);
}

TEST_P(Memory, LetsPublishersGoBelowThreeQuartersAndNotBefore) {
  Peer& publisher = shards_.connected();
  Peer& reader = shards_.connected(Transport::kTcp, GetParam() - 1);
  fill(publisher, "/queue/a");
  shards_.send(reader,
               "SUBSCRIBE\nid:1\ndestination:/queue/a\nack:client-individual\n"
               "prefetch-count:1\n\n");
  for (int n = 0; n < 100 && Shard::receive_paused(*publisher.client); ++n) {
    wait();
    if (!Shard::receive_paused(*publisher.client)) break;
    EXPECT_GT(shards_.memory().used(), kLimit * 75 / 100);
    shards_.send(reader,
                 "ACK\nid:" + std::string(*shards_.last_frame(reader).header("ack")) + "\n\n");
  }
  EXPECT_FALSE(Shard::receive_paused(*publisher.client));
  EXPECT_LE(shards_.memory().used(), kLimit * 75 / 100);
}

TEST_P(Memory, LetsAllPublishersGoOnTogether) {
  std::vector<Peer*> publishers;
  for (ShardId n = 0; n < 6; ++n) {
    publishers.push_back(&shards_.connected(Transport::kTcp, n % GetParam()));
  }
  fill(*publishers.front(), "/queue/a");
  for (Peer* publisher : publishers) {
    for (int n = 0; n < 3; ++n) ShardFixture::write(*publisher, send_to("/queue/a", 5));
  }
  shards_.run();
  for (const Peer* publisher : publishers) {
    EXPECT_TRUE(Shard::receive_paused(*publisher->client));
  }
  const uint64_t before = shards_.count(&ShardMetrics::messages_received);
  Peer& reader = shards_.connected(Transport::kTcp, GetParam() - 1);
  shards_.send(reader, "SUBSCRIBE\nid:1\ndestination:/queue/a\n\n");
  wait();
  wait();
  for (const Peer* publisher : publishers) {
    EXPECT_FALSE(Shard::receive_paused(*publisher->client));
    EXPECT_TRUE(publisher->to_broker.empty());
  }
  EXPECT_GT(shards_.count(&ShardMetrics::messages_received), before);
  EXPECT_EQ(shards_.tables().queued, 0u);
}

// Else nobody would ever get what would make room.
TEST_P(Memory, StillHearsPublishersWhoHaveSomethingToSettle) {
  Peer& both = subscriber("/queue/a", "ack:client-individual\n");
  fill(both, "/queue/a");
  int settled = 0;
  for (const auto& frame : both.output.frames()) {
    if (frame.command != "MESSAGE") continue;
    ShardFixture::write(both, "ACK\nid:" + std::string(*frame.header("ack")) + "\n\n");
    ++settled;
  }
  ASSERT_GT(settled, 10);
  for (int n = 0; n < 10; ++n) shards_.advance(60);
  EXPECT_FALSE(Shard::receive_paused(*both.client));
  EXPECT_LT(shards_.memory().used(), kLimit / 10);
}

TEST_P(Memory, ShedsThoseWhoHoldMostAndNobodyElse) {
  // Owned by the readers' shard, so that nothing is on its way when it is looked who holds most.
  const std::string a = shards_.topic_owned_by(GetParam() - 1);
  const std::string b = a + "?";
  Peer& stuck = subscriber(a);
  stuck.is_reading = false;
  Peer& other_stuck = subscriber(b);
  other_stuck.is_reading = false;
  Peer& good = subscriber(a);
  Peer& publisher = shards_.connected(Transport::kTcp, GetParam() - 1);
  for (int n = 0; n < 12; ++n) shards_.send(publisher, send_to(b));
  // More than one turn may let in: what is there already cannot be held back.
  for (int n = 0; n < 100; ++n) ShardFixture::write(publisher, send_to(a));
  shards_.deliver(publisher, true);
  shards_.run();
  wait();
  EXPECT_EQ(stuck.close_reason, CloseReason::kMemory);
  EXPECT_TRUE(stuck.is_released());
  EXPECT_EQ(other_stuck.close_reason, std::nullopt);
  EXPECT_EQ(good.close_reason, std::nullopt);
  EXPECT_LE(shards_.memory().used(), kLimit * 90 / 100);
  EXPECT_EQ(shards_.memory().stage(), MemoryStage::kCalm);
}

// What they hold is the same octets, which come back with the last of them.
TEST_P(Memory, DoesNotLetPublishersWaitForManyWhoAreStuckOneAfterTheOther) {
  std::vector<Peer*> stuck;
  for (int n = 0; n < 100; ++n) {
    stuck.push_back(&subscriber("/topic/a"));
    stuck.back()->is_reading = false;
  }
  Peer& publisher = shards_.connected();
  fill(publisher, "/topic/a");
  shards_.advance(Options().slow_consumer_after_ms / 8 - 100);
  EXPECT_EQ(shards_.count_closed(CloseReason::kMemory), 0u);
  constexpr int kRounds = 10;
  for (int round = 0; round < kRounds; ++round) shards_.advance(100);
  EXPECT_EQ(shards_.count_closed(CloseReason::kMemory), stuck.size());
  wait();
  EXPECT_FALSE(Shard::receive_paused(*publisher.client));
}

TEST_P(Memory, TellsWhoIsShedIfNothingIsInFlight) {
  Peer& stuck = subscriber("/topic/a", "ack:client\nprefetch-count:1\n");
  Peer& publisher = shards_.connected(Transport::kTcp, GetParam() - 1);
  shards_.send(publisher, send_to("/topic/a"));
  for (int n = 0; n < 100; ++n) ShardFixture::write(publisher, send_to("/topic/a"));
  shards_.deliver(publisher, true);
  shards_.run();
  wait();
  EXPECT_EQ(shards_.received(stuck), "MESSAGE 1 10000 octets, ERROR out-of-memory, end");
  EXPECT_NE(shards_.last_frame(stuck).body.find("--memory-limit"), std::string::npos);
}

TEST_P(Memory, IsGivenBackWhenAllHaveLeft) {
  const uint64_t before = shards_.memory().used();
  Peer& reader = subscriber("/topic/a");
  Peer& publisher = shards_.connected();
  reader.is_reading = false;
  for (int n = 0; n < 20; ++n) shards_.send(publisher, send_to("/topic/a"));
  EXPECT_GT(shards_.memory().used(), before + 20 * kBodyBytes);
  shards_.reset(reader);
  shards_.reset(publisher);
  // Destinations are forgotten later, and some chunks are spare.
  shards_.advance(200'000);
  EXPECT_LT(shards_.memory().used(), before + 300'000);
}

INSTANTIATE_TEST_SUITE_P(Shards, Memory, ::testing::Values(1, 2), [](const auto& of) {
  return "With" + std::to_string(of.param) + "Shards";
});

}  // namespace
}  // namespace stampede::core
