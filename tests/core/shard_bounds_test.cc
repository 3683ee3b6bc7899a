#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "core/message.h"
#include "tests/support/shard_fixture.h"

namespace stampede::core {
namespace {

using namespace std::string_literals;
using tests::Peer;
using tests::ShardFixture;

// The 101 may still be in the outbox; a WebSocket frame in its place would be nonsense.
TEST(ShardBounds, KeepsThe101OfAPipelinedClientThatIsFoundSlow) {
  Options options;
  options.slow_consumer_bytes = 1000;
  ShardFixture shards(1, options);
  Peer& peer = shards.open(0, Transport::kWebSocket);
  shards.receive(peer, ShardFixture::kHandshake);
  ShardFixture::write(peer, "CONNECT\naccept-version:1.2\n\n");
  ShardFixture::write(peer, "SUBSCRIBE\nid:1\ndestination:/topic/a\n\n");
  for (int n = 0; n < 3; ++n)
    ShardFixture::write(peer, "SEND\ndestination:/topic/a\n\n" + std::string(40'000, 'x'));
  shards.run();
  EXPECT_TRUE(shards.received(peer).starts_with("HTTP 101"));
}
TEST(ShardBounds, KeepsThe101OfAPipelinedClientThatPingsTooMuch) {
  Options options;
  options.slow_consumer_bytes = 1000;
  ShardFixture shards(1, options);
  Peer& peer = shards.open(0, Transport::kWebSocket);
  shards.receive(peer, ShardFixture::kHandshake);
  for (int n = 0; n < 12; ++n)
    peer.to_broker += ShardFixture::on_wire(peer, std::string(98, 'x'), proto::WsOpcode::kPing);
  shards.run();
  EXPECT_TRUE(shards.received(peer).starts_with("HTTP 101"));
}

// Patterns that mean the same share a Topic, and 1.0 unsubscribes by the text that it gave.
TEST(ShardBounds, UnsubscribesAPatternThatSomebodyElseWroteDifferently) {
  ShardFixture shards;
  Peer& first = shards.connected();
  shards.send(first, "SUBSCRIBE\nid:1\ndestination:topic.*\n\n");
  Peer& old = shards.connected(Transport::kTcp, 0, "1.0");
  shards.send(old, "SUBSCRIBE\ndestination:/topic/*\nreceipt:s\n\n");
  shards.send(old, "UNSUBSCRIBE\ndestination:/topic/*\nreceipt:u\n\n");
  EXPECT_EQ(shards.received(old), "RECEIPT s, RECEIPT u");
}
TEST(ShardBounds, FindsADuplicateOfSuchAPattern) {
  ShardFixture shards;
  Peer& first = shards.connected();
  shards.send(first, "SUBSCRIBE\nid:1\ndestination:topic.*\n\n");
  Peer& old = shards.connected(Transport::kTcp, 0, "1.0");
  shards.send(old, "SUBSCRIBE\ndestination:/topic/*\nreceipt:s\n\n");
  shards.send(old, "SUBSCRIBE\ndestination:/topic/*\nreceipt:t\n\n");
  EXPECT_EQ(shards.received(old), "RECEIPT s, ERROR duplicate-subscription, end");
}

// What a connection is owed privately has the same bound as what it is sent.
TEST(ShardBounds, EndsWhoAsksForReceiptsAndDoesNotRead) {
  Options options;
  options.slow_consumer_bytes = 10'000;
  ShardFixture shards(1, options);
  Peer& peer = shards.connected();
  peer.is_reading = false;
  for (int n = 0; n < 100 && !peer.close_reason; ++n)
    shards.send(peer, "SEND\ndestination:/topic/a\nreceipt:" + std::string(1'000, 'r') + "\n\n");
  EXPECT_EQ(peer.close_reason, CloseReason::kSlowConsumerBytes);
}
// UNSUBSCRIBE moves the lag into the outbox.
TEST(ShardBounds, CountsTheLagOfASubscriptionThatEnded) {
  Options options;
  options.slow_consumer_bytes = 200'000;
  ShardFixture shards(1, options);
  Peer& peer = shards.connected();
  Peer& publisher = shards.connected();
  peer.is_reading = false;
  shards.send(peer, "SEND\ndestination:/topic/none\nreceipt:r\n\n");
  for (int n = 0; n < 20 && !peer.close_reason; ++n) {
    const std::string to = "destination:/topic/" + std::to_string(n) + "\n\n";
    shards.send(peer, "SUBSCRIBE\nid:1\n" + to);
    for (int m = 0; m < 4; ++m) shards.send(publisher, "SEND\n" + to + std::string(40'000, 'x'));
    shards.send(peer, "UNSUBSCRIBE\nid:1\n\n");
  }
  EXPECT_EQ(peer.close_reason, CloseReason::kSlowConsumerBytes) << "3.2 MB wait privately";
}

// An interval that is hardly longer than a tick of the timers.
TEST(ShardBoundsDeathTest, BeatsAtAShortIntervalAndNoFaster) {
  Options options;
  options.heart_beat_send_ms = options.heart_beat_ms_min = 30;
  EXPECT_EXIT(
      {
        alarm(5);
        ShardFixture shards(1, options);
        Peer& peer = shards.connected(Transport::kTcp, 0, "1.2", "heart-beat:0,30\n");
        shards.advance(300);
        const uint64_t sends = shards.count(&ShardMetrics::sends);
        _exit(shards.received(peer).empty() || sends > 40 ? 1 : 0);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(ShardBounds, TakesASendWithoutReceiptAtTheLimitOfReceipts) {
  Options options;
  options.receipts_pending_max = 1;
  ShardFixture shards(2, options);
  Peer& peer = shards.connected();
  const std::string to = "SEND\ndestination:" + shards.topic_owned_by(1) + "\n";
  ShardFixture::write(peer, to + "receipt:1\n\n");
  ShardFixture::write(peer, to + "\n");
  shards.run();
  EXPECT_EQ(shards.received(peer), "RECEIPT 1");
}

TEST(MessageBounds, IsMadeOfEmptyViews) {
  Message::Content content;
  content.destination = "d";
  Message::create(content, 0)->drop_reference();
}

}  // namespace
}  // namespace stampede::core
