#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/core/destination_fixture.h"

namespace stampede::core {
namespace {

using tests::Peer;
using tests::ShardFixture;

// Requesters on the last shard, and a replier of /queue/rpc on the first.
class ShardTemporary : public tests::DestinationFixture {
 protected:
  explicit ShardTemporary(const Options& options = {}) : DestinationFixture(options) {
    subscribe(replier_, "rpc", "/queue/rpc");
    EXPECT_EQ(received(replier_), "RECEIPT s");
  }
  // A request that asks for its answer there; what the replier sees as reply-to.
  std::string request(Peer& requester, std::string_view reply_to, std::string_view headers = "") {
    put(requester, "/queue/rpc", "request",
        "reply-to:" + std::string(reply_to) + "\n" + std::string(headers));
    return header(replier_, "reply-to");
  }
  void reply(std::string_view to, std::string_view body, std::string_view headers = "") {
    (void)received(replier_);
    put(replier_, to, body, headers);
    EXPECT_EQ(received(replier_), "RECEIPT r");
  }
  uint64_t dropped() { return shards_.count(&ShardMetrics::temporary_dropped); }

  Peer& replier_ = session("", "1.2", false);
};

INSTANTIATE_TEST_SUITE_P(Shards, ShardTemporary, ::testing::Values(1, 2, 4));

// -- Request and reply.

TEST_P(ShardTemporary, SubscribesWhoAsksForReplies) {
  for (const char* own : {"/temp-queue/r", "/temp-topic/r.s"}) {
    Peer& peer = session();
    const std::string name = request(peer, own);
    EXPECT_TRUE(name.starts_with("/reply-")) << name;
    EXPECT_EQ(received(peer), "RECEIPT r");
    reply(name, "answer");
    EXPECT_EQ(received(peer), "MESSAGE " + std::string(own) + " answer");
    EXPECT_EQ(header(peer, "destination"), own);
  }
}

TEST_P(ShardTemporary, RepliesToWhoSubscribedFirst) {
  for (const char* own : {"/temp-queue/r", "/temp-topic/r"}) {
    Peer& peer = subscriber(own);
    const std::string name = request(peer, own);
    EXPECT_EQ(received(peer), "RECEIPT r");
    reply(name, "answer");
    EXPECT_EQ(received(peer), "MESSAGE 1 answer");
  }
  EXPECT_EQ(shards_.tables().subscriptions + shards_.tables().consumers, 3u);
}

TEST_P(ShardTemporary, SubscribesOnlyOnceForAnyNumberOfRequests) {
  Peer& peer = session();
  const std::string name = request(peer, "/temp-queue/r");
  EXPECT_EQ(request(peer, "/temp-queue/r"), name);
  EXPECT_NE(request(peer, "/temp-queue/other"), name);
  EXPECT_EQ(shards_.tables().consumers, 3u);
}

TEST_P(ShardTemporary, RepliesTo10ByTheDestination) {
  Peer& peer = session("", "1.0");
  shards_.send(peer, "SUBSCRIBE\ndestination:/temp-queue/r\n\n");
  reply(request(peer, "/temp-queue/r"), "answer");
  EXPECT_EQ(received(peer), "RECEIPT r, MESSAGE - answer");
  EXPECT_EQ(header(peer, "destination"), "/temp-queue/r");
}

TEST_P(ShardTemporary, GivesConnectionsTheirOwnUnderOneName) {
  Peer& one = session();
  Peer& other = session();
  const std::string to_one = request(one, "/temp-queue/r");
  const std::string to_other = request(other, "/temp-queue/r");
  (void)(received(one) + received(other));
  reply(to_one, "1");
  reply(to_other, "2");
  EXPECT_EQ(received(one), "MESSAGE /temp-queue/r 1");
  EXPECT_EQ(received(other), "MESSAGE /temp-queue/r 2");
}

TEST_P(ShardTemporary, LetsAConnectionSendToItsOwn) {
  Peer& peer = subscriber("/temp-queue/r");
  put(peer, "/temp-queue/r", "to myself");
  EXPECT_EQ(received(peer), "RECEIPT r, MESSAGE 1 to myself");
}

TEST_P(ShardTemporary, PassesOnAnyOtherReplyTo) {
  Peer& peer = session();
  for (const char* other : {"/queue/answers", "/user/bob/x", "anything", "/temp-queue"}) {
    EXPECT_EQ(request(peer, other), other);
  }
  EXPECT_EQ(request(peer, "/topic/a", "reply-to:/temp-queue/r\n"), "/topic/a");
  EXPECT_EQ(shards_.tables().consumers, 1u);
}

TEST_P(ShardTemporary, KnowsADuplicateReply) {
  Peer& peer = session();
  const std::string name = request(peer, "/temp-queue/r");
  (void)received(peer);
  reply(name, "1", "message-id:m\n");
  reply(name, "again", "message-id:m\n");
  EXPECT_EQ(received(peer), "MESSAGE /temp-queue/r 1");
}

TEST_P(ShardTemporary, TakesRequestsAndRepliesInTransactions) {
  Peer& peer = session();
  shards_.send(peer, "BEGIN\ntransaction:t\n\n");
  put(peer, "/queue/rpc", "request", "reply-to:/temp-queue/r\ntransaction:t\n");
  EXPECT_EQ(received(replier_), "");
  shards_.send(peer, "COMMIT\ntransaction:t\n\n");
  EXPECT_EQ(received(peer), "RECEIPT r");
  const std::string name = header(replier_, "reply-to");
  Peer& gone = session();
  const std::string nowhere = request(gone, "/temp-queue/r");
  shards_.reset(gone);
  (void)received(replier_);
  shards_.send(replier_, "BEGIN\ntransaction:t\n\n");
  for (const std::string& to : {name, nowhere, std::string("/queue/log")}) {
    put(replier_, to, "answer", "transaction:t\n");
  }
  shards_.send(replier_, "COMMIT\ntransaction:t\nreceipt:c\n\n");
  EXPECT_EQ(received(replier_), "RECEIPT r, RECEIPT r, RECEIPT r, RECEIPT c");
  EXPECT_EQ(received(peer), "MESSAGE /temp-queue/r answer");
  EXPECT_EQ(shards_.tables().queued, 1u);
  EXPECT_EQ(dropped(), 1u);
}

// -- Privacy.

TEST_P(ShardTemporary, LetsNobodyElseSubscribe) {
  Peer& peer = session();
  for (const char* own : {"/temp-queue/r", "/temp-topic/r"}) {
    const std::string name = request(peer, own);
    for (const std::string& wanted : {name, std::string("/reply-queue/x"), name + "/x"}) {
      Peer& eve = session();
      subscribe(eve, "1", wanted);
      EXPECT_EQ(error_of(eve), "access-denied") << wanted;
    }
  }
}

TEST_P(ShardTemporary, ShowsItsMessagesToNobodyElse) {
  Peer& eve = session();
  Peer& peer = session();
  const std::string to_queue = request(peer, "/temp-queue/r");
  const std::string to_topic = request(peer, "/temp-topic/r");
  const std::string token = to_queue.substr(std::string_view("/reply-queue/").size());
  int id = 0;
  for (const std::string& wanted :
       {std::string("/#"), std::string("temp-topic/**"), std::string("*/*/*"),
        "/temp-queue/" + token, "/temp-topic/" + token, "temp-topic/" + token,
        "/exchange/amq.topic/" + token, "/queue/" + token}) {
    subscribe(eve, std::to_string(++id), wanted);
  }
  (void)(received(eve) + received(peer));
  reply(to_queue, "1");
  reply(to_topic, "2");
  EXPECT_EQ(received(peer), "MESSAGE /temp-queue/r 1, MESSAGE /temp-topic/r 2");
  EXPECT_EQ(received(eve), "");
}

// -- The end.

TEST_P(ShardTemporary, DropsRepliesToWhoIsGone) {
  for (const char* own : {"/temp-queue/r", "/temp-topic/r"}) {
    const ShardTables before = shards_.tables();
    const uint64_t dropped_before = dropped();
    Peer& peer = session();
    const std::string name = request(peer, own);
    reply(name, "answer");
    shards_.reset(peer);
    reply(name, "late");
    reply(name + ".more", "late");
    EXPECT_EQ(dropped(), dropped_before + 2);
    EXPECT_EQ(shards_.tables().queues, before.queues);
    // Of /queue/rpc and that alone.
    EXPECT_EQ(shards_.tables().destinations, 1u);
  }
}

TEST_P(ShardTemporary, SaysThatNobodyIsThere) {
  Peer& peer = session();
  const std::string name = request(peer, "/temp-queue/r");
  reply(name, "answer", "count-subscriptions:true\n");
  EXPECT_EQ(header(replier_, "subscriptions"), "1");
  shards_.reset(peer);
  reply(name, "late", "count-subscriptions:true\n");
  EXPECT_EQ(header(replier_, "subscriptions"), "0");
}

TEST_P(ShardTemporary, DropsWhatIsSentToMadeUpNames) {
  for (const char* made_up : {"/reply-queue/x", "/reply-queue/", "/reply-topic/0-1-a/x",
                              "/reply-queue/3-1-a/x", "/reply-queue/63-1-a/x"}) {
    put(made_up, "x");
  }
  put(sender_, "/temp-queue/nobody-subscribed", "x");
  EXPECT_EQ(received(sender_), "RECEIPT r");
  EXPECT_EQ(dropped(), 6u);
  EXPECT_EQ(shards_.tables().queues, 1u);
}

TEST_P(ShardTemporary, DropsWhatWaitsWithItsConnection) {
  Peer& peer = subscriber("/temp-queue/r", "", "ack:client-individual\nprefetch-count:1\n");
  const std::string name = request(peer, "/temp-queue/r");
  for (const char* body : {"1", "2", "3"}) reply(name, body);
  EXPECT_EQ(received(peer), "RECEIPT r, MESSAGE 1 1");
  shards_.reset(peer);
  EXPECT_EQ(dropped(), 3u);
  EXPECT_EQ(shards_.tables().queues, 1u);
  EXPECT_EQ(shards_.tables().queue_bytes, 0u);
}

TEST_P(ShardTemporary, BuriesNothingInTheDeadLetters) {
  Peer& peer = subscriber("/temp-queue/r", "", "ack:client-individual\n");
  reply(request(peer, "/temp-queue/r"), "bad");
  shards_.send(peer, "NACK\nid:" + header(peer, "ack") + "\nrequeue:false\n\n");
  EXPECT_EQ(shards_.count(&ShardMetrics::queue_dead_dropped), 1u);
  EXPECT_EQ(shards_.tables().queues, 2u);
}

TEST_P(ShardTemporary, EndsWithTheLastSubscriptionAndBeginsAgain) {
  for (const char* own : {"/temp-queue/r", "/temp-topic/r"}) {
    const uint64_t dropped_before = dropped();
    Peer& peer = subscriber(own);
    subscribe(peer, "2", own);
    const std::string name = request(peer, own);
    unsubscribe(peer, "1");
    reply(name, "1");
    unsubscribe(peer, "2");
    reply(name, "lost");
    EXPECT_EQ(received(peer), "RECEIPT s, RECEIPT r, RECEIPT u, MESSAGE 2 1, RECEIPT u");
    EXPECT_EQ(request(peer, own), name);
    reply(name, "2");
    EXPECT_EQ(received(peer), "RECEIPT r, MESSAGE " + std::string(own) + " 2");
    EXPECT_EQ(dropped(), dropped_before + 1);
  }
}

TEST_P(ShardTemporary, LeavesEveryTable) {
  for (const char* own : {"/temp-queue/a", "/temp-topic/a", "/temp-queue/b.c"}) {
    Peer& peer = session("bob");
    reply(request(peer, own), "answer");
    Peer& first = subscriber(own, "", "ack:client\n");
    reply(request(first, own), "answer");
  }
  EXPECT_EQ(left_over(), 0u);
  EXPECT_EQ(shards_.tables().queues, 1u);
  EXPECT_EQ(shards_.tables().destinations, 1u);
}

TEST_P(ShardTemporary, GivesInADrainWhatNobodyElseWillGet) {
  Peer& peer = session();
  const std::string name = request(peer, "/temp-queue/r");
  peer.is_reading = false;
  for (const char* body : {"1", "2", "3"}) reply(name, body);
  (void)received(peer);
  shards_.begin_drain();
  peer.is_reading = true;
  shards_.run();
  EXPECT_EQ(received(peer),
            "MESSAGE /temp-queue/r 1, MESSAGE /temp-queue/r 2, MESSAGE /temp-queue/r 3, "
            "ERROR server-draining, end");
}

// -- Mistakes and limits.

TEST_P(ShardTemporary, RefusesAReplyToThatCannotBe) {
  for (const char* wrong : {"/temp-queue/", "/temp-topic/a.*"}) {
    Peer& peer = session();
    put(peer, "/topic/a", "x", "reply-to:" + std::string(wrong) + "\n");
    EXPECT_EQ(error_of(peer), "bad-destination") << wrong;
  }
  EXPECT_EQ(received(replier_), "");
}

TEST_P(ShardTemporary, RefusesAReplyToWhoseIdIsTaken) {
  Peer& peer = session();
  subscribe(peer, "/temp-queue/r", "/topic/a");
  put(peer, "/queue/rpc", "x", "reply-to:/temp-queue/r\n");
  EXPECT_EQ(error_of(peer), "duplicate-subscription");
  EXPECT_EQ(received(replier_), "");
}

class ShardTemporaryLimits : public ShardTemporary {
 protected:
  ShardTemporaryLimits() : ShardTemporary({.subscriptions_max = 2, .queue_messages_max = 2}) {}
};

INSTANTIATE_TEST_SUITE_P(Shards, ShardTemporaryLimits, ::testing::Values(1, 2, 4));

TEST_P(ShardTemporaryLimits, CountsTheSubscriptionsOfRepliesAndNotOneMore) {
  Peer& peer = session();
  (void)request(peer, "/temp-queue/1");
  (void)request(peer, "/temp-topic/2");
  (void)request(peer, "/temp-queue/1");
  EXPECT_EQ(received(peer), "RECEIPT r, RECEIPT r, RECEIPT r");
  (void)received(replier_);
  put(peer, "/queue/rpc", "x", "reply-to:/temp-queue/3\n");
  EXPECT_EQ(error_of(peer), "too-many-subscriptions");
  EXPECT_EQ(received(replier_), "");
}

TEST_P(ShardTemporaryLimits, DropsWhatItsConnectionDoesNotReadAndSparesTheReplier) {
  Peer& peer = subscriber("/temp-queue/r", "", "ack:client-individual\nprefetch-count:1\n");
  const std::string name = request(peer, "/temp-queue/r");
  for (const char* body : {"1", "2", "3", "4"}) reply(name, body);
  EXPECT_EQ(dropped(), 2u);
  EXPECT_FALSE(replier_.close_reason.has_value());
  shards_.send(peer, "ACK\nid:" + header(peer, "ack") + "\n\n");
  EXPECT_EQ(received(peer), "RECEIPT r, MESSAGE 1 1, MESSAGE 1 2");
}

// Whoever comes and goes, an answer reaches who asked or nobody, and nothing is left.
TEST_P(ShardTemporary, KeepsAnswersApartWhateverHappens) {
  std::mt19937_64 random(GetParam());
  struct Asked {
    std::string name;  // as the replier saw it
    uint32_t by;
  };
  std::vector<Peer*> present;
  std::vector<Asked> asked;
  for (int n = 0; n < 2'000; ++n) {
    if (present.size() < 6) present.push_back(&session());
    Peer& peer = *present[random() % present.size()];
    const std::string own = std::string(random() % 2 == 0 ? "/temp-queue/" : "/temp-topic/") +
                            std::to_string(random() % 3);
    switch (random() % 8) {
      case 0:
        shards_.reset(peer);
        std::erase(present, &peer);
        break;
      case 1:
        shards_.send(peer, "SUBSCRIBE\nid:" + std::to_string(n) + "\ndestination:" + own + "\n\n");
        break;
      case 2:
      case 3:
        asked.push_back({request(peer, own), peer.handle});
        break;
      default: {
        if (asked.empty()) break;
        const Asked& one = asked[asked.size() - 1 - random() % std::min<size_t>(asked.size(), 8)];
        reply(one.name, "for " + std::to_string(one.by) + ";");
      }
    }
  }
  uint64_t arrived = 0;
  for (const auto& peer : shards_.peers()) {
    for (const auto& frame : peer->output.frames()) {
      if (frame.command != "MESSAGE" || !frame.body.starts_with("for ")) continue;
      EXPECT_EQ(frame.body, "for " + std::to_string(peer->handle) + ";");
      ++arrived;
    }
  }
  EXPECT_GT(arrived, 100u);
  EXPECT_GT(dropped(), 100u);
  EXPECT_EQ(left_over(), 0u);
  EXPECT_EQ(shards_.tables().queues, 1u);
  EXPECT_EQ(shards_.tables().destinations, 1u);
}

}  // namespace
}  // namespace stampede::core
