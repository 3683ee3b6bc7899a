#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/support/shard_fixture.h"

namespace stampede::core {
namespace {

using tests::Peer;
using tests::ServerFrame;
using tests::ShardFixture;

std::string range(int from, int to) {
  std::string events;
  for (int n = from; n <= to; ++n) {
    events += (n == from ? "MESSAGE 1 " : ", MESSAGE 1 ") + std::to_string(n);
  }
  return events;
}

// How subscribers get from a replay into the log of their group: a topic with a history of a
// hundred messages, which shard 0 owns, its publisher there, and subscribers on the last shard.
class ShardReplay : public ::testing::TestWithParam<ShardId> {
 protected:
  static Options options() {
    Options options;
    options.history = {{.pattern = "/topic/#", .messages = 100}};
    return options;
  }
  explicit ShardReplay(const Options& options = ShardReplay::options())
      : shards_(GetParam(), options) {}

  void write_subscribe(Peer& peer, std::string_view headers, std::string_view id = "1") {
    ShardFixture::write(peer, "SUBSCRIBE\nid:" + std::string(id) + "\ndestination:" + topic_ +
                                  "\nreceipt:s\ninclude-seq:seq\n" + std::string(headers) + "\n");
  }
  Peer& resume(uint64_t sequence, std::string_view headers = "") {
    Peer& peer = shards_.connected(Transport::kTcp, home_);
    write_subscribe(peer, "from-seq:" + std::to_string(sequence) + "\n" + std::string(headers));
    shards_.run();
    return peer;
  }
  void write_publish(std::string_view body) {
    ShardFixture::write(publisher_, "SEND\ndestination:" + topic_ + "\n\n" + std::string(body));
  }
  void publish_range(int from, int to) {
    for (int n = from; n <= to; ++n) write_publish(std::to_string(n));
    shards_.run();
  }
  static std::string recovered(const Peer& peer) {
    for (const ServerFrame& frame : peer.output.frames()) {
      if (frame.command == "RECEIPT") return frame.header("recovered").value_or("-");
    }
    return "none";
  }
  // The sequences that it got, in its order: "3-7" if they are without a gap.
  static std::string sequences(const Peer& peer) {
    std::string text;
    uint64_t first = 0;
    uint64_t last = 0;
    for (const ServerFrame& frame : peer.output.frames()) {
      if (frame.command != "MESSAGE") continue;
      const uint64_t sequence = std::stoull(*frame.header("seq"));
      if (first != 0 && sequence == last + 1) {
        last = sequence;
        continue;
      }
      if (first != 0) text += std::to_string(first) + "-" + std::to_string(last) + ",";
      first = last = sequence;
    }
    return first == 0 ? "none" : text + std::to_string(first) + "-" + std::to_string(last);
  }
  static std::string received(Peer& peer) { return ShardFixture::received(peer); }
  uint64_t appended() const { return shards_.count(&ShardMetrics::messages_appended); }

