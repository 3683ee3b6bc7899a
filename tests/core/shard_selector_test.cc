#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "tests/support/shard_fixture.h"

namespace stampede::core {
namespace {

using tests::Peer;
using tests::ServerFrame;
using tests::ShardFixture;

// Subscribers on the last shard that want some of the messages, and a publisher on the first.
class ShardSelector : public ::testing::TestWithParam<ShardId> {
 protected:
  Peer& subscriber(std::string_view selector, std::string_view headers = "",
                   std::string_view destination = "/topic/a", std::string_view id = "1") {
    Peer& peer = shards_.connected(Transport::kTcp, GetParam() - 1);
    subscribe(peer, selector, headers, destination, id);
    return peer;
  }
  void subscribe(Peer& peer, std::string_view selector, std::string_view headers,
                 std::string_view destination, std::string_view id) {
    std::string frame = "SUBSCRIBE\nid:" + std::string(id) +
                        "\ndestination:" + std::string(destination) + "\n" + std::string(headers);
    if (!selector.empty()) frame += "selector:" + std::string(selector) + "\n";
    shards_.send(peer, frame + "\n");
  }
  void publish(std::string_view body, std::string_view headers = "",
               std::string_view destination = "/topic/a") {
    shards_.send(publisher_, "SEND\ndestination:" + std::string(destination) + "\n" +
                                 std::string(headers) + "\n" + std::string(body));
  }
  static std::string received(Peer& peer) { return ShardFixture::received(peer); }

