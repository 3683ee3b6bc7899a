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

// A history of three messages for /topic/kept, with subscribers on the last shard, a publisher on
// the first, and the topic wherever it hashes to.
class ShardRecall : public ::testing::TestWithParam<ShardId> {
 protected:
  static Options options() {
    Options options;
    options.history = {{.pattern = "/topic/kept/#", .messages = 3}};
    return options;
  }
  explicit ShardRecall(const Options& options) : shards_(GetParam(), options) {}
  ShardRecall() : ShardRecall(options()) {}

  Peer& subscriber(std::string_view headers = "", std::string_view destination = "/topic/kept") {
    Peer& peer = shards_.connected(Transport::kTcp, GetParam() - 1);
    subscribe(peer, "1", headers, destination);
    return peer;
  }
  void subscribe(Peer& peer, std::string_view id, std::string_view headers = "",
                 std::string_view destination = "/topic/kept") {
    write_subscribe(peer, id, headers, destination);
    shards_.run();
  }
  static void write_subscribe(Peer& peer, std::string_view id, std::string_view headers = "",
                              std::string_view destination = "/topic/kept") {
    ShardFixture::write(peer, "SUBSCRIBE\nid:" + std::string(id) +
                                  "\ndestination:" + std::string(destination) + "\nreceipt:s\n" +
                                  std::string(headers) + "\n");
  }
  void publish(std::string_view body, std::string_view headers = "",
               std::string_view destination = "/topic/kept") {
    shards_.send(publisher_, "SEND\ndestination:" + std::string(destination) + "\n" +
                                 std::string(headers) + "\n" + std::string(body));
  }
  void publish_range(int from, int to) {
    for (int n = from; n <= to; ++n) publish(std::to_string(n));
  }
  // What the SUBSCRIBE was answered: "true 4" is recovered:true and seq:4.
  static std::string answer(const Peer& peer) {
    for (const ServerFrame& frame : peer.output.frames()) {
      if (frame.command != "RECEIPT") continue;
      return frame.header("recovered").value_or("-") + " " + frame.header("seq").value_or("-");
    }
    return "none";
  }
  static std::string header(const Peer& peer, std::string_view body, std::string_view name) {
    for (const ServerFrame& frame : peer.output.frames()) {
      if (frame.command == "MESSAGE" && frame.body == body) {
        return frame.header(name).value_or("-");
      }
    }
    return "none";
  }
  static std::string received(Peer& peer) { return ShardFixture::received(peer); }
  std::string refused(std::string_view headers, std::string_view destination = "/topic/kept") {
    return received(subscriber(headers, destination));
  }
  std::string refused_without_receipt(std::string_view headers) {
    Peer& peer = shards_.connected(Transport::kTcp, GetParam() - 1);
    shards_.send(peer, "SUBSCRIBE\nid:1\ndestination:/topic/kept\n" + std::string(headers) + "\n");
    return received(peer);
  }

  ShardFixture shards_;
  Peer& publisher_ = shards_.connected();
};

INSTANTIATE_TEST_SUITE_P(Shards, ShardRecall, ::testing::Values(1, 2, 4));

// -- Last values.

TEST_P(ShardRecall, GivesTheLastValueFirst) {
  publish("1", "retain:set\n");
  publish("2", "retain:true\n");
  publish("3");
  Peer& first = subscriber();
  EXPECT_EQ(received(first), "RECEIPT s, MESSAGE 1 2");
  EXPECT_EQ(header(first, "2", "retain"), "true");
  // Interest is there already.
  Peer& second = subscriber();
  EXPECT_EQ(received(second), "RECEIPT s, MESSAGE 1 2");
  publish("4");
  EXPECT_EQ(received(first), "MESSAGE 1 4");
  EXPECT_EQ(received(second), "MESSAGE 1 4");
}

TEST_P(ShardRecall, GivesNothingOnceTheLastValueIsRemoved) {
  publish("1", "retain:set\n");
  Peer& first = subscriber();
  EXPECT_EQ(received(first), "RECEIPT s, MESSAGE 1 1");
  publish("2", "retain:remove\n");
  EXPECT_EQ(received(first), "MESSAGE 1 2");
  EXPECT_EQ(received(subscriber()), "RECEIPT s");
  EXPECT_EQ(shards_.tables().retained, 0u);
}

TEST_P(ShardRecall, GivesALastValueThatWasSetAmongSubscribers) {
  Peer& first = subscriber();
  EXPECT_EQ(received(first), "RECEIPT s");
  publish("1", "retain:set\n");
  EXPECT_EQ(received(first), "MESSAGE 1 1");
  EXPECT_EQ(received(subscriber()), "RECEIPT s, MESSAGE 1 1");
}

