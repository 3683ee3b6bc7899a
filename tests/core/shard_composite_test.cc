#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "tests/core/destination_fixture.h"

namespace stampede::core {
namespace {

using tests::Peer;
using tests::ServerFrame;
using tests::ShardFixture;

class ShardComposite : public tests::DestinationFixture {
 protected:
  explicit ShardComposite(const Options& options = {}) : DestinationFixture(options) {}

  // "/topic/0,/topic/1,...", which have owners all over.
  static std::string topics(size_t count) {
    std::string text = "/topic/0";
    for (size_t n = 1; n < count; ++n) text += ",/topic/" + std::to_string(n);
    return text;
  }
  // The `ack` header of the MESSAGE with this body.
  static std::string ack_of(const Peer& peer, std::string_view body) {
    std::string ack;
    for (const ServerFrame& frame : peer.output.frames()) {
      if (frame.command == "MESSAGE" && frame.body == body) ack = frame.header("ack").value_or("");
    }
    return ack;
  }
};

INSTANTIATE_TEST_SUITE_P(Shards, ShardComposite, ::testing::Values(1, 2, 4));

// -- SEND.

TEST_P(ShardComposite, SendsToEachPart) {
  Peer& topic = subscriber("/topic/a");
  Peer& other = subscriber("/topic/b.*");
  Peer& user = subscriber("/user/x", "bob");
  put("/topic/a,/queue/q,/exchange/amq.topic/b.c,/user/bob/x", "hello");
  for (Peer* peer : {&topic, &other, &user}) EXPECT_EQ(received(*peer), "MESSAGE 1 hello");
  EXPECT_EQ(header(topic, "destination"), "/topic/a");
  EXPECT_EQ(header(other, "destination"), "/exchange/amq.topic/b.c");
  EXPECT_EQ(header(user, "destination"), "/user/x");
  EXPECT_EQ(shards_.tables().queued, 1u);
}

TEST_P(ShardComposite, SendsOnceToWhatIsNamedTwice) {
  Peer& peer = subscriber("/topic/a");
  put("/topic/a,/exchange/amq.topic/a,/topic/a", "x");
  EXPECT_EQ(received(peer), "MESSAGE 1 x");
}

TEST_P(ShardComposite, KeepsTheOrderOfItsSender) {
  Peer& peer = subscriber("/topic/**");
  for (const char* body : {"1", "2", "3"}) {
    ShardFixture::write(sender_, std::string("SEND\ndestination:/topic/a,/queue/q\n\n") + body);
    ShardFixture::write(sender_, std::string("SEND\ndestination:/topic/a\n\n") + body + "'");
  }
  shards_.run();
  EXPECT_EQ(received(peer),
            "MESSAGE 1 1, MESSAGE 1 1', MESSAGE 1 2, MESSAGE 1 2', MESSAGE 1 3, "
            "MESSAGE 1 3'");
}

TEST_P(ShardComposite, CountsTheSubscriptionsOfAllParts) {
  (void)subscriber("/topic/a,/topic/b,/queue/q");
  (void)subscriber("/topic/a");
  put("/topic/a,/queue/q,/topic/b,/topic/nobody", "x", "count-subscriptions:true\n");
  EXPECT_EQ(header(sender_, "subscriptions"), "4");
}

TEST_P(ShardComposite, TakesACommaForPartOfAName) {
  Peer& peer = subscriber("/topic/a,b");
  Peer& relative = subscriber("a,/topic/b");
  put("/topic/a,b", "1");
  put("a,/topic/b", "2");
  EXPECT_EQ(received(peer), "MESSAGE 1 1");
  EXPECT_EQ(received(relative), "MESSAGE 1 2");
}

TEST_P(ShardComposite, SendsNothingIfOnePartIsBad) {
  Peer& peer = subscriber("/topic/a");
  for (const char* bad : {"/topic/a,/dsub/b", "/topic/a,/user/b", "/topic/a,/exchange/b/c"}) {
    Peer& sender = session();
    put(sender, bad, "x");
    EXPECT_NE(error_of(sender), "none") << bad;
  }
  EXPECT_EQ(received(peer), "");
}

TEST_P(ShardComposite, WantsAllOfAFrameOfAllParts) {
  Peer& peer = session();
  put(peer, "/queue/a,/topic/a", "x", "AMQ_SCHEDULED_DELAY:5\n");
  EXPECT_EQ(error_of(peer), "unsupported-header");
  Peer& other = session();
  put(other, "/topic/a,/queue/a", "x", "priority:high\n");
  EXPECT_EQ(error_of(other), "malformed-header");
  EXPECT_EQ(shards_.tables().queued, 0u);
}

TEST_P(ShardComposite, SendsInATransaction) {
  Peer& peer = subscriber("/topic/a");
  shards_.send(sender_, "BEGIN\ntransaction:t\n\n");
  put("/topic/a,/queue/q", "x", "transaction:t\n");
  EXPECT_EQ(received(peer), "");
  shards_.send(sender_, "COMMIT\ntransaction:t\nreceipt:c\n\n");
  EXPECT_EQ(received(sender_), "RECEIPT c");
  EXPECT_EQ(received(peer), "MESSAGE 1 x");
  EXPECT_EQ(shards_.tables().queued, 1u);
}

// -- SUBSCRIBE.

TEST_P(ShardComposite, SubscribesOneIdToEachPart) {
  Peer& peer = subscriber("/topic/a,/queue/q,/topic/b.*,/user/x", "bob");
  for (const char* destination : {"/topic/a", "/queue/q", "/topic/b.c", "/user/bob/x"}) {
    put(destination, destination);
    EXPECT_EQ(received(peer), "MESSAGE 1 " + std::string(destination));
  }
  put("/topic/z", "x");
  EXPECT_EQ(received(peer), "");
}

TEST_P(ShardComposite, EndsAllPartsWithOneUnsubscribe) {
  Peer& peer = subscriber("/topic/a,/queue/q,/topic/b,/queue/r");
  unsubscribe(peer, "1");
  for (const char* destination : {"/topic/a", "/queue/q", "/topic/b"}) put(destination, "x");
  EXPECT_EQ(received(peer), "RECEIPT u");
  EXPECT_EQ(shards_.tables().subscriptions + shards_.tables().consumers, 0u);
  subscribe(peer, "1", "/topic/a");
  EXPECT_EQ(received(peer), "RECEIPT s");
}

TEST_P(ShardComposite, IsUnsubscribedByItsTextIn10) {
  Peer& peer = session("", "1.0");
  shards_.send(peer, "SUBSCRIBE\ndestination:/topic/a,/queue/q\n\n");
  put("/topic/a,/queue/q", "x");
  EXPECT_EQ(received(peer), "MESSAGE - x, MESSAGE - x");
  shards_.send(peer, "UNSUBSCRIBE\ndestination:/topic/a,/queue/q\nreceipt:u\n\n");
  put("/topic/a,/queue/q", "x");
  EXPECT_EQ(received(peer), "RECEIPT u");
}

TEST_P(ShardComposite, SubscribesToNothingIfOnePartIsBad) {
  for (const char* bad : {"/topic/a,/queue/*", "/queue/a,/reply-queue/x", "/topic/a,/topic/#.b"}) {
    Peer& peer = session();
    subscribe(peer, "1", bad);
    EXPECT_NE(error_of(peer), "none") << bad;
  }
  Peer& peer = session();
  subscribe(peer, "1", "/topic/a,/queue/a", "x-priority:high\n");
  EXPECT_EQ(error_of(peer), "malformed-header");
  EXPECT_EQ(shards_.tables().topics + shards_.tables().queues, 0u);
}

TEST_P(ShardComposite, KeepsSelectorsForEachPart) {
  Peer& peer = subscriber("/topic/a,/queue/q", "", "selector:k = 'v'\n");
  put("/topic/a,/queue/q", "no");
  put("/topic/a", "1", "k:v\n");
  put("/queue/q", "2", "k:v\n");
  EXPECT_EQ(received(peer), "MESSAGE 1 1, MESSAGE 1 2");
}

TEST_P(ShardComposite, LeavesEveryTable) {
  (void)subscriber("/topic/a,/queue/q,/topic/b.*,/user/x,/temp-queue/t,/temp-topic/t", "bob",
                   "ack:client\n");
  put("/topic/a,/queue/q,/topic/b.c,/user/bob/x", "x");
  EXPECT_EQ(left_over(), 0u);
}

// -- Acknowledgement.

TEST_P(ShardComposite, AcknowledgesAllPartsUpToAMessage) {  // A8.4
  Peer& peer = subscriber("/topic/a,/queue/q,/queue/r", "", "ack:client\nprefetch-count:2\n");
  put("/queue/q", "1");
  put("/topic/a", "2");
  put("/queue/r", "3");
  put("/queue/q", "4");
  shards_.send(peer, "ACK\nid:" + ack_of(peer, "3") + "\nreceipt:a\n\n");
  EXPECT_EQ(received(peer), "MESSAGE 1 1, MESSAGE 1 2, MESSAGE 1 3, MESSAGE 1 4, RECEIPT a");
  // What came later is not covered.
  EXPECT_EQ(shards_.tables().unsettled, 1u);
  put("/topic/a", "5");
  put("/topic/a", "6");
  put("/topic/a", "7");
  EXPECT_EQ(received(peer), "MESSAGE 1 5, MESSAGE 1 6");
  shards_.send(peer, "ACK\nid:" + ack_of(peer, "6") + "\n\n");
  EXPECT_EQ(received(peer), "MESSAGE 1 7");
  EXPECT_EQ(shards_.tables().unsettled, 0u);
}

TEST_P(ShardComposite, AcknowledgesOneByOneIfAskedTo) {
  Peer& peer = subscriber("/queue/q,/queue/r", "", "ack:client-individual\n");
  put("/queue/q", "1");
  put("/queue/r", "2");
  shards_.send(peer, "ACK\nid:" + ack_of(peer, "2") + "\n\n");
  EXPECT_EQ(shards_.tables().unsettled, 1u);
}

TEST_P(ShardComposite, AcknowledgesAllPartsByMessageIdIn11) {
  Peer& peer = session("", "1.1");
  subscribe(peer, "1", "/queue/q,/queue/r", "ack:client\n");
  put("/queue/q", "1", "message-id:m1\n");
  put("/queue/r", "2", "message-id:m2\n");
  shards_.send(peer, "ACK\nsubscription:1\nmessage-id:m2\n\n");
  EXPECT_EQ(shards_.tables().unsettled, 0u);
}

TEST_P(ShardComposite, RequeuesAllPartsUpToAMessage) {  // A8.7
  Peer& peer = subscriber("/queue/q,/queue/r", "", "ack:client\n");
  put("/queue/q", "1");
  put("/queue/r", "2");
  (void)received(peer);
  shards_.send(peer, "NACK\nid:" + ack_of(peer, "2") + "\n\n");
  const std::string again = received(peer);
  EXPECT_NE(again.find("MESSAGE 1 1"), std::string::npos) << again;
  EXPECT_NE(again.find("MESSAGE 1 2"), std::string::npos) << again;
}

// -- Limits.

TEST_P(ShardComposite, MayHaveAsManyPartsAsTheLimitAndNotOneMore) {
  const size_t most = Options{}.composite_destinations_max;
  put(topics(most), "x");
  Peer& peer = subscriber(topics(most));
  put("/topic/" + std::to_string(most - 1), "last");
  EXPECT_EQ(received(peer), "MESSAGE 1 last");
  put(sender_, topics(most + 1), "x");
  EXPECT_EQ(error_of(sender_), "bad-destination");
  EXPECT_NE(shards_.last_frame(sender_).body.find("--max-composite-destinations"),
            std::string::npos);
}

class ShardCompositeLimits : public ShardComposite {
 protected:
  ShardCompositeLimits()
      : ShardComposite({.subscriptions_max = 4,
                        .transaction_steps_max = 4,
                        .transaction_bytes_max = 4 * 1024,
                        .queue_messages_max = 1,
                        .queue_full_wait_ms = 0}) {}
  void fill(std::string_view queue) { put(queue, "full"); }
};

INSTANTIATE_TEST_SUITE_P(Shards, ShardCompositeLimits, ::testing::Values(1, 2, 4));

TEST_P(ShardCompositeLimits, CountsEachPartAsASubscription) {
  Peer& peer = subscriber("/topic/a");
  subscribe(peer, "2", "/topic/b,/queue/c,/topic/d");
  EXPECT_EQ(received(peer), "RECEIPT s");
  Peer& other = subscriber("/topic/a");
  subscribe(other, "2", topics(4));
  EXPECT_EQ(error_of(other), "too-many-subscriptions");
}

TEST_P(ShardCompositeLimits, CountsEachPartInATransaction) {
  shards_.send(sender_, "BEGIN\ntransaction:t\n\n");
  put(topics(4), "x", "transaction:t\n");
  put(sender_, "/topic/a", "x", "transaction:t\n");
  EXPECT_EQ(error_of(sender_), "too-many-transactions");
  Peer& other = session();
  shards_.send(other, "BEGIN\ntransaction:t\n\n");
  put(other, topics(3), std::string(1'500, 'x'), "transaction:t\n");
  EXPECT_EQ(error_of(other), "frame-too-large");
}

TEST_P(ShardCompositeLimits, SendsToNoneIfOneQueueIsFull) {
  Peer& peer = subscriber("/topic/a");
  fill("/queue/full");
  put(sender_, "/topic/a,/queue/b,/queue/full", "x");
  EXPECT_EQ(error_of(sender_), "queue-full");
  EXPECT_EQ(header(sender_, "receipt-id"), "r");
  EXPECT_EQ(received(peer), "");
  EXPECT_EQ(shards_.tables().queued, 1u);
}

}  // namespace
}  // namespace stampede::core
