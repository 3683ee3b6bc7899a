#include <gtest/gtest.h>

#include <string>

#include "tests/core/destination_fixture.h"

namespace stampede::core {
namespace {

using tests::Peer;

class ShardDestination : public tests::DestinationFixture {};

INSTANTIATE_TEST_SUITE_P(Shards, ShardDestination, ::testing::Values(1, 2, 4));

// -- Other names of topics and queues.

TEST_P(ShardDestination, HasTopicsUnderTheNameOfTheirExchange) {
  Peer& by_topic = subscriber("/topic/a.b");
  Peer& by_exchange = subscriber("/exchange/amq.topic/a.b");
  Peer& by_pattern = subscriber("/exchange/amq.topic/a.*");
  put("/exchange/amq.topic/a.b", "1");
  put("/topic/a.b", "2");
  for (Peer* peer : {&by_topic, &by_exchange, &by_pattern}) {
    EXPECT_EQ(received(*peer), "MESSAGE 1 1, MESSAGE 1 2");
    EXPECT_EQ(header(*peer, "destination"), "/topic/a.b");
  }
  put("/exchange/amq.topic/a.b", "3");
  EXPECT_EQ(header(by_topic, "destination"), "/exchange/amq.topic/a.b");
}

TEST_P(ShardDestination, KnowsADuplicateUnderEitherName) {
  Peer& peer = subscriber("/topic/a");
  put("/topic/a", "1", "message-id:m\n");
  put("/exchange/amq.topic/a", "again", "message-id:m\n");
  EXPECT_EQ(received(peer), "MESSAGE 1 1");
}

TEST_P(ShardDestination, GoesByTheExactKeyOfTheDirectExchange) {
  Peer& exact = subscriber("/exchange/amq.direct/a.*");
  Peer& topic = subscriber("/topic/a.*");
  put("/exchange/amq.direct/a.b", "other");
  put("/exchange/amq.direct/a.*", "this");
  EXPECT_EQ(received(exact), "MESSAGE 1 this");
  EXPECT_EQ(received(topic), "");
}

TEST_P(ShardDestination, FansOutWhateverTheRoutingKey) {
  Peer& one = subscriber("/exchange/amq.fanout");
  Peer& other = subscriber("/exchange/amq.fanout/b");
  put("/exchange/amq.fanout/a", "x");
  EXPECT_EQ(received(one), "MESSAGE 1 x");
  EXPECT_EQ(received(other), "MESSAGE 1 x");
  EXPECT_EQ(header(one, "destination"), "/exchange/amq.fanout/a");
}

TEST_P(ShardDestination, HasQueuesUnderTheirNameInRabbitMq) {
  put("/amq/queue/a", "1");
  put("/queue/a", "2");
  Peer& peer = session();
  subscribe(peer, "1", "/amq/queue/a");
  EXPECT_EQ(received(peer), "RECEIPT s, MESSAGE 1 1, MESSAGE 1 2");
  EXPECT_EQ(shards_.tables().queues, 1u);
}

TEST_P(ShardDestination, BuriesInTheDeadLettersOfTheQueueItself) {
  put("/amq/queue/a", "bad");
  Peer& peer = session();
  subscribe(peer, "1", "/queue/a", "ack:client\n");
  shards_.send(peer, "NACK\nid:" + header(peer, "ack") + "\nrequeue:false\n\n");
  Peer& mourner = session();
  subscribe(mourner, "1", "/amq/queue/dlq.a");
  EXPECT_EQ(received(mourner), "RECEIPT s, MESSAGE 1 bad");
  EXPECT_EQ(header(mourner, "original-destination"), "/amq/queue/a");
}

// -- Users.

TEST_P(ShardDestination, ReachesEverySessionOfAUser) {
  Peer& one = subscriber("/user/queue/x", "bob");
  Peer& two = session("bob", "1.2", false);
  subscribe(two, "2", "/user/queue/x");
  Peer& alice = subscriber("/user/queue/x", "alice");
  (void)received(two);
  put("/user/bob/queue/x", "hello");
  EXPECT_EQ(received(one), "MESSAGE 1 hello");
  EXPECT_EQ(received(two), "MESSAGE 2 hello");
  EXPECT_EQ(header(two, "destination"), "/user/queue/x");
  EXPECT_EQ(received(alice), "");
}

TEST_P(ShardDestination, KeepsNothingForAUserWhoIsNotThere) {
  put("/user/bob/queue/x", "lost");
  (void)subscriber("/user/queue/x", "bob");
  EXPECT_EQ(shards_.tables().queues, 0u);
}

TEST_P(ShardDestination, CallsASessionWithoutLoginByItsId) {
  Peer& peer = session();
  const std::string id = header(peer, "session");
  EXPECT_EQ(header(peer, "user-name"), "none");
  subscribe(peer, "1", "/user/queue/x");
  put("/user/" + id + "/queue/x", "hello");
  EXPECT_EQ(received(peer), "RECEIPT s, MESSAGE 1 hello");
}

TEST_P(ShardDestination, SaysTheUserNameInConnected) {
  EXPECT_EQ(header(session("b:o\\b"), "user-name"), "b:o\\b");
  EXPECT_EQ(header(session("bob", "1.0"), "user-name"), "bob");
}

TEST_P(ShardDestination, TakesNamesThatLookLikeDestinations) {
  Peer& odd = subscriber("/user/x", "*/#");
  Peer& bob = subscriber("/user/x", "bob");
  put("/user/*%2F#/x", "odd");
  put("/user/bob/x", "bob");
  EXPECT_EQ(received(odd), "MESSAGE 1 odd");
  EXPECT_EQ(received(bob), "MESSAGE 1 bob");
}

// -- Patterns.

TEST_P(ShardDestination, ShowsPatternsNothingThatIsNotATopic) {
  Peer& witness = session("eve");
  int id = 0;
  for (const char* pattern : {"/#", "#", "/*/*/*/*", "*/**", "user/#", "/*.bob.>", "exchange/#",
                              "/exchange.*.*.*", "queue/#", "temp-queue/#", "/user*"}) {
    subscribe(witness, std::to_string(++id), pattern);
  }
  (void)received(witness);
  (void)subscriber("/user/queue/x", "bob");
  for (const char* destination : {"/user/bob/queue/x", "/exchange/amq.direct/a",
                                  "/exchange/amq.fanout", "/queue/a", "/amq/queue/a"}) {
    put(destination, "secret");
  }
  EXPECT_EQ(received(witness), "");
  put("/topic/a", "seen");
  const std::string seen = received(witness);
  for (const char* of_pattern : {"MESSAGE 1 seen", "MESSAGE 2 seen", "MESSAGE 4 seen"}) {
    EXPECT_NE(seen.find(of_pattern), std::string::npos) << seen;
  }
}

TEST_P(ShardDestination, LeavesEveryTable) {
  for (const char* destination :
       {"/user/queue/x", "/exchange/amq.topic/a", "/exchange/amq.topic/#", "/exchange/amq.direct/a",
        "/exchange/amq.fanout", "/amq/queue/a"}) {
    (void)subscriber(destination, "bob");
  }
  EXPECT_EQ(shards_.tables().subscriptions + shards_.tables().consumers, 6u);
  EXPECT_EQ(left_over(), 0u);
}

}  // namespace
}  // namespace stampede::core