TEST_P(ShardRecall, GivesLastValuesOfAllThatAPatternMatches) {
  for (const char* name : {"/topic/a/1", "/topic/a/2", "/topic/a/3", "/topic/b/4"}) {
    publish(std::string(name).substr(8), "retain:set\n", name);
  }
  for (int n = 0; n < 2; ++n) {
    Peer& peer = subscriber("", "/topic/a/*");
    EXPECT_NE(received(peer).find("RECEIPT s"), std::string::npos);
    for (const char* body : {"/1", "/2", "/3"}) EXPECT_NE(header(peer, body, "message-id"), "none");
    EXPECT_EQ(header(peer, "/4", "message-id"), "none");
    EXPECT_EQ(peer.output.frames().size(), 2u + 3);
    publish("new", "", "/topic/a/2");
    EXPECT_EQ(received(peer), "MESSAGE 1 new");
  }
}

TEST_P(ShardRecall, GoesWithoutTheLastValueIfAsked) {
  publish("1", "retain:set\n");
  EXPECT_EQ(received(subscriber("retain:false\n")), "RECEIPT s");
  EXPECT_EQ(received(subscriber("from-seq:-1\n")), "RECEIPT s");
  EXPECT_EQ(received(subscriber("x-stream-offset:next\n")), "RECEIPT s");
}