  ShardFixture shards_{GetParam()};
  Peer& publisher_ = shards_.connected();
};

INSTANTIATE_TEST_SUITE_P(Shards, ShardSelector, ::testing::Values(1, 3));

TEST_P(ShardSelector, GivesWhatMatchesAndNothingElse) {
  Peer& peer = subscriber("region = 'eu' AND price > 10");
  publish("1", "region:eu\nprice:11\n");
  publish("2", "region:eu\nprice:9\n");
  publish("3", "region:us\nprice:11\n");
  publish("4");
  EXPECT_EQ(received(peer), "MESSAGE 1 1");
}

TEST_P(ShardSelector, LooksIntoJsonBodies) {
  Peer& peer = subscriber("body.price > 10 AND region = 'eu'");
  publish(R"({"price":10.5})", "region:eu\n");
  publish(R"({"price":10})", "region:eu\n");
  publish("price 11", "region:eu\n");
  EXPECT_EQ(received(peer), R"(MESSAGE 1 {"price":10.5})");
}

TEST_P(ShardSelector, TakesNamesWithHyphens) {
  Peer& peer = subscriber("content-type = 'application/json'");
  publish("1", "content-type:application/json\n");
  publish("2", "content-type:text/plain\n");
  EXPECT_EQ(received(peer), "MESSAGE 1 1");
}

TEST_P(ShardSelector, LeavesOtherSubscribersOfTheTopicAlone) {
  Peer& all = subscriber("");
  Peer& some = subscriber("k = 'v'");
  Peer& same = subscriber("k = 'v'");
  Peer& others = subscriber("k <> 'v'");
  for (const char* headers : {"k:v\n", "k:w\n", ""}) publish(headers, headers);
  EXPECT_EQ(received(all), "MESSAGE 1 k:v\n, MESSAGE 1 k:w\n, MESSAGE 1 ");
  EXPECT_EQ(received(some), "MESSAGE 1 k:v\n");
  EXPECT_EQ(received(same), "MESSAGE 1 k:v\n");
  EXPECT_EQ(received(others), "MESSAGE 1 k:w\n");
  EXPECT_EQ(shards_.tables().groups, 3u);
}

TEST_P(ShardSelector, GoesWithPatternsAndAcknowledgements) {
  Peer& peer = subscriber("k = 'v'", "ack:client\nprefetch-count:1\n", "/topic/*");
  publish("1", "k:v\n");
  publish("2", "k:w\n");
  publish("3", "k:v\n");
  EXPECT_EQ(received(peer), "MESSAGE 1 1");
  const std::string ack(*shards_.last_frame(peer).header("ack"));
  shards_.send(peer, "ACK\nid:" + ack + "\n\n");
  EXPECT_EQ(received(peer), "MESSAGE 1 3");
}

TEST_P(ShardSelector, KeepsTheOrderOverManyMessagesOfOneTurn) {
  Peer& odd = subscriber("n IN ('1', '3', '5')");
  Peer& all = subscriber("");
  for (int n = 1; n <= 6; ++n) {
    ShardFixture::write(publisher_, "SEND\ndestination:/topic/a\nn:" + std::to_string(n) + "\n\n" +
                                        std::to_string(n));
  }
  shards_.run();
  EXPECT_EQ(received(odd), "MESSAGE 1 1, MESSAGE 1 3, MESSAGE 1 5");
  EXPECT_EQ(received(all),
            "MESSAGE 1 1, MESSAGE 1 2, MESSAGE 1 3, MESSAGE 1 4, MESSAGE 1 5, MESSAGE 1 6");
}

TEST_P(ShardSelector, EndsWithItsSubscription) {
  Peer& peer = subscriber("k = 'v'");
  Peer& other = subscriber("k = 'v'");
  shards_.send(peer, "UNSUBSCRIBE\nid:1\nreceipt:u\n\n");
  publish("1", "k:v\n");
  EXPECT_EQ(received(peer), "RECEIPT u");
  EXPECT_EQ(received(other), "MESSAGE 1 1");
  shards_.reset(other);
  publish("2", "k:v\n");
  EXPECT_EQ(shards_.tables().topics, 0u);
  EXPECT_EQ(shards_.tables().log_bytes, 0u);
}

TEST_P(ShardSelector, GoesWithQueues) {
  publish("1", "k:w\n", "/queue/a");
  publish("2", "k:v\n", "/queue/a");
  Peer& picky = subscriber("k = 'v'", "", "/queue/a");
  EXPECT_EQ(received(picky), "MESSAGE 1 2");
  publish(R"({"x":1})", "k:v\n", "/queue/a");
  publish("3", "k:w\n", "/queue/a");
  EXPECT_EQ(received(picky), R"(MESSAGE 1 {"x":1})");
  Peer& any = subscriber("", "", "/queue/a");
  EXPECT_EQ(received(any), "MESSAGE 1 1, MESSAGE 1 3");
}

TEST_P(ShardSelector, ParsesABodyOnceHoweverManyLook) {
  std::vector<Peer*> peers;
  for (int n = 0; n < 20; ++n) {
    peers.push_back(
        &subscriber("body.n > " + std::to_string(n), "", n % 2 == 0 ? "/topic/a" : "/topic/*"));
  }
  for (int n = 0; n < 5; ++n) publish(R"({"n":)" + std::to_string(n) + "}");
  EXPECT_EQ(shards_.count(&ShardMetrics::selector_bodies_parsed), 5u);
  EXPECT_EQ(received(*peers[3]), R"(MESSAGE 1 {"n":4})");
}

TEST_P(ShardSelector, SaysWhereASelectorIsBad) {
  Peer& peer = subscriber("k = ");
  const ServerFrame& error = shards_.last_frame(peer);
  EXPECT_EQ(error.header("message"), "bad-selector");
  EXPECT_NE(error.body.find("column"), std::string::npos) << error.body;
}

TEST_P(ShardSelector, GivesATopicsNoLocalSubscriberWhatOthersSent) {
  subscribe(publisher_, "", "no-local:true\n", "/topic/a", "own");
  Peer& other = shards_.connected();
  subscribe(other, "", "activemq.noLocal:true\n", "/topic/a", "own");
  publish("mine");
  shards_.send(other, "SEND\ndestination:/topic/a\n\ntheirs");
  EXPECT_EQ(received(publisher_), "MESSAGE own theirs");
  EXPECT_EQ(received(other), "MESSAGE own mine");
}

}  // namespace
}  // namespace stampede::core
