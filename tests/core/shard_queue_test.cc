#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/shard_fixture.h"

namespace stampede::core {
namespace {

using tests::Peer;
using tests::ServerFrame;
using tests::ShardFixture;

// Consumers on the last shard, producers on the first, a queue wherever it hashes to.
class ShardQueue : public ::testing::TestWithParam<ShardId> {
 protected:
  explicit ShardQueue(const Options& options = {}) : shards_(GetParam(), options) {}

  Peer& consumer(std::string_view headers = "", std::string_view version = "1.2",
                 Transport transport = Transport::kTcp, std::string_view queue = "/queue/a") {
    Peer& peer = shards_.connected(transport, GetParam() - 1, version);
    subscribe(peer, "1", headers, queue);
    return peer;
  }
  void subscribe(Peer& peer, std::string_view id, std::string_view headers = "",
                 std::string_view queue = "/queue/a") {
    ShardFixture::write(peer, "SUBSCRIBE\nid:" + std::string(id) +
                                  "\ndestination:" + std::string(queue) + "\nreceipt:s\n" +
                                  std::string(headers) + "\n");
    shards_.run();
  }
  void put(std::string_view body, std::string_view headers = "",
           std::string_view queue = "/queue/a") {
    shards_.send(producer_, "SEND\ndestination:" + std::string(queue) + "\n" +
                                std::string(headers) + "\n" + std::string(body));
  }
  void put_range(int from, int to) {
    for (int n = from; n <= to; ++n) put(std::to_string(n));
  }
  static const ServerFrame& message(const Peer& peer, std::string_view body) {
    const ServerFrame* found = nullptr;
    for (const ServerFrame& frame : peer.output.frames()) {
      if (frame.command == "MESSAGE" && frame.body == body) found = &frame;
    }
    CHECK(found != nullptr);
    return *found;
  }
  void settle(Peer& peer, std::string_view body, std::string_view command = "ACK",
              std::string_view headers = "") {
    shards_.send(peer, std::string(command) +
                           "\nid:" + std::string(*message(peer, body).header("ack")) + "\n" +
                           std::string(headers) + "\n");
  }
  static std::string received(Peer& peer) { return ShardFixture::received(peer); }

