#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>

#include "tests/support/shard_fixture.h"

namespace stampede::core {
namespace {

using tests::Peer;
using tests::ShardFixture;

Options tiny_mailboxes() {
  Options options;
  options.mailbox_slots = 2;
  return options;
}

std::string send_to(std::string_view topic, int number) {
  return "SEND\ndestination:" + std::string(topic) + "\n\n" + std::to_string(number);
}

TEST(Backpressure, PausesWhoFeedsAFullMailboxAndGoesOnOnceThereIsRoom) {
  ShardFixture shards(2, tiny_mailboxes());
  const std::string far = shards.topic_owned_by(1);
  Peer& publisher = shards.connected();
  for (int n = 0; n < 2; ++n) ShardFixture::write(publisher, send_to(far, n));
  shards.deliver(publisher);
  EXPECT_FALSE(Shard::receive_paused(*publisher.client)) << "as many as there are slots";
  ShardFixture::write(publisher, send_to(far, 2));
  shards.deliver(publisher);
  EXPECT_TRUE(Shard::receive_paused(*publisher.client));
  EXPECT_EQ(shards.shard(0).next_receive_change(), publisher.client);
  EXPECT_EQ(shards.shard(0).next_receive_change(), nullptr);
  EXPECT_TRUE(shards.shard(0).has_overflow());
  EXPECT_EQ(shards.count(&ShardMetrics::mailbox_overflows), 1u);

  EXPECT_EQ(shards.shard(0).post_mail(), 2u);
  EXPECT_TRUE(Shard::receive_paused(*publisher.client)) << "the owner has taken nothing yet";
  (void)shards.shard(1).take_mail(10, shards.now());
  (void)shards.shard(0).post_mail();
  EXPECT_FALSE(Shard::receive_paused(*publisher.client));
  EXPECT_EQ(shards.shard(0).next_receive_change(), publisher.client);
  EXPECT_FALSE(shards.shard(0).has_overflow());
  shards.run();
  EXPECT_EQ(shards.count(&ShardMetrics::messages_published), 3u);
}

TEST(Backpressure, PausesThoseWhoFeedAShardThatIsItselfPressed) {
  ShardFixture shards(3, tiny_mailboxes());
  const std::string topic = shards.topic_owned_by(1);
  Peer& reader = shards.connected(Transport::kTcp, 2);
  shards.send(reader, "SUBSCRIBE\nid:1\ndestination:" + topic + "\n\n");
  Peer& publisher = shards.connected(Transport::kTcp, 0);
  // Shard 2 takes no mail, so the owner's box to it fills up; the box from 0 to 1 never does.
  for (int n = 0; n < 4 && !Shard::receive_paused(*publisher.client); ++n) {
    ShardFixture::write(publisher, send_to(topic, n));
    shards.deliver(publisher);
    (void)shards.shard(0).post_mail();
    (void)shards.shard(1).take_mail(10, shards.now());
    (void)shards.shard(1).post_mail();
  }
  EXPECT_TRUE(Shard::receive_paused(*publisher.client));
  shards.run();
  EXPECT_FALSE(Shard::receive_paused(*publisher.client));
  EXPECT_EQ(shards.received(reader), "MESSAGE 1 0, MESSAGE 1 1, MESSAGE 1 2, MESSAGE 1 3");
}

TEST(Backpressure, LosesAndReordersNothing) {
  ShardFixture shards(3, tiny_mailboxes());
  const std::string topic = shards.topic_owned_by(1);
  Peer& near = shards.connected(Transport::kTcp, 1);
  Peer& far = shards.connected(Transport::kWebSocket, 2);
  for (Peer* peer : {&near, &far})
    shards.send(*peer, "SUBSCRIBE\nid:1\ndestination:" + topic + "\n\n");
  Peer& a = shards.connected(Transport::kTcp, 0);
  Peer& b = shards.connected(Transport::kTcp, 2);
  constexpr int kCount = 300;
  for (int n = 0; n < kCount; ++n) {
    ShardFixture::write(a, send_to(topic, n));
    ShardFixture::write(b, send_to(topic, kCount + n));
    shards.deliver(a);
    shards.deliver(b);
  }
  shards.run();
  EXPECT_GT(shards.count(&ShardMetrics::mailbox_overflows), 0u);
  for (const Peer* peer : {&near, &far}) {
    int next_of_a = 0;
    int next_of_b = kCount;
    for (const auto& frame : peer->output.frames()) {
      if (frame.command != "MESSAGE") continue;
      int& next = std::stoi(frame.body) < kCount ? next_of_a : next_of_b;
      EXPECT_EQ(std::stoi(frame.body), next++);
    }
    EXPECT_EQ(next_of_a, kCount);
    EXPECT_EQ(next_of_b, 2 * kCount);
  }
  EXPECT_FALSE(Shard::receive_paused(*a.client));
  EXPECT_FALSE(Shard::receive_paused(*b.client));
}

TEST(Backpressure, DoesNotPauseWhoPublishesElsewhere) {
  ShardFixture shards(3, tiny_mailboxes());
  Peer& busy = shards.connected();
  Peer& other = shards.connected();
  for (int n = 0; n < 5; ++n) ShardFixture::write(busy, send_to(shards.topic_owned_by(1), n));
  shards.deliver(busy);
  ASSERT_TRUE(Shard::receive_paused(*busy.client));
  ShardFixture::write(other, send_to(shards.topic_owned_by(2), 0));
  shards.deliver(other);
  EXPECT_FALSE(Shard::receive_paused(*other.client));
  shards.run();
}

TEST(Backpressure, DoesNotBlameAPausedClientForItsSilence) {
  ShardFixture shards(2, tiny_mailboxes());
  Peer& peer = shards.connected(Transport::kTcp, 0, "1.2", "heart-beat:10000,0\n");
  for (int n = 0; n < 5; ++n) ShardFixture::write(peer, send_to(shards.topic_owned_by(1), n));
  shards.deliver(peer);
  ASSERT_TRUE(Shard::receive_paused(*peer.client));
  for (int n = 0; n < 50; ++n) {
    shards.set_now(shards.now() + 1'000);
    shards.shard(0).run_timers(shards.now());
  }
  EXPECT_EQ(peer.close_reason, std::nullopt);
  shards.run();
  shards.advance(21'000);
  EXPECT_EQ(peer.close_reason, CloseReason::kHeartBeatMissed);
}

TEST(Backpressure, ForgetsAPausedClientThatLeaves) {
  ShardFixture shards(2, tiny_mailboxes());
  Peer& peer = shards.connected();
  for (int n = 0; n < 5; ++n) ShardFixture::write(peer, send_to(shards.topic_owned_by(1), n));
  shards.deliver(peer);
  ASSERT_TRUE(Shard::receive_paused(*peer.client));
  shards.reset(peer);
  EXPECT_TRUE(peer.is_released());
  EXPECT_FALSE(shards.shard(0).has_overflow());
  EXPECT_EQ(shards.count(&ShardMetrics::messages_published), 5u);
}

TEST(Backpressure, TakesNoMoreMailThanItsBudget) {
  ShardFixture shards(2);
  Peer& peer = shards.connected();
  for (int n = 0; n < 10; ++n) ShardFixture::write(peer, send_to(shards.topic_owned_by(1), n));
  shards.deliver(peer);
  (void)shards.shard(0).post_mail();
  EXPECT_TRUE(shards.shard(1).take_mail(4, shards.now()));
  EXPECT_EQ(shards.shard(1).metrics().messages_published, 4u);
  EXPECT_TRUE(shards.shard(1).has_mail());
  EXPECT_FALSE(shards.shard(1).take_mail(6, shards.now()));
  EXPECT_EQ(shards.shard(1).metrics().messages_published, 10u);
  EXPECT_FALSE(shards.shard(1).take_mail(6, shards.now()));
}

// -- Publishers that run ahead of their readers.

class Lead : public ::testing::TestWithParam<ShardId> {
 protected:
  static Options small_lead() {
    Options options;
    options.publisher_lead_bytes_max = 20'000;
    return options;
  }
  // On the last shard; the publisher is on the first one.
  Peer& reader(bool is_reading) {
    Peer& peer = shards_.connected(Transport::kTcp, GetParam() - 1);
    shards_.send(peer, "SUBSCRIBE\nid:1\ndestination:/topic/a\n\n");
    peer.is_reading = is_reading;
    return peer;
  }
  static std::string message(int number) {
    return "SEND\ndestination:/topic/a\n\n" + std::to_string(number) + std::string(5'000, '.');
  }
  // Publishes one at a time; gives how many until the publisher is paused.
  int publish_until_paused(Peer& publisher, int at_most) {
    for (int n = 0; n < at_most; ++n) {
      if (Shard::receive_paused(*publisher.client)) return n;
      shards_.send(publisher, message(n));
    }
    return at_most;
  }
  // Whole and in order, as numbered by message().
  static void expect_all(const Peer& peer, int count) {
    int next = 0;
    for (const auto& frame : peer.output.frames()) {
      if (frame.command == "MESSAGE") {
        EXPECT_EQ(std::stoi(frame.body), next++);
      }
    }
    EXPECT_EQ(next, count);
  }

  ShardFixture shards_{GetParam(), small_lead()};
};

TEST_P(Lead, HoldsBackAPublisherThatMostOfItsReadersCannotFollow) {
  Peer& quick = reader(true);
  Peer& stuck = reader(false);
  Peer& also_stuck = reader(false);
  Peer& publisher = shards_.connected();
  const int sent = publish_until_paused(publisher, 100);
  EXPECT_GE(sent, 4) << "20 kB are allowed";
  EXPECT_LE(sent, 8);
  EXPECT_GE(shards_.count(&ShardMetrics::publishers_held_back), 1u);
  shards_.advance(4);
  EXPECT_TRUE(Shard::receive_paused(*publisher.client));
  shards_.advance(1);
  EXPECT_FALSE(Shard::receive_paused(*publisher.client)) << "for a few milliseconds only";
  stuck.is_reading = also_stuck.is_reading = true;
  shards_.run();
  for (const Peer* peer : {&quick, &stuck, &also_stuck}) expect_all(*peer, sent);
}

TEST_P(Lead, HoldsNobodyBackForAFewSlowReaders) {
  Peer& stuck = reader(false);
  Peer& quick = reader(true);
  Peer& also_quick = reader(true);
  Peer& publisher = shards_.connected();
  EXPECT_EQ(publish_until_paused(publisher, 50), 50);
  for (const Peer* peer : {&quick, &also_quick}) expect_all(*peer, 50);
  EXPECT_EQ(stuck.close_reason, std::nullopt);
}

TEST_P(Lead, ProcessesInOrderWhatArrivedWhileItPaused) {
  Peer& peer = reader(false);
  Peer& publisher = shards_.connected();
  int sent = publish_until_paused(publisher, 100);
  // In the kernel's buffers already, and cut anywhere.
  for (int n = 0; n < 10; ++n) {
    ShardFixture::write(publisher, message(sent++));
  }
  const std::string octets = std::exchange(publisher.to_broker, {});
  for (size_t at = 0; at < octets.size(); at += 777) {
    shards_.receive(publisher, octets.substr(at, 777));
  }
  const uint64_t before = shards_.count(&ShardMetrics::messages_received);
  peer.is_reading = true;
  shards_.run();
  EXPECT_EQ(shards_.count(&ShardMetrics::messages_received), before) << "not before its time";
  for (int n = 0; n < 100; ++n) shards_.advance(5);
  expect_all(peer, sent);
}

TEST_P(Lead, ProcessesWhatArrivedBeforeTheEndOfAPausedPublisher) {
  Peer& peer = reader(false);
  Peer& publisher = shards_.connected();
  const int sent = publish_until_paused(publisher, 100);
  ShardFixture::write(publisher, message(sent));
  shards_.deliver(publisher, true);
  shards_.half_close(publisher);
  EXPECT_EQ(publisher.close_reason, std::nullopt);
  peer.is_reading = true;
  for (int n = 0; n < 10; ++n) shards_.advance(5);
  EXPECT_EQ(publisher.close_reason, CloseReason::kPeerClosed);
  EXPECT_TRUE(publisher.is_released());
  expect_all(peer, sent + 1);
}

INSTANTIATE_TEST_SUITE_P(Backpressure, Lead, ::testing::Values(1, 2), [](const auto& of) {
  return "With" + std::to_string(of.param) + "Shards";
});

}  // namespace
}  // namespace stampede::core