  ShardFixture shards_;
  const ShardId home_ = GetParam() - 1;
  const std::string topic_ = shards_.topic_owned_by(0);
  Peer& publisher_ = shards_.connected();
};

INSTANTIATE_TEST_SUITE_P(Shards, ShardReplay, ::testing::Values(1, 2, 4));

// -- One encoding for all.

TEST_P(ShardReplay, WritesOnceForAllWhoResumeAtTheSamePlace) {
  publish_range(1, 50);
  for (int n = 0; n < 100; ++n) {
    EXPECT_EQ(received(resume(11)), "RECEIPT s, " + range(11, 50));
  }
  EXPECT_EQ(appended(), 40u);
  EXPECT_EQ(shards_.tables().groups, 1u);
  EXPECT_EQ(shards_.tables().replays, 1u);
}

TEST_P(ShardReplay, SetsTheCursorBackForWhoResumesLater) {
  publish_range(1, 50);
  Peer& first = resume(11);
  EXPECT_EQ(sequences(resume(30)), "30-50");
  EXPECT_EQ(sequences(resume(50)), "50-50");
  EXPECT_EQ(sequences(resume(51)), "none");
  EXPECT_EQ(appended(), 40u);
  publish_range(51, 55);
  EXPECT_EQ(appended(), 45u);
  // Into the group's log, where the messages are that were published since.
  EXPECT_EQ(sequences(resume(53)), "53-55");
  EXPECT_EQ(sequences(resume(11)), "11-55");
  EXPECT_EQ(appended(), 45u);
  EXPECT_EQ(sequences(first), "11-55");
  publish_range(56, 56);
  for (const auto& peer : shards_.peers()) {
    if (peer.get() == &publisher_) continue;
    EXPECT_EQ(peer->output.frames().back().body, "56");
  }
}

TEST_P(ShardReplay, AsksTheOwnerForWhatIsOlder) {
  publish_range(1, 50);
  resume(30);
  Peer& older = resume(20);
  EXPECT_EQ(sequences(older), "20-50");
  EXPECT_EQ(recovered(older), "true");
  EXPECT_EQ(appended(), 21u + 31);
}

TEST_P(ShardReplay, TellsTheTruthOfWhatTheOwnerDroppedMeanwhile) {
  publish_range(1, 50);
  resume(1);
  publish_range(51, 120);
  // The owner keeps 21 to 120 by now, the replay the rest.
  Peer& kept = resume(10);
  EXPECT_EQ(recovered(kept), "true");
  EXPECT_EQ(sequences(kept), "10-120");
  shards_.advance(3'000);
  Peer& lost = resume(10);
  EXPECT_EQ(recovered(lost), "false");
  EXPECT_EQ(sequences(lost), "21-120");
}

TEST_P(ShardReplay, DoesNotShareBetweenEpochs) {
  publish_range(1, 5);
  resume(1);
  Peer& other = resume(3, "from-epoch:other\n");
  EXPECT_EQ(recovered(other), "false");
  EXPECT_EQ(sequences(other), "1-5");
}

TEST_P(ShardReplay, SharesAllThatIsKeptUntilSomethingIsPublished) {
  publish_range(1, 10);
  EXPECT_EQ(sequences(resume(0)), "1-10");
  EXPECT_EQ(sequences(resume(0)), "1-10");
  EXPECT_EQ(appended(), 10u);
  publish_range(11, 105);
  EXPECT_EQ(sequences(resume(0)), "6-105");
}

// -- Lingering.

TEST_P(ShardReplay, LetsGoOfAReplayToWhichNobodyComes) {
  publish_range(1, 50);
  resume(1);
  EXPECT_GT(shards_.tables().log_bytes, 0u);
  shards_.advance(1'500);
  resume(2);
  shards_.advance(900);
  EXPECT_EQ(shards_.tables().replays, 1u);
  shards_.advance(2'000);
  EXPECT_EQ(shards_.tables().replays, 0u);
  EXPECT_EQ(shards_.tables().log_bytes, 0u);
}

TEST_P(ShardReplay, LetsGoOfAReplayWhenItsLastClientLeaves) {
  publish_range(1, 50);
  Peer& peer = resume(1);
  shards_.reset(peer);
  EXPECT_EQ(shards_.tables().replays, 0u);
  EXPECT_EQ(shards_.tables().log_bytes, 0u);
}

TEST_P(ShardReplay, DoesNotKeepTheGroupsLogForLong) {
  publish_range(1, 5);
  Peer& peer = resume(1);
  for (int n = 0; n < 9; ++n) write_publish(std::string(32'000, 'x'));
  shards_.run();
  EXPECT_EQ(shards_.tables().replays, 0u);
  EXPECT_EQ(shards_.tables().log_bytes, 0u);
  EXPECT_EQ(sequences(peer), "1-14");
}

TEST(LingerLimit, KeepsAsMuchAsTheLimitAndNotOneOctetMore) {
  const auto replays_left = [](size_t bytes_max) {
    Options options;
    options.history = {{.pattern = "/topic/#", .messages = 100}};
    options.replay_bytes_max = bytes_max;
    ShardFixture shards(1, options);
    Peer& publisher = shards.connected();
    for (int n = 1; n <= 10; ++n) {
      shards.send(publisher, "SEND\ndestination:/topic/a\n\n" + std::to_string(n));
    }
    Peer& peer = shards.connected();
    const uint64_t before = shards.count(&ShardMetrics::bytes_sent);
    shards.send(peer, "SUBSCRIBE\nid:1\ndestination:/topic/a\nfrom-seq:0\n\n");
    EXPECT_EQ(peer.output.frames().size(), 11u);
    return std::pair(shards.tables().replays, shards.count(&ShardMetrics::bytes_sent) - before);
  };
  const auto [replays, octets] = replays_left(1 << 20);
  EXPECT_EQ(replays, 1u);
  EXPECT_EQ(replays_left(octets).first, 1u);
  EXPECT_EQ(replays_left(octets - 1).first, 0u);
}

// -- The border.

TEST_P(ShardReplay, IsWithoutHoleOrDoubleWhereverTheOwnerAnswers) {
  if (GetParam() == 1) return;
  publish_range(1, 10);
  Peer& live = resume(1);
  shards_.advance(3'000);
  Peer& peer = shards_.connected(Transport::kTcp, home_);
  const auto at_owner = [&](std::string_view body) {
    write_publish(body);
    shards_.deliver(publisher_);
    (void)shards_.shard(0).post_mail();
  };
  at_owner("11");
  write_subscribe(peer, "from-seq:5\n");
  shards_.deliver(peer);
  (void)shards_.shard(home_).post_mail();
  at_owner("12");  // numbered before the owner sees the question
  (void)shards_.shard(home_).take_mail(64, shards_.now());
  (void)shards_.shard(0).take_mail(64, shards_.now());
  at_owner("13");
  shards_.run();
  publish_range(14, 14);
  EXPECT_EQ(sequences(peer), "5-14");
  EXPECT_EQ(sequences(live), "1-14");
}

TEST_P(ShardReplay, TakesAClientThatIsAheadOfItsNewShard) {
  if (GetParam() == 1) return;
  publish_range(1, 10);
  Peer& slow_shards = resume(1);
  // 11 is on its way to the shard, and the client has it from another one.
  write_publish("11");
  shards_.deliver(publisher_);
  Peer& peer = shards_.connected(Transport::kTcp, home_);
  EXPECT_EQ(sequences(slow_shards), "1-11");
  write_publish("12");
  shards_.deliver(publisher_);
  write_subscribe(peer, "from-seq:13\n");
  shards_.deliver(peer);
  shards_.run();
  EXPECT_EQ(recovered(peer), "true");
  publish_range(13, 13);
  EXPECT_EQ(sequences(peer), "13-13");
}

TEST_P(ShardReplay, GoesOnWithAReplayWhileMoreIsPublished) {
  publish_range(1, 100);
  Peer& peer = shards_.connected(Transport::kTcp, home_);
  peer.is_reading = false;
  write_subscribe(peer, "from-seq:1\n");
  shards_.run();
  publish_range(101, 150);
  peer.is_reading = true;
  shards_.run();
  publish_range(151, 151);
  EXPECT_EQ(sequences(peer), "1-151");
}

TEST_P(ShardReplay, AnswersUnsubscribeWhileTheAnswerIsUnderWay) {
  publish_range(1, 10);
  Peer& peer = shards_.connected(Transport::kTcp, home_);
  write_subscribe(peer, "from-seq:1\n");
  ShardFixture::write(peer, "UNSUBSCRIBE\nid:1\nreceipt:u\n\n");
  shards_.run();
  const std::string events = received(peer);
  EXPECT_TRUE(events.starts_with("RECEIPT s"));
  EXPECT_TRUE(events.ends_with("RECEIPT u"));
  publish_range(11, 11);
  EXPECT_EQ(received(peer), "");
  EXPECT_EQ(shards_.tables().subscriptions, 0u);
  EXPECT_EQ(shards_.tables().groups, 0u);
  EXPECT_EQ(shards_.tables().replays, 0u);
  EXPECT_FALSE(peer.close_reason);
}

TEST_P(ShardReplay, LosesAClientInTheMiddle) {
  publish_range(1, 100);
  Peer& stays = shards_.connected(Transport::kTcp, home_);
  Peer& leaves = shards_.connected(Transport::kTcp, home_);
  for (Peer* peer : {&stays, &leaves}) {
    peer->is_reading = false;
    write_subscribe(*peer, "from-seq:1\n");
  }
  shards_.run();
  leaves.is_release_held = true;
  shards_.reset(leaves);
  publish_range(101, 110);
  stays.is_reading = true;
  shards_.run();
  EXPECT_EQ(sequences(stays), "1-110");
  leaves.is_release_held = false;
  shards_.reset(stays);
  EXPECT_EQ(shards_.tables().cursors, 0u);
  EXPECT_EQ(shards_.tables().replays, 0u);
  EXPECT_EQ(shards_.tables().log_bytes, 0u);
}

TEST_P(ShardReplay, LeavesBeforeTheOwnerAnswered) {
  publish_range(1, 10);
  Peer& peer = shards_.connected(Transport::kTcp, home_);
  write_subscribe(peer, "from-seq:1\n");
  shards_.deliver(peer);
  shards_.reset(peer);
  EXPECT_EQ(shards_.tables().replays, 0u);
  EXPECT_EQ(shards_.tables().groups, 0u);
  EXPECT_EQ(sequences(resume(1)), "1-10");
}

TEST_P(ShardReplay, IsOfNoUseOnceTheInterestWasWithdrawn) {
  publish_range(1, 10);
  Peer& last = resume(1);
  last.is_reading = false;
  publish_range(11, 11);
  // Its send is under way, so the group stays.
  shards_.send(last, "UNSUBSCRIBE\nid:1\nreceipt:u\n\n");
  publish_range(12, 12);
  Peer& next = resume(5);
  EXPECT_EQ(recovered(next), "true");
  publish_range(13, 13);
  EXPECT_EQ(sequences(next), "5-13");
}

TEST_P(ShardReplay, IsOfNoUseOnceItsGroupWasNotFollowed) {
  publish_range(1, 10);
  Peer& of_another_group = shards_.connected(Transport::kTcp, home_);
  write_subscribe(of_another_group, "", "2");
  Peer& last = resume(1);
  last.is_reading = false;
  publish_range(11, 11);
  // Its send is under way, so the group stays, and so does the topic.
  shards_.send(last, "UNSUBSCRIBE\nid:1\nreceipt:u\n\n");
  publish_range(12, 12);
  Peer& next = resume(5);
  EXPECT_EQ(recovered(next), "true");
  publish_range(13, 13);
  EXPECT_EQ(sequences(next), "5-13");
}

TEST_P(ShardReplay, DoesNotTakeAnAcknowledgementOfAnEarlierReplay) {
  publish_range(1, 3);
  const std::string ack = "ack:client-individual\nprefetch-count:1\n";
  Peer& stays = resume(1, ack);
  Peer& peer = resume(1, ack);
  const std::string earlier = *peer.output.frames().back().header("ack");
  shards_.send(peer, "UNSUBSCRIBE\nid:1\nreceipt:u\n\n");
  shards_.advance(3'000);
  write_subscribe(peer, "from-seq:1\n" + ack);
  shards_.run();
  (void)received(peer);
  shards_.send(peer, "ACK\nid:" + earlier + "\n\n");
  EXPECT_EQ(received(peer), "");
  EXPECT_FALSE(stays.close_reason);
}

TEST_P(ShardReplay, FinishesBeforeADrainSaysGoodbye) {
  publish_range(1, 100);
  Peer& peer = shards_.connected(Transport::kTcp, home_);
  peer.is_reading = false;
  write_subscribe(peer, "from-seq:1\n");
  shards_.run();
  shards_.begin_drain();
  peer.is_reading = true;
  shards_.run();
  EXPECT_EQ(sequences(peer), "1-100");
  EXPECT_TRUE(received(peer).find("ERROR server-draining") != std::string::npos);
}

// -- Readers that are slow.

class LargeReplay : public ShardReplay {
 protected:
  static constexpr size_t kBodyBytes = 30'000;
  static Options options() {
    Options options = ShardReplay::options();
    options.slow_consumer_bytes = 200'000;
    options.publisher_lead_bytes_max = SIZE_MAX / 2;
    return options;
  }
  LargeReplay() : ShardReplay(options()) {}

  void publish_large(int count) {
    for (int n = 0; n < count; ++n) {
      write_publish(std::string(kBodyBytes, 'x'));
      shards_.run();
    }
  }
  Peer& stuck() {
    Peer& peer = shards_.connected(Transport::kTcp, home_);
    peer.is_reading = false;
    write_subscribe(peer, "from-seq:1\n");
    shards_.run();
    return peer;
  }
};

INSTANTIATE_TEST_SUITE_P(Shards, LargeReplay, ::testing::Values(1, 2));

TEST_P(LargeReplay, IsReadThoughItIsLargerThanAReaderMayLag) {
  publish_large(50);
  Peer& peer = stuck();
  // Not more of it is written than the next sends carry.
  EXPECT_LT(shards_.tables().log_bytes, 200'000u);
  publish_large(3);
  peer.is_reading = true;
  shards_.run();
  EXPECT_EQ(sequences(peer), "1-53");
  EXPECT_FALSE(peer.close_reason);
}

TEST_P(LargeReplay, IsReadAtTheirPaceByWhoShareIt) {
  publish_large(50);
  Peer& slow = stuck();
  Peer& fast = stuck();
  fast.is_reading = true;
  shards_.run();
  EXPECT_EQ(sequences(fast), "1-50");
  publish_large(5);
  slow.is_reading = true;
  shards_.run();
  EXPECT_EQ(sequences(slow), "1-55");
  EXPECT_EQ(sequences(fast), "1-55");
  EXPECT_EQ(appended(), 55u);
}

TEST_P(LargeReplay, EndsReadersThatLagByMoreThanItBroughtAndTheLimit) {
  publish_large(20);
  Peer& peer = stuck();
  publish_large(7);  // the newest does not count: 6 of them fit into 200,000
  EXPECT_FALSE(peer.close_reason);
  publish_large(2);
  EXPECT_EQ(peer.close_reason, CloseReason::kSlowConsumerBytes);
  shards_.advance(2'000);
  EXPECT_EQ(shards_.tables().replays, 0u);
  EXPECT_EQ(shards_.tables().log_bytes, 0u);
}

TEST_P(LargeReplay, EndsOnlyTheSlowOnesOfThoseWhoShareIt) {
  publish_large(20);
  Peer& slow = stuck();
  Peer& fast = stuck();
  fast.is_reading = true;
  shards_.run();
  publish_large(12);
  EXPECT_EQ(slow.close_reason, CloseReason::kSlowConsumerBytes);
  EXPECT_FALSE(fast.close_reason);
  EXPECT_EQ(sequences(fast), "1-32");
}

TEST_P(LargeReplay, LetsAReaderCatchUpThatHadMuchToRead) {
  publish_large(40);
  Peer& slow = stuck();
  Peer& fast = stuck();
  fast.is_reading = true;
  shards_.run();
  const auto read_one_send = [&] {
    shards_.complete(slow);
    shards_.run();
  };
  for (int n = 0; n < 10; ++n) read_one_send();
  // The group's log gets far ahead of the slow one, by more than a reader may lag.
  publish_large(15);
  while (shards_.tables().replays > 0) read_one_send();
  publish_large(3);
  EXPECT_FALSE(slow.close_reason);
  slow.is_reading = true;
  shards_.run();
  EXPECT_EQ(sequences(slow), "1-58");
}

TEST_P(LargeReplay, BlamesAReaderForLagOnceItHasCaughtUp) {
  publish_large(10);
  Peer& peer = stuck();
  peer.is_reading = true;
  shards_.run();
  peer.is_reading = false;
  publish_large(9);
  EXPECT_EQ(peer.close_reason, CloseReason::kSlowConsumerBytes);
}

TEST_P(LargeReplay, IsDroppedByUnsubscribeIfItIsTooMuchForTheOutbox) {
  publish_large(50);
  Peer& slow = stuck();
  Peer& fast = stuck();
  fast.is_reading = true;
  shards_.run();
  shards_.send(slow, "UNSUBSCRIBE\nid:1\nreceipt:u\n\n");
  slow.is_reading = true;
  shards_.run();
  EXPECT_FALSE(slow.close_reason);
  EXPECT_TRUE(received(slow).ends_with("RECEIPT u"));
  EXPECT_TRUE(sequences(slow).starts_with("1-"));
}

}  // namespace
}  // namespace stampede::core