  ShardFixture shards_;
  Peer& producer_ = shards_.connected();
};

INSTANTIATE_TEST_SUITE_P(Shards, ShardQueue, ::testing::Values(1, 2, 4));

TEST_P(ShardQueue, KeepsMessagesUntilAConsumerComes) {
  put_range(1, 3);
  EXPECT_EQ(shards_.tables().queued, 3u);
  Peer& peer = consumer();
  EXPECT_EQ(received(peer), "RECEIPT s, MESSAGE 1 1, MESSAGE 1 2, MESSAGE 1 3");
  EXPECT_EQ(shards_.tables().queued + shards_.tables().unsettled, 0u);
}

TEST_P(ShardQueue, GivesEachMessageToOneConsumerInTurn) {
  Peer& a = consumer();
  Peer& b = consumer();
  (void)(received(a) + received(b));
  put_range(1, 4);
  EXPECT_EQ(received(a), "MESSAGE 1 1, MESSAGE 1 3");
  EXPECT_EQ(received(b), "MESSAGE 1 2, MESSAGE 1 4");
}

TEST_P(ShardQueue, DeliversOverWebSocketToo) {
  Peer& peer = consumer("", "1.2", Transport::kWebSocket);
  put("text");
  put("not \xff UTF-8");
  EXPECT_EQ(received(peer), "RECEIPT s, MESSAGE 1 text, MESSAGE 1 not \xff UTF-8");
  EXPECT_EQ(message(peer, "text").header("destination"), "/queue/a");
}

TEST_P(ShardQueue, GivesAnAckHeaderInTheClientModesOf12Only) {  // A8.3
  Peer& automatic = consumer();
  put("1");
  EXPECT_EQ(message(automatic, "1").header("ack"), std::nullopt);
  shards_.reset(automatic);
  Peer& individual = consumer("ack:client-individual\n");
  put("2");
  EXPECT_NE(message(individual, "2").header("ack"), std::nullopt);
  EXPECT_EQ(message(individual, "2").header("redelivered"), std::nullopt);
}

TEST_P(ShardQueue, GivesNoMoreThanTheCreditUntilSomeIsSettled) {
  Peer& peer = consumer("ack:client-individual\nprefetch-count:2\n");
  put_range(1, 4);
  EXPECT_EQ(received(peer), "RECEIPT s, MESSAGE 1 1, MESSAGE 1 2");
  settle(peer, "1");
  EXPECT_EQ(received(peer), "MESSAGE 1 3");
  settle(peer, "3");
  EXPECT_EQ(received(peer), "MESSAGE 1 4");
}

TEST_P(ShardQueue, SettlesAllUpToTheMessageInClientMode) {  // A8.4
  Peer& peer = consumer("ack:client\nprefetch-count:3\n");
  put_range(1, 6);
  (void)received(peer);
  settle(peer, "3");
  EXPECT_EQ(received(peer), "MESSAGE 1 4, MESSAGE 1 5, MESSAGE 1 6");
  EXPECT_EQ(shards_.tables().unsettled, 3u);
}

TEST_P(ShardQueue, GivesUnsettledMessagesOfALostConsumerToAnotherInOrder) {  // A8.8
  Peer& a = consumer("ack:client-individual\n");
  put_range(1, 3);
  settle(a, "2");
  Peer& b = consumer("ack:client-individual\n");
  (void)received(b);
  shards_.reset(a);
  EXPECT_EQ(received(b), "MESSAGE 1 1, MESSAGE 1 3");
  EXPECT_EQ(message(b, "1").header("redelivered"), "true");
  EXPECT_EQ(message(b, "3").header("delivery-count"), "2");
}

TEST_P(ShardQueue, PutsWhatComesBackBeforeWhatWaits) {
  Peer& a = consumer("ack:client-individual\nprefetch-count:2\n");
  put_range(1, 5);
  shards_.reset(a);
  Peer& b = consumer();
  EXPECT_EQ(received(b),
            "RECEIPT s, MESSAGE 1 1, MESSAGE 1 2, MESSAGE 1 3, MESSAGE 1 4, MESSAGE 1 5");
}

TEST_P(ShardQueue, DoesNotCallRedeliveredWhatTheConsumerWasNeverGiven) {
  Peer& a = consumer("ack:client-individual\n");
  a.is_reading = false;
  put("given", "");
  put("waits", "");
  shards_.reset(a);
  Peer& b = consumer();
  EXPECT_EQ(message(b, "given").header("redelivered"), "true");
  EXPECT_EQ(message(b, "waits").header("redelivered"), std::nullopt);
}

TEST_P(ShardQueue, RequeuesOnNack) {
  Peer& peer = consumer("ack:client-individual\nprefetch-count:1\n");
  put("1");
  settle(peer, "1", "NACK");
  EXPECT_EQ(received(peer), "RECEIPT s, MESSAGE 1 1, MESSAGE 1 1");
  EXPECT_EQ(message(peer, "1").header("redelivered"), "true");
  settle(peer, "1");
  EXPECT_EQ(shards_.tables().unsettled, 0u);
}

TEST_P(ShardQueue, NacksAllUpToTheMessageInClientMode) {  // A8.7
  Peer& peer = consumer("ack:client\n");
  put_range(1, 3);
  (void)received(peer);
  settle(peer, "2", "NACK");
  EXPECT_EQ(received(peer), "MESSAGE 1 1, MESSAGE 1 2");
}

TEST_P(ShardQueue, SendsRejectedMessagesToTheDeadLetters) {
  Peer& peer = consumer("ack:client-individual\n");
  put("bad", "k:v\nmessage-id:m1\n");
  settle(peer, "bad", "NACK", "requeue:false\n");
  Peer& mourner = consumer("", "1.2", Transport::kTcp, "/queue/dlq.a");
  const ServerFrame& dead = message(mourner, "bad");
  EXPECT_EQ(dead.header("dead-letter-reason"), "rejected");
  EXPECT_EQ(dead.header("original-destination"), "/queue/a");
  EXPECT_EQ(dead.header("original-message-id"), "m1");
  EXPECT_EQ(dead.header("original-delivery-count"), "1");
  EXPECT_EQ(dead.header("delivery-count"), std::nullopt);  // it was not delivered yet
  EXPECT_EQ(dead.header("destination"), "/queue/dlq.a");
  EXPECT_EQ(dead.header("k"), "v");
}

TEST_P(ShardQueue, BuriesWhatFailsInTheDeadLettersOnlyOnce) {
  Peer& mourner = consumer("ack:client-individual\n", "1.2", Transport::kTcp, "/queue/dlq.a");
  put("bad", "", "/queue/dlq.a");
  settle(mourner, "bad", "NACK", "requeue:false\n");
  EXPECT_EQ(shards_.count(&ShardMetrics::queue_dead_dropped), 1u);
  EXPECT_EQ(shards_.tables().queued + shards_.tables().unsettled, 0u);
}

TEST_P(ShardQueue, ExpiresMessages) {
  put("short", "expiration:50\n");
  put("long", "ttl:5000\n");
  shards_.advance(100);
  EXPECT_EQ(shards_.tables().queued, 1u);
  Peer& peer = consumer();
  EXPECT_EQ(received(peer), "RECEIPT s, MESSAGE 1 long");
}

TEST_P(ShardQueue, DelaysMessages) {
  Peer& peer = consumer();
  put("later", "AMQ_SCHEDULED_DELAY:1000\n");
  put("now");
  EXPECT_EQ(received(peer), "RECEIPT s, MESSAGE 1 now");
  shards_.advance(990);
  EXPECT_EQ(received(peer), "");
  shards_.advance(50);
  EXPECT_EQ(received(peer), "MESSAGE 1 later");
}

TEST_P(ShardQueue, GoesByPriority) {
  put("low", "priority:1\n");
  put("default");
  put("high", "priority:9\n");
  Peer& peer = consumer();
  EXPECT_EQ(received(peer), "RECEIPT s, MESSAGE 1 high, MESSAGE 1 default, MESSAGE 1 low");
}

TEST_P(ShardQueue, PrefersConsumersOfHigherPriorityWhileTheyHaveCredit) {
  Peer& low = consumer("ack:client\nprefetch-count:1\n");
  Peer& high = consumer("ack:client\nprefetch-count:1\nx-priority:5\n");
  put_range(1, 2);
  EXPECT_EQ(received(high), "RECEIPT s, MESSAGE 1 1");
  EXPECT_EQ(received(low), "RECEIPT s, MESSAGE 1 2");
}

TEST_P(ShardQueue, GivesEverythingToTheExclusiveConsumer) {
  Peer& plain = consumer();
  Peer& exclusive = consumer("exclusive:true\n");
  put_range(1, 2);
  EXPECT_EQ(received(plain), "RECEIPT s");
  EXPECT_EQ(received(exclusive), "RECEIPT s, MESSAGE 1 1, MESSAGE 1 2");
}

TEST_P(ShardQueue, KeepsAGroupWithOneConsumer) {
  Peer& a = consumer("ack:client-individual\n");
  Peer& b = consumer("ack:client-individual\n");
  (void)(received(a) + received(b));
  for (const char* body : {"g1", "g2", "g3"}) put(body, "JMSXGroupID:g\n");
  EXPECT_EQ(received(a) + received(b), "MESSAGE 1 g1, MESSAGE 1 g2, MESSAGE 1 g3");
}

TEST_P(ShardQueue, ShowsABrowserWhatWaitsAndTakesNothing) {
  put_range(1, 2);
  Peer& browser = consumer("browser:true\n");
  EXPECT_EQ(received(browser), "RECEIPT s, MESSAGE 1 1, MESSAGE 1 2, MESSAGE 1 ");
  EXPECT_EQ(shards_.last_frame(browser).header("browser"), "end");
  EXPECT_EQ(shards_.tables().queued, 2u);
}

TEST_P(ShardQueue, DoesNotTellTheBrowserTheEndIfItIsAskedNotTo) {
  put("1");
  Peer& browser = consumer("browser:true\nbrowser-end:false\n");
  EXPECT_EQ(received(browser), "RECEIPT s, MESSAGE 1 1");
}

TEST_P(ShardQueue, GivesNothingToWhoSentItWithNoLocal) {
  subscribe(producer_, "1", "no-local:true\n");
  put("own");
  EXPECT_EQ(received(producer_), "RECEIPT s");
  Peer& other = consumer();
  EXPECT_EQ(received(other), "RECEIPT s, MESSAGE 1 own");
}

TEST_P(ShardQueue, EndsASubscriptionAndGivesBackWhatIsUnsettled) {  // A7.8, A7.9
  Peer& a = consumer("ack:client-individual\n");
  put("1");
  shards_.send(a, "UNSUBSCRIBE\nid:1\nreceipt:u\n\n");
  put("2");
  EXPECT_EQ(received(a), "RECEIPT s, MESSAGE 1 1, RECEIPT u");
  settle(a, "1");
  Peer& b = consumer();
  EXPECT_EQ(received(b), "RECEIPT s, MESSAGE 1 1, MESSAGE 1 2");
  EXPECT_EQ(received(a), "");
  EXPECT_EQ(shards_.tables().consumers, 1u);
}

TEST_P(ShardQueue, ConsumesWhatAnAutoSubscriptionWasSentBeforeItUnsubscribed) {
  Peer& a = consumer();
  (void)received(a);
  put("1");
  ShardFixture::write(producer_, "SEND\ndestination:/queue/a\n\n2");
  ShardFixture::write(a, "UNSUBSCRIBE\nid:1\nreceipt:u\n\n");
  shards_.run();
  Peer& b = consumer();
  const std::string all = received(a) + "; " + received(b);
  EXPECT_TRUE(all == "MESSAGE 1 1, RECEIPT u; RECEIPT s, MESSAGE 1 2" ||
              all == "MESSAGE 1 1, MESSAGE 1 2, RECEIPT u; RECEIPT s")
      << all;
}

TEST_P(ShardQueue, TakesBackWhatAnAutoSubscriptionWasNotSent) {
  Peer& a = consumer();
  a.is_reading = false;
  for (int n = 0; n < 20; ++n) put(std::string(30'000, static_cast<char>('a' + n)));
  shards_.reset(a);
  EXPECT_EQ(shards_.tables().consumers, 0u);
  EXPECT_EQ(shards_.tables().queued, 20u);
}

TEST_P(ShardQueue, SubscribesByDestinationIn10) {  // A7.2, A7.7
  Peer& peer = shards_.connected(Transport::kTcp, 0, "1.0");
  shards_.send(peer, "SUBSCRIBE\ndestination:/queue/a\n\n");
  put("1");
  EXPECT_EQ(message(peer, "1").header("subscription"), std::nullopt);
  shards_.send(peer, "UNSUBSCRIBE\ndestination:/queue/a\nreceipt:u\n\n");
  EXPECT_EQ(received(peer), "MESSAGE - 1, RECEIPT u");
  EXPECT_EQ(shards_.tables().consumers, 0u);
}

TEST_P(ShardQueue, GoesByMessageIdIn11) {  // A8.2
  Peer& peer = consumer("ack:client-individual\n", "1.1");
  put("1");
  const std::string id(*message(peer, "1").header("message-id"));
  shards_.send(peer, "ACK\nsubscription:1\nmessage-id:" + id + "\nreceipt:r\n\n");
  EXPECT_EQ(received(peer), "RECEIPT s, MESSAGE 1 1, RECEIPT r");
  EXPECT_EQ(shards_.tables().unsettled, 0u);
}

TEST_P(ShardQueue, IsDurableEnoughForWhoAsksForIt) {
  Peer& peer = consumer("durable:true\nauto-delete:false\n");
  EXPECT_EQ(received(peer), "RECEIPT s");
}

TEST_P(ShardQueue, RefusesASecondSubscriptionOfTheSameId) {
  Peer& peer = consumer();
  shards_.send(peer, "SUBSCRIBE\nid:1\ndestination:/topic/x\n\n");
  EXPECT_EQ(shards_.last_frame(peer).header("message"), "duplicate-subscription");
}

TEST_P(ShardQueue, DropsARepeatedMessageIdAndAnswersItsReceipt) {
  put("1", "message-id:m\nreceipt:a\n");
  put("1", "message-id:m\nreceipt:b\n");
  EXPECT_EQ(received(producer_), "RECEIPT a, RECEIPT b");
  EXPECT_EQ(shards_.tables().queued, 1u);
}

TEST_P(ShardQueue, IsForgottenWhenItHasBeenIdle) {
  Peer& peer = consumer();
  put("1");
  shards_.reset(peer);
  EXPECT_EQ(shards_.tables().queues, 1u);
  shards_.advance(61'000);
  EXPECT_EQ(shards_.tables().queues, 0u);
}

TEST_P(ShardQueue, IsForgottenIfAllThatCameWasARepeatedId) {
  Peer& peer = consumer();
  put("1", "message-id:m\n");
  shards_.reset(peer);
  shards_.advance(61'000);
  put("1", "message-id:m\n");
  shards_.advance(61'000);
  EXPECT_EQ(shards_.tables().queues, 0u);
}

TEST_P(ShardQueue, IsKeptWhileSomethingWaits) {
  put("1");
  shards_.advance(300'000);
  EXPECT_EQ(shards_.tables().queued, 1u);
}

TEST_P(ShardQueue, DrainsWithoutHandingOutMore) {
  Peer& peer = consumer("ack:client-individual\nprefetch-count:1\n");
  put_range(1, 2);
  (void)received(peer);
  shards_.begin_drain();
  EXPECT_EQ(received(peer), "ERROR server-draining, end");
  EXPECT_EQ(shards_.tables().queued, 2u);
}

TEST_P(ShardQueue, RefusesWhatItsHeadersCannotMean) {
  const auto refused = [&](std::string_view headers, std::string_view to = "/queue/a") {
    Peer& peer = shards_.connected();
    shards_.send(peer,
                 "SEND\ndestination:" + std::string(to) + "\n" + std::string(headers) + "\nx");
    return std::string(shards_.last_frame(peer).header("message").value_or(""));
  };
  EXPECT_EQ(refused("priority:high\n"), "malformed-header");
  EXPECT_EQ(refused("expiration:-1\n"), "malformed-header");
  EXPECT_EQ(refused("expires:tomorrow\n"), "malformed-header");
  EXPECT_EQ(refused("AMQ_SCHEDULED_DELAY:\n"), "malformed-header");
  EXPECT_EQ(refused("AMQ_SCHEDULED_CRON:* * * * *\n"), "unsupported-header");
  EXPECT_EQ(refused("AMQ_SCHEDULED_DELAY:5\n", "/topic/a"), "unsupported-header");
}

TEST_P(ShardQueue, RefusesASubscriptionThatItsHeadersCannotMean) {
  const auto refused = [&](std::string_view headers, std::string_view to = "/queue/a") {
    Peer& peer = shards_.connected();
    shards_.send(peer, "SUBSCRIBE\nid:1\ndestination:" + std::string(to) + "\n" +
                           std::string(headers) + "\n");
    return std::string(shards_.last_frame(peer).header("message").value_or(""));
  };
  EXPECT_EQ(refused("x-priority:x\n"), "malformed-header");
  EXPECT_EQ(refused("ack:other\n"), "bad-ack-mode");
  EXPECT_EQ(refused("", "/queue/*"), "bad-destination");
  EXPECT_EQ(refused("", "/queue/a.>"), "bad-destination");
}

// Bounds.

Options small_queues(QueueFullPolicy policy = QueueFullPolicy::kRefuse) {
  Options options;
  options.queue_messages_max = 3;
  options.queue_full_policy = policy;
  options.queue_full_wait_ms = 0;
  options.queue_deliveries_max = 2;
  return options;
}

class SmallQueue : public ShardQueue {
 protected:
  explicit SmallQueue(QueueFullPolicy policy = QueueFullPolicy::kRefuse)
      : ShardQueue(small_queues(policy)) {}
};

INSTANTIATE_TEST_SUITE_P(Shards, SmallQueue, ::testing::Values(1, 2, 4));

TEST_P(SmallQueue, TakesAsManyAsItsBoundAndRefusesOneMore) {
  put_range(1, 3);
  put("4", "receipt:r\n");
  const ServerFrame& error = shards_.last_frame(producer_);
  EXPECT_EQ(error.header("message"), "queue-full");
  EXPECT_EQ(error.header("receipt-id"), "r");
  EXPECT_EQ(producer_.close_reason, CloseReason::kQueueFull);
  EXPECT_EQ(shards_.tables().queued, 3u);
}

TEST_P(SmallQueue, RefusesWithoutAReceiptToo) {
  put_range(1, 4);
  EXPECT_EQ(received(producer_), "ERROR queue-full, end");
}

TEST_P(SmallQueue, TellsTheClientOfTheFirstThatItRefused) {
  put_range(1, 3);
  for (const char* receipt : {"a", "b"}) {
    ShardFixture::write(producer_,
                        "SEND\ndestination:/queue/a\nreceipt:" + std::string(receipt) + "\n\nx");
  }
  shards_.run();
  EXPECT_EQ(received(producer_), "ERROR queue-full, end");
  EXPECT_EQ(shards_.last_frame(producer_).header("receipt-id"), "a");
}

TEST_P(SmallQueue, TellsWhoSaysGoodbyeThatASendWasRefused) {
  put_range(1, 3);
  ShardFixture::write(producer_, "SEND\ndestination:/queue/a\nreceipt:a\n\nx");
  ShardFixture::write(producer_, "DISCONNECT\nreceipt:bye\n\n");
  shards_.run();
  EXPECT_EQ(received(producer_), "ERROR queue-full, end");
  EXPECT_EQ(shards_.last_frame(producer_).header("receipt-id"), "a");
}

TEST_P(SmallQueue, TellsWhoEndsItsStreamThatASendWasRefused) {
  put_range(1, 3);
  ShardFixture::write(producer_, "SEND\ndestination:/queue/a\nreceipt:a\n\nx");
  shards_.deliver(producer_);
  shards_.half_close(producer_);
  EXPECT_EQ(shards_.last_frame(producer_).header("receipt-id"), "a");
}

TEST_P(SmallQueue, DoesNotRememberTheIdOfWhatItRefused) {
  put_range(1, 3);
  put("4", "message-id:again\n");
  Peer& peer = consumer();
  Peer& other = shards_.connected();
  shards_.send(other, "SEND\ndestination:/queue/a\nmessage-id:again\n\n4");
  EXPECT_EQ(received(peer), "RECEIPT s, MESSAGE 1 1, MESSAGE 1 2, MESSAGE 1 3, MESSAGE 1 4");
}

TEST_P(SmallQueue, SendsWhatFailedTooOftenToTheDeadLetters) {
  Peer& peer = consumer("ack:client-individual\n");
  put("bad");
  settle(peer, "bad", "NACK");
  EXPECT_EQ(shards_.tables().unsettled, 1u);
  settle(peer, "bad", "NACK");
  Peer& mourner = consumer("", "1.2", Transport::kTcp, "/queue/dlq.a");
  EXPECT_EQ(message(mourner, "bad").header("dead-letter-reason"), "delivery-limit");
}

class DroppingQueue : public SmallQueue {
 protected:
  DroppingQueue() : SmallQueue(QueueFullPolicy::kDropOldest) {}
};

INSTANTIATE_TEST_SUITE_P(Shards, DroppingQueue, ::testing::Values(1, 2));

TEST_P(DroppingQueue, MakesRoomByDroppingTheOldest) {
  put_range(1, 5);
  Peer& peer = consumer();
  EXPECT_EQ(received(peer), "RECEIPT s, MESSAGE 1 3, MESSAGE 1 4, MESSAGE 1 5");
  EXPECT_EQ(shards_.count(&ShardMetrics::queue_dropped), 2u);
}

class BuryingQueue : public SmallQueue {
 protected:
  BuryingQueue() : SmallQueue(QueueFullPolicy::kDeadLetter) {}
};

INSTANTIATE_TEST_SUITE_P(Shards, BuryingQueue, ::testing::Values(1, 2));

TEST_P(BuryingQueue, MakesRoomByBuryingTheOldest) {
  put_range(1, 4);
  Peer& mourner = consumer("", "1.2", Transport::kTcp, "/queue/dlq.a");
  EXPECT_EQ(message(mourner, "1").header("dead-letter-reason"), "queue-full");
  EXPECT_EQ(shards_.tables().queued, 3u);
}

// What was published and acknowledged adds up, however consumers come and go.
TEST_P(ShardQueue, LosesNothingWhileConsumersComeAndGo) {
  std::multiset<std::string> settled;
  constexpr int kMessages = 300;
  int published = 0;
  for (int round = 0; settled.size() < kMessages; ++round) {
    ASSERT_LT(round, 1'000);
    Peer& peer = consumer(round % 3 == 0 ? "ack:client\nprefetch-count:7\n"
                                         : "ack:client-individual\nprefetch-count:5\n");
    for (int n = 0; n < 10 && published < kMessages; ++n) put(std::to_string(published++));
    std::vector<std::string> bodies;
    for (const ServerFrame& frame : peer.output.frames()) {
      if (frame.command == "MESSAGE") bodies.push_back(frame.body);
    }
    // Settles some and leaves: in client mode the third settles three.
    if (round % 3 == 0 && bodies.size() >= 3) {
      settle(peer, bodies[2]);
      settled.insert(bodies.begin(), bodies.begin() + 3);
    } else if (round % 3 != 0 && !bodies.empty()) {
      settle(peer, bodies.back());
      settled.insert(bodies.back());
    }
    shards_.reset(peer);
    if (round > 200 && shards_.tables().queued == 0) break;
  }
  // A message is dead after 20 failures; here each fails too seldom, or was settled.
  EXPECT_EQ(settled.size() + shards_.tables().queued, static_cast<size_t>(published));
  EXPECT_EQ(std::set<std::string>(settled.begin(), settled.end()).size(), settled.size());
}

}  // namespace
}  // namespace stampede::core