TEST_P(ShardRecall, KeepsALastValueWithoutAnySubscriber) {
  publish("1", "retain:set\n");
  shards_.advance(10 * 60'000);
  EXPECT_EQ(received(subscriber()), "RECEIPT s, MESSAGE 1 1");
}

TEST_P(ShardRecall, SetsALastValueWhenItsTransactionIsCommitted) {
  shards_.send(publisher_, "BEGIN\ntransaction:t\n\n");
  publish("1", "transaction:t\nretain:set\n");
  EXPECT_EQ(received(subscriber()), "RECEIPT s");
  shards_.send(publisher_, "COMMIT\ntransaction:t\n\n");
  EXPECT_EQ(received(subscriber()), "RECEIPT s, MESSAGE 1 1");
}

// -- Positions.

TEST_P(ShardRecall, ShowsPositionsToWhoAsksForThem) {
  Peer& plain = subscriber();
  Peer& position = subscriber("include-position:true\n");
  Peer& seq = subscriber("include-seq:at\n");
  Peer& offset = subscriber("x-stream-offset:next\n");
  publish_range(1, 2);
  EXPECT_EQ(header(plain, "2", "seq"), "-");
  EXPECT_EQ(header(position, "2", "seq"), "2");
  EXPECT_NE(header(position, "2", "epoch"), "-");
  EXPECT_EQ(header(seq, "2", "at"), "2");
  EXPECT_EQ(header(offset, "2", "x-stream-offset"), "2");
  EXPECT_EQ(header(offset, "2", "seq"), "-");
}

TEST_P(ShardRecall, CountsEachDestinationForItselfInAPattern) {
  Peer& peer = subscriber("include-seq:seq\n", "/topic/kept/#");
  publish("a1", "", "/topic/kept/a");
  publish("a2", "", "/topic/kept/a");
  publish("b1", "", "/topic/kept/b");
  EXPECT_EQ(header(peer, "a2", "seq"), "2");
  EXPECT_EQ(header(peer, "b1", "seq"), "1");
  EXPECT_EQ(header(peer, "a1", "epoch"), header(peer, "b1", "epoch"));
}

TEST_P(ShardRecall, TellsWhereWhoAskedForPositionsBegins) {
  publish_range(1, 2);
  EXPECT_EQ(answer(subscriber("include-position:true\n")), "- 2");
  EXPECT_EQ(answer(subscriber()), "- -");
  publish("3", "retain:set\n");
  EXPECT_EQ(answer(subscriber("include-position:true\n")), "- 2");
}

TEST_P(ShardRecall, SharesALogWithWhoShowsTheSame) {
  subscriber("include-position:true\n");
  subscriber("include-position:true\n");
  EXPECT_EQ(shards_.tables().groups, 1u);
  subscriber();
  EXPECT_EQ(shards_.tables().groups, 2u);
}

// -- Beginning in the past.

TEST_P(ShardRecall, BeginsAtTheSequenceAndGoesOn) {
  publish_range(1, 4);
  Peer& peer = subscriber("from-seq:3\n");
  EXPECT_EQ(received(peer), "RECEIPT s, MESSAGE 1 3, MESSAGE 1 4");
  EXPECT_EQ(answer(peer), "true 2");
  publish("5");
  EXPECT_EQ(received(peer), "MESSAGE 1 5");
}

TEST_P(ShardRecall, SaysThatAGapIsNotClosed) {
  publish_range(1, 5);
  Peer& peer = subscriber("from-seq:2\n");
  EXPECT_EQ(received(peer), "RECEIPT s, MESSAGE 1 3, MESSAGE 1 4, MESSAGE 1 5");
  EXPECT_EQ(answer(peer), "false 2");
}

TEST_P(ShardRecall, BeginsAtTheOldestThatIsKept) {
  publish_range(1, 4);
  for (const char* headers :
       {"from-seq:0\n", "x-stream-offset:first\n", "activemq.retroactive:true\n"}) {
    Peer& peer = subscriber(headers);
    EXPECT_EQ(received(peer), "RECEIPT s, MESSAGE 1 2, MESSAGE 1 3, MESSAGE 1 4") << headers;
    EXPECT_EQ(answer(peer), headers[0] == 'a' ? "- -" : "false 1");
  }
}

TEST_P(ShardRecall, UnderstandsTheOffsetsOfStreams) {
  publish_range(1, 3);
  EXPECT_EQ(received(subscriber("x-stream-offset:last\n")), "RECEIPT s, MESSAGE 1 3");
  EXPECT_EQ(received(subscriber("x-stream-offset:offset=2\n")),
            "RECEIPT s, MESSAGE 1 2, MESSAGE 1 3");
  EXPECT_EQ(received(subscriber("x-stream-offset:offset=0\n")),
            "RECEIPT s, MESSAGE 1 1, MESSAGE 1 2, MESSAGE 1 3");
}

TEST_P(ShardRecall, BeginsAtATime) {
  publish("1");
  shards_.advance(2'000);  // at 3 s of the clock that the tests have
  publish("2");
  Peer& closed = subscriber("x-stream-offset:timestamp=2\n");
  EXPECT_EQ(received(closed), "RECEIPT s, MESSAGE 1 2");
  EXPECT_EQ(answer(closed), "true 1");
  // Who knows what was before the topic was used.
  EXPECT_EQ(answer(subscriber("x-stream-offset:timestamp=1\n")), "false 0");
  publish_range(3, 5);
  Peer& lost = subscriber("x-stream-offset:timestamp=3\n");
  EXPECT_EQ(received(lost), "RECEIPT s, MESSAGE 1 3, MESSAGE 1 4, MESSAGE 1 5");
  EXPECT_EQ(answer(lost), "false 2");
}

TEST_P(ShardRecall, DoesNotTakeASequenceOfAnotherEpoch) {
  publish_range(1, 3);
  Peer& peer = subscriber("include-position:true\nfrom-seq:0\n");
  const std::string epoch = header(peer, "3", "epoch");
  EXPECT_EQ(answer(subscriber("from-seq:3\nfrom-epoch:" + epoch + "\n")), "true 2");
  Peer& other = subscriber("from-seq:3\nfrom-epoch:other\n");
  EXPECT_EQ(answer(other), "false 0");
  EXPECT_EQ(received(other), "RECEIPT s, MESSAGE 1 1, MESSAGE 1 2, MESSAGE 1 3");
}

TEST_P(ShardRecall, GivesWhatAPatternsDestinationsKept) {
  publish("a1", "", "/topic/kept/a");
  publish("b1", "", "/topic/kept/b");
  publish("b2", "", "/topic/kept/b");
  publish("c1", "", "/topic/c");
  Peer& peer = subscriber("from-seq:0\n", "/topic/#");
  EXPECT_EQ(answer(peer), "false -");
  EXPECT_EQ(peer.output.frames().size(), 2u + 3);
  const std::string events = received(peer);
  EXPECT_LT(events.find("b1"), events.find("b2"));
  EXPECT_EQ(header(peer, "c1", "message-id"), "none");
  publish("c2", "", "/topic/c");
  EXPECT_EQ(received(peer), "MESSAGE 1 c2");
}

TEST_P(ShardRecall, WaitsForAcknowledgementsInAReplayToo) {
  publish_range(1, 3);
  Peer& peer = subscriber("from-seq:1\nack:client-individual\nprefetch-count:1\n");
  EXPECT_EQ(received(peer), "RECEIPT s, MESSAGE 1 1");
  publish_range(4, 5);
  for (const char* body : {"1", "2", "3", "4"}) {
    EXPECT_EQ(received(peer), std::string(body) == "1" ? "" : "MESSAGE 1 " + std::string(body));
    shards_.send(peer, "ACK\nid:" + header(peer, body, "ack") + "\n\n");
  }
  EXPECT_EQ(received(peer), "MESSAGE 1 5");
}

TEST_P(ShardRecall, AcknowledgesAReplayAndWhatFollowsAtOnce) {
  Peer& other = subscriber("ack:client\n");
  publish_range(1, 3);
  Peer& peer = subscriber("from-seq:1\nack:client\nprefetch-count:5\n");
  publish_range(4, 9);
  EXPECT_EQ(received(peer),
            "RECEIPT s, MESSAGE 1 1, MESSAGE 1 2, MESSAGE 1 3, MESSAGE 1 4, MESSAGE 1 5");
  shards_.send(peer, "ACK\nid:" + header(peer, "4", "ack") + "\n\n");
  EXPECT_EQ(received(peer), "MESSAGE 1 6, MESSAGE 1 7, MESSAGE 1 8, MESSAGE 1 9");
  EXPECT_FALSE(other.close_reason);
}

TEST_P(ShardRecall, FiltersAReplayToo) {
  publish("1", "colour:red\n");
  publish("2", "colour:blue\n");
  publish("3", "colour:red\n");
  Peer& peer = subscriber("from-seq:0\nselector:colour = 'red'\n");
  EXPECT_EQ(received(peer), "RECEIPT s, MESSAGE 1 1, MESSAGE 1 3");
  publish("4", "colour:blue\n");
  publish("5", "colour:red\n");
  EXPECT_EQ(received(peer), "MESSAGE 1 5");
  EXPECT_EQ(shards_.tables().replays, 1u);  // it lingers
  shards_.advance(3'000);
  EXPECT_EQ(shards_.tables().replays, 0u);
}

// -- What is refused.

TEST_P(ShardRecall, RefusesToResumeWithoutAReceipt) {
  for (const char* headers : {"from-seq:3\n", "x-stream-offset:offset=3\n",
                              "x-stream-offset:timestamp=3\n", "from-seq:3\nfrom-epoch:e\n"}) {
    EXPECT_TRUE(refused_without_receipt(headers).starts_with("ERROR missing-receipt")) << headers;
  }
  EXPECT_EQ(refused_without_receipt("from-seq:0\n"), "");
  EXPECT_EQ(refused_without_receipt("from-seq:-1\n"), "");
}

TEST_P(ShardRecall, RefusesWhatIsNoPosition) {
  for (const char* headers :
       {"from-seq:\n", "from-seq:x\n", "from-seq:-2\n", "from-seq:1.5\n", "from-epoch:e\n",
        "from-seq:0\nfrom-epoch:e\n", "x-stream-offset:now\n", "x-stream-offset:offset=\n",
        "x-stream-offset:offset=-1\n", "x-stream-offset:timestamp=x\n",
        "x-stream-offset:timestamp=99999999999999999\n", "from-seq:1\nx-stream-offset:first\n",
        "include-seq:\n", "include-seq:destination\n", "include-seq:a\\nb\n"}) {
    EXPECT_TRUE(refused(headers).starts_with("ERROR malformed-header")) << headers;
  }
  EXPECT_TRUE(
      refused("include-seq:" + std::string(256, 'x') + "\n").starts_with("ERROR header-too-long"));
  EXPECT_EQ(refused("include-seq:" + std::string(255, 'x') + "\n"), "RECEIPT s");
}

TEST_P(ShardRecall, RefusesASequenceOfAPatternAndAPositionInAQueue) {
  EXPECT_TRUE(refused("from-seq:1\n", "/topic/#").starts_with("ERROR unsupported-header"));
  EXPECT_TRUE(refused("from-seq:0\n", "/queue/a").starts_with("ERROR unsupported-header"));
  EXPECT_TRUE(refused("include-seq:seq\n", "/queue/a").starts_with("ERROR unsupported-header"));
}

TEST_P(ShardRecall, RefusesARetainThatItDoesNotKnow) {
  Peer& peer = shards_.connected();
  shards_.send(peer, "SEND\ndestination:/topic/a\nretain:maybe\n\n");
  EXPECT_TRUE(received(peer).starts_with("ERROR malformed-header"));
  Peer& of_queue = shards_.connected();
  shards_.send(of_queue, "SEND\ndestination:/queue/a\nretain:set\n\n");
  EXPECT_TRUE(received(of_queue).starts_with("ERROR unsupported-header"));
}

}  // namespace
}  // namespace stampede::core
