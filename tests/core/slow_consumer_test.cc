#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "tests/support/shard_fixture.h"

namespace stampede::core {
namespace {

using tests::Peer;
using tests::ShardFixture;

// Bodies of this size are never copied, so every frame begins a chunk and lag is looked at with
// each.
constexpr size_t kBodyBytes = 40'000;

std::string message(size_t body_bytes = kBodyBytes) {
  return "SEND\ndestination:/topic/a\n\n" + std::string(body_bytes, 'x');
}

struct SlowConsumer : public ::testing::Test {
  // `frames` of what a subscriber gets may wait for it, less `octets`.
  static Options options_for(size_t frames, size_t octets = 0) {
    Options options;
    options.slow_consumer_bytes = frames * frame_bytes() - octets;
    options.publisher_lead_bytes_max = SIZE_MAX / 2;  // holding publishers back is another test's
    return options;
  }
  static Peer& stuck(ShardFixture& shards, Transport transport = Transport::kTcp) {
    Peer& peer = shards.connected(transport);
    shards.send(peer, "SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:s\n\n");
    EXPECT_EQ(shards.received(peer), "RECEIPT s");
    peer.is_reading = false;
    return peer;
  }
  // What a frame takes on the wire of stuck(): all ids have one digit.
  static size_t frame_bytes() {
    ShardFixture shards;
    Peer& peer = stuck(shards);
    Peer& publisher = shards.connected();
    shards.send(publisher, message());
    return peer.sending_copy.size();
  }
};

TEST_F(SlowConsumer, MayLagByTheLimitAndNotOneOctetMore) {
  for (const size_t octets : {0u, 1u}) {
    ShardFixture shards(1, options_for(3, octets));
    Peer& peer = stuck(shards);
    Peer& publisher = shards.connected();
    // The newest frame does not count, so that three wait when the fourth comes.
    for (int n = 0; n < 4; ++n) shards.send(publisher, message());
    EXPECT_EQ(peer.close_reason.has_value(), octets == 1);
    if (octets == 1) {
      EXPECT_EQ(peer.close_reason, CloseReason::kSlowConsumerBytes);
      EXPECT_EQ(peer.close_pending_bytes, 4 * frame_bytes());
      EXPECT_EQ(shards.tables().subscriptions, 0u);
      EXPECT_EQ(shards.count(&ShardMetrics::bytes_discarded), 4 * frame_bytes());
    }
  }
}

TEST_F(SlowConsumer, IsToldIfNothingIsInFlight) {
  for (const Transport transport : {Transport::kTcp, Transport::kWebSocket}) {
    ShardFixture shards(1, options_for(2));
    Peer& peer = stuck(shards, transport);
    peer.is_reading = true;
    Peer& publisher = shards.connected();
    // All in one turn, so that nothing is flushed between.
    for (int n = 0; n < 6; ++n) ShardFixture::write(publisher, message());
    shards.run();
    EXPECT_EQ(shards.received(peer), transport == Transport::kTcp
                                         ? "ERROR slow-consumer, end"
                                         : "ERROR slow-consumer, close 1008, end");
    EXPECT_NE(shards.last_frame(peer).body.find("--slow-consumer-bytes"), std::string::npos);
  }
}

TEST_F(SlowConsumer, LeavesThoseWhoKeepUpAlone) {
  ShardFixture shards(1, options_for(3));
  Peer& slow = stuck(shards);
  Peer& quick = stuck(shards);
  quick.is_reading = true;
  Peer& publisher = shards.connected();
  for (int n = 0; n < 50; ++n) shards.send(publisher, message());
  EXPECT_EQ(slow.close_reason, CloseReason::kSlowConsumerBytes);
  EXPECT_EQ(quick.close_reason, std::nullopt);
  EXPECT_EQ(quick.output.frames().size(), 52u);
}

TEST_F(SlowConsumer, IsNotWhoKeepsUpWithMessagesLargerThanTheLimit) {
  Options options;
  options.slow_consumer_bytes = 10'000;
  ShardFixture shards(1, options);
  Peer& peer = stuck(shards);
  peer.is_reading = true;
  Peer& publisher = shards.connected();
  for (const size_t size : {9'000u, 30'000u, 33'000u, 250'000u, 20'000u}) {
    shards.send(publisher, message(size));
    EXPECT_EQ(peer.close_reason, std::nullopt) << size;
  }
}

TEST_F(SlowConsumer, IsMeasuredOverAllSubscriptionsOfAConnection) {
  ShardFixture shards(1, options_for(6));
  Peer& peer = stuck(shards);
  peer.is_reading = true;
  shards.send(peer, "SUBSCRIBE\nid:2\ndestination:/topic/a\nreceipt:t\n\n");
  ASSERT_EQ(shards.received(peer), "RECEIPT t");
  peer.is_reading = false;
  Peer& publisher = shards.connected();
  int sent = 0;
  for (; sent < 10 && !peer.close_reason; ++sent) shards.send(publisher, message());
  EXPECT_EQ(sent, 4) << "six frames wait after three messages";
}

TEST_F(SlowConsumer, MayBeStuckForTheLimitAndNotLonger) {
  ShardFixture shards;
  Peer& peer = stuck(shards);
  Peer& publisher = shards.connected();
  shards.send(publisher, message(10));
  shards.advance(Options{}.slow_consumer_after_ms - 1);
  EXPECT_EQ(peer.close_reason, std::nullopt);
  shards.advance(1 + 16);
  EXPECT_EQ(peer.close_reason, CloseReason::kSlowConsumerTime);
}

TEST_F(SlowConsumer, IsWaitedForNoLongerThanTheLingerTime) {
  ShardFixture shards;
  Peer& peer = stuck(shards);
  Peer& publisher = shards.connected();
  shards.send(publisher, message());
  shards.send(publisher, message());
  shards.advance(Options{}.slow_consumer_after_ms + 16);
  ASSERT_EQ(peer.close_reason, CloseReason::kSlowConsumerTime);
  EXPECT_EQ(peer.close_pending_bytes, 2 * frame_bytes());
  EXPECT_EQ(shards.tables().subscriptions, 0u);
  EXPECT_GT(shards.tables().log_bytes, 0u) << "what is in flight stays";
  shards.advance(Options{}.close_linger_ms + 16);
  EXPECT_EQ(shards.received(peer), "abort");
  EXPECT_TRUE(peer.is_released());
  EXPECT_EQ(shards.tables().log_bytes, 0u);
}

TEST_F(SlowConsumer, IsToldIfItReadsInTheEnd) {
  ShardFixture shards;
  Peer& peer = stuck(shards, Transport::kWebSocket);
  Peer& publisher = shards.connected();
  shards.send(publisher, message());
  shards.send(publisher, message());
  shards.advance(Options{}.slow_consumer_after_ms + 16);
  EXPECT_EQ(shards.received(peer), "") << "nothing is put behind the send under way";
  peer.is_reading = true;
  shards.run();
  EXPECT_EQ(shards.received(peer), "MESSAGE 1 40000 octets, ERROR slow-consumer, close 1008, end");
}

TEST_F(SlowConsumer, IsNotWhoGoesOnSlowly) {
  ShardFixture shards;
  Peer& peer = stuck(shards);
  Peer& publisher = shards.connected();
  shards.send(publisher, message(10));
  for (int n = 0; n < 5; ++n) {
    shards.send(publisher, message(10));
    shards.advance(Options{}.slow_consumer_after_ms - 1);
    ASSERT_EQ(peer.close_reason, std::nullopt);
    shards.complete(peer);
    shards.run();
  }
}

TEST_F(SlowConsumer, IsAlsoWhoPingsAndNeverReads) {
  Options options;
  options.slow_consumer_bytes = 1'000;
  ShardFixture shards(1, options);
  Peer& peer = shards.connected(Transport::kWebSocket);
  peer.is_reading = false;
  const std::string ping =
      ShardFixture::on_wire(peer, std::string(98, 'x'), proto::WsOpcode::kPing);
  for (int n = 0; n < 10; ++n) shards.send_raw(peer, ping);
  EXPECT_EQ(peer.close_reason, std::nullopt);
  shards.send_raw(peer, ping);
  EXPECT_EQ(peer.close_reason, CloseReason::kSlowConsumerBytes);
}

}  // namespace
}  // namespace stampede::core
