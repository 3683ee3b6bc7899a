#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>

#include "tests/support/shard_fixture.h"

namespace stampede::core {
namespace {

using namespace std::string_literals;
using tests::Peer;
using tests::ServerFrame;
using tests::ShardFixture;

constexpr std::string_view kSubscribe = "SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:s\n\n";
constexpr std::string_view kUnsubscribe = "UNSUBSCRIBE\nid:1\nreceipt:u\n\n";

std::string message(std::string_view body, std::string_view headers = "") {
  return "SEND\ndestination:/topic/a\n" + std::string(headers) + "\n" + std::string(body);
}

class Delivery : public ::testing::TestWithParam<ShardId> {
 protected:
  // On the last shard, so that with several one that is not the owner's is among them.
  Peer& subscriber(Transport transport = Transport::kTcp, std::string_view version = "1.2") {
    Peer& peer = shards_.connected(transport, GetParam() - 1, version);
    shards_.send(peer, kSubscribe);
    EXPECT_EQ(shards_.received(peer), "RECEIPT s");
    return peer;
  }

  ShardFixture shards_{GetParam()};
};

TEST_P(Delivery, ReachesEverySubscriberInOrder) {
  Peer& a = subscriber();
  Peer& b = subscriber(Transport::kWebSocket);
  Peer& publisher = shards_.connected();
  for (const char* body : {"1", "2", "3"}) ShardFixture::write(publisher, message(body));
  shards_.run();
  EXPECT_EQ(shards_.received(a), "MESSAGE 1 1, MESSAGE 1 2, MESSAGE 1 3");
  EXPECT_EQ(shards_.received(b), "MESSAGE 1 1, MESSAGE 1 2, MESSAGE 1 3");
  EXPECT_EQ(shards_.received(publisher), "");
}

TEST_P(Delivery, ReachesTheSenderToo) {
  Peer& peer = subscriber();
  shards_.send(peer, message("mine", "receipt:r\n"));
  const std::string got = shards_.received(peer);
  EXPECT_TRUE(got == "RECEIPT r, MESSAGE 1 mine" || got == "MESSAGE 1 mine, RECEIPT r") << got;
}

TEST_P(Delivery, GivesTheHeadersOfTheSendAndNoneOfItsReceipt) {
  Peer& peer = subscriber();
  Peer& publisher = shards_.connected();
  shards_.send(publisher, message("x", "receipt:r\nsubscription:forged\nk:v\n"));
  const ServerFrame& frame = shards_.last_frame(peer);
  EXPECT_EQ(frame.header("subscription"), "1");
  EXPECT_EQ(frame.header("destination"), "/topic/a");
  EXPECT_EQ(frame.header("k"), "v");
  EXPECT_EQ(frame.header("content-length"), "1");
  EXPECT_EQ(frame.header("receipt"), std::nullopt);
  EXPECT_TRUE(frame.header("message-id").has_value());
}

TEST_P(Delivery, GivesEachSubscriptionOfAConnectionItsOwnCopy) {
  Peer& peer = subscriber();
  shards_.send(peer, "SUBSCRIBE\nid:2\ndestination:/topic/a\n\n");
  shards_.send(peer, "SUBSCRIBE\nid:3\ndestination:/topic/*\nreceipt:s3\n\n");
  (void)shards_.received(peer);
  Peer& publisher = shards_.connected();
  shards_.send(publisher, message("x"));
  std::multiset<std::string> ids;
  for (const ServerFrame& frame : peer.output.frames()) {
    if (frame.command == "MESSAGE") ids.insert(frame.header("subscription").value());
  }
  EXPECT_EQ(ids, (std::multiset<std::string>{"1", "2", "3"}));
}

TEST_P(Delivery, AnswersASendOnceItIsNumbered) {
  Peer& publisher = shards_.connected();
  shards_.send(publisher, message("x", "receipt:r1\n"));
  EXPECT_EQ(shards_.received(publisher), "RECEIPT r1");
  EXPECT_EQ(shards_.count(&ShardMetrics::messages_published), 1u);
}

TEST_P(Delivery, DropsAnIdItKnowsButAnswersIt) {
  Peer& peer = subscriber();
  Peer& publisher = shards_.connected();
  shards_.send(publisher, message("first", "message-id:m\nreceipt:r1\n"));
  shards_.send(publisher, message("again", "message-id:m\nreceipt:r2\n"));
  EXPECT_EQ(shards_.received(publisher), "RECEIPT r1, RECEIPT r2");
  EXPECT_EQ(shards_.received(peer), "MESSAGE 1 first");
  EXPECT_EQ(shards_.last_frame(peer).header("message-id"), "m");
  EXPECT_EQ(shards_.count(&ShardMetrics::messages_duplicate), 1u);
}

TEST_P(Delivery, BreaksTheCircleOfABridge) {
  Peer& bridge = subscriber();
  Peer& publisher = shards_.connected();
  shards_.send(publisher, message("x"));
  EXPECT_EQ(shards_.received(bridge), "MESSAGE 1 x");
  const std::string id = shards_.last_frame(bridge).header("message-id").value();
  shards_.send(bridge, message("x", "message-id:" + id + "\n"));
  EXPECT_EQ(shards_.received(bridge), "");
}

TEST_P(Delivery, GivesNothingAfterTheReceiptOfUnsubscribe) {
  Peer& peer = subscriber();
  Peer& publisher = shards_.connected();
  shards_.send(peer, kUnsubscribe);
  EXPECT_EQ(shards_.received(peer), "RECEIPT u");
  shards_.send(publisher, message("late"));
  EXPECT_EQ(shards_.received(peer), "");
  EXPECT_EQ(shards_.tables().subscriptions, 0u);
  EXPECT_EQ(shards_.tables().interested, 0u);
}

TEST_P(Delivery, FlushesWhatWasAppendedBeforeTheReceiptOfUnsubscribe) {
  Peer& peer = subscriber();
  Peer& publisher = shards_.connected();
  peer.is_reading = false;
  shards_.send(publisher, message("in flight"));
  shards_.send(publisher, message("appended"));
  shards_.send(publisher, message(std::string(40'000, 'x')));
  shards_.send(peer, kUnsubscribe);
  shards_.send(publisher, message("too late"));
  peer.is_reading = true;
  shards_.run();
  EXPECT_EQ(shards_.received(peer),
            "MESSAGE 1 in flight, MESSAGE 1 appended, MESSAGE 1 40000 octets, RECEIPT u");
  EXPECT_EQ(shards_.tables().cursors, 0u);
  EXPECT_EQ(shards_.tables().log_bytes, 0u);
}

TEST_P(Delivery, LetsTheSameIdBeUsedAgain) {
  Peer& peer = subscriber();
  Peer& publisher = shards_.connected();
  peer.is_reading = false;
  shards_.send(publisher, message("old"));
  shards_.send(peer, kUnsubscribe);
  shards_.send(publisher, message("between"));
  shards_.send(peer, kSubscribe);
  shards_.send(publisher, message("new"));
  peer.is_reading = true;
  shards_.run();
  EXPECT_EQ(shards_.received(peer), "MESSAGE 1 old, RECEIPT u, RECEIPT s, MESSAGE 1 new");
}

TEST_P(Delivery, BatchesWhatComesWhileASendIsUnderWay) {
  Peer& peer = subscriber();
  Peer& publisher = shards_.connected();
  peer.is_reading = false;
  const uint64_t sends_before = shards_.count(&ShardMetrics::sends);
  for (int n = 0; n < 50; ++n) shards_.send(publisher, message(std::to_string(n)));
  peer.is_reading = true;
  shards_.run();
  EXPECT_EQ(shards_.count(&ShardMetrics::sends) - sends_before, 2u);
  EXPECT_TRUE(shards_.received(peer).ends_with("MESSAGE 1 49"));
}

TEST_P(Delivery, SendsAtMostAboutTheLimitAtOnce) {
  Peer& peer = subscriber();
  Peer& publisher = shards_.connected();
  peer.is_reading = false;
  for (int n = 0; n < 40; ++n) ShardFixture::write(publisher, message(std::string(6'000, 'x')));
  shards_.run();
  while (peer.has_operation) {
    EXPECT_LE(peer.sending_copy.size(), 2 * Options{}.send_bytes_max);
    EXPECT_LE(peer.sending.size(), kSendSpansMax);
    shards_.complete(peer);
    shards_.run();
  }
  EXPECT_EQ(peer.output.frames().size(), 42u);
}

TEST_P(Delivery, GoesInTheFramingThatConnectCameIn) {
  Peer& text = subscriber(Transport::kWebSocket);
  Peer& binary = shards_.ws(GetParam() - 1);
  const auto send_binary = [&](std::string_view frame) {
    shards_.send_raw(
        binary, ShardFixture::on_wire(binary, std::string(frame) + '\0', proto::WsOpcode::kBinary));
  };
  send_binary("CONNECT\naccept-version:1.2\n\n");
  send_binary(kSubscribe);
  shards_.send(binary, message("text from a binary client"));
  for (const ServerFrame& frame : binary.output.frames())
    EXPECT_TRUE(frame.is_binary) << frame.command;
  for (const ServerFrame& frame : text.output.frames())
    EXPECT_FALSE(frame.is_binary) << frame.command;
  EXPECT_EQ(shards_.received(binary),
            "CONNECTED 1.2, RECEIPT s, MESSAGE 1 text from a binary client");
  EXPECT_EQ(shards_.received(text), "MESSAGE 1 text from a binary client");
}

TEST_P(Delivery, SendsWhatIsNotUtf8AsBinary) {
  Peer& peer = subscriber(Transport::kWebSocket);
  Peer& publisher = shards_.connected();
  shards_.send(publisher, message("\xff\xfe"));
  EXPECT_TRUE(shards_.last_frame(peer).is_binary);
  EXPECT_EQ(shards_.last_frame(peer).body, "\xff\xfe");
  shards_.send(publisher, message("\xc3\xa4"));
  EXPECT_FALSE(shards_.last_frame(peer).is_binary);
}

TEST_P(Delivery, SendsAsTextOnlyWhatIsUtf8HoweverItCame) {
  Peer& peer = subscriber(Transport::kWebSocket);
  Peer& publisher = shards_.connected(Transport::kWebSocket);
  const std::string good = message("\xc3\xa4", "x:\xc3\xb6\n") + '\0';
  const std::string bad_head = message("", "x:\xff\n") + '\0';
  const std::string bad_body = message("\xff") + '\0';
  const auto send = [&](std::string_view octets, proto::WsOpcode opcode) {
    shards_.send_raw(publisher, ShardFixture::on_wire(publisher, octets, opcode));
  };
  using enum proto::WsOpcode;
  // Another frame begins behind each good one, in a message of the other kind than it ends in.
  for (const std::string& bad : {bad_head, bad_body}) {
    const size_t cut = bad.find('\xff');
    send(bad, kBinary);
    EXPECT_TRUE(shards_.last_frame(peer).is_binary);
    send(good + bad.substr(0, cut), kText);
    EXPECT_FALSE(shards_.last_frame(peer).is_binary);
    send(bad.substr(cut) + good, kBinary);
    EXPECT_FALSE(shards_.last_frame(peer).is_binary);
    send(good + bad.substr(0, cut + 1), kBinary);
    EXPECT_FALSE(shards_.last_frame(peer).is_binary);
    send(bad.substr(cut + 1), kText);
    EXPECT_TRUE(shards_.last_frame(peer).is_binary);
    send(good, kText);
    EXPECT_FALSE(shards_.last_frame(peer).is_binary);
  }
  size_t binary = 0;
  for (const ServerFrame& frame : peer.output.frames()) binary += frame.is_binary ? 1 : 0;
  EXPECT_EQ(binary, 6u);
}

TEST_P(Delivery, KeepsNulsAndLineEndsOfABody) {
  Peer& peer = subscriber(Transport::kWebSocket);
  Peer& publisher = shards_.connected();
  const std::string body("a\0b\r\nc\n\n\0", 9);
  shards_.send(publisher, message(body, "content-length:9\n"));
  EXPECT_EQ(shards_.last_frame(peer).body, body);
}

TEST_P(Delivery, EscapesForTheVersionOfEachReader) {
  Peer& v10 = subscriber(Transport::kTcp, "1.0");
  Peer& v11 = subscriber(Transport::kTcp, "1.1");
  Peer& v12 = subscriber(Transport::kTcp, "1.2");
  Peer& publisher = shards_.connected();
  shards_.send(publisher, message("x", "colon:a\\cb\ncr:a\\rb\nlf:a\\nb\n"));
  EXPECT_EQ(shards_.last_frame(v12).header("cr"), "a\rb");
  EXPECT_EQ(shards_.last_frame(v12).header("lf"), "a\nb");
  EXPECT_EQ(shards_.last_frame(v11).header("cr"), std::nullopt);
  EXPECT_EQ(shards_.last_frame(v11).header("lf"), "a\nb");
  EXPECT_EQ(shards_.last_frame(v10).header("lf"), std::nullopt);
  for (const Peer* peer : {&v10, &v11, &v12})
    EXPECT_EQ(shards_.last_frame(*peer).header("colon"), "a:b");
  EXPECT_EQ(shards_.count(&ShardMetrics::headers_unexpressible), 3u);
}

TEST_P(Delivery, GoesByDestinationInAnOldSessionWithoutId) {
  Peer& peer = shards_.connected(Transport::kTcp, GetParam() - 1, "1.0");
  shards_.send(peer, "SUBSCRIBE\ndestination:/topic/a\nreceipt:s\n\n");
  shards_.send(peer, message("x"));
  EXPECT_EQ(shards_.received(peer), "RECEIPT s, MESSAGE - x");
  shards_.send(peer, "UNSUBSCRIBE\ndestination:/topic/a\nreceipt:u\n\n");
  EXPECT_EQ(shards_.received(peer), "RECEIPT u");
  shards_.send(peer, "UNSUBSCRIBE\ndestination:/topic/a\n\n");
  EXPECT_EQ(shards_.received(peer), "ERROR unknown-subscription, end");
}

TEST_P(Delivery, FollowsPatternsThatComeAndGo) {
  Peer& peer = shards_.connected(Transport::kTcp, GetParam() - 1);
  Peer& publisher = shards_.connected();
  shards_.send(publisher, message("0"));
  shards_.send(peer, "SUBSCRIBE\nid:star\ndestination:/topic/*\nreceipt:s\n\n");
  shards_.send(publisher, message("1"));
  shards_.send(peer, "SUBSCRIBE\nid:rest\ndestination:#\nreceipt:s\n\n");
  shards_.send(publisher, message("2"));
  shards_.send(peer, "UNSUBSCRIBE\nid:star\nreceipt:u\n\n");
  shards_.send(publisher, message("3"));
  const std::string got = shards_.received(peer);
  EXPECT_TRUE(got ==
                  "RECEIPT s, MESSAGE star 1, RECEIPT s, MESSAGE star 2, MESSAGE rest 2, RECEIPT "
                  "u, MESSAGE rest 3" ||
              got ==
                  "RECEIPT s, MESSAGE star 1, RECEIPT s, MESSAGE rest 2, MESSAGE star 2, RECEIPT "
                  "u, MESSAGE rest 3")
      << got;
}

TEST_P(Delivery, HoldsNoMemoryOnceAllHaveRead) {
  Peer& peer = subscriber();
  Peer& publisher = shards_.connected();
  peer.is_reading = false;
  for (int n = 0; n < 20; ++n) shards_.send(publisher, message(std::string(5'000, 'x')));
  EXPECT_GE(shards_.tables().log_bytes, 100'000u);
  peer.is_reading = true;
  shards_.run();
  EXPECT_EQ(shards_.tables().log_bytes, 0u);
  EXPECT_EQ(shards_.tables().cursors, 1u);
}

INSTANTIATE_TEST_SUITE_P(Shard, Delivery, ::testing::Values(1, 2, 5), [](const auto& of) {
  return "With" + std::to_string(of.param) + "Shards";
});

TEST(Shard, AnswersSubscribeOnlyOnceRoutingIsLive) {
  for (const bool is_pattern : {false, true}) {
    ShardFixture shards(3);
    const std::string topic = shards.topic_owned_by(2);
    Peer& peer = shards.connected(Transport::kTcp, 0);
    ShardFixture::write(peer, "SUBSCRIBE\nid:1\ndestination:" + (is_pattern ? "/topic/*"s : topic) +
                                  "\nreceipt:s\n\n");
    shards.deliver(peer);
    (void)shards.shard(0).post_mail();
    EXPECT_FALSE(shards.flush_one(0)) << "no receipt before the owner knows";
    (void)shards.shard(2).take_mail(10, shards.now());
    (void)shards.shard(2).post_mail();
    (void)shards.shard(0).take_mail(10, shards.now());
    EXPECT_EQ(shards.flush_one(0), !is_pattern) << "a pattern waits for every owner";
    shards.run();
    EXPECT_EQ(shards.received(peer), "RECEIPT s");
  }
}

TEST(Shard, DeliversEverythingNumberedAfterTheReceiptOfSubscribe) {
  ShardFixture shards(2);
  const std::string topic = shards.topic_owned_by(1);
  Peer& peer = shards.connected(Transport::kTcp, 0);
  Peer& publisher = shards.connected(Transport::kTcp, 1);
  ShardFixture::write(peer, "SUBSCRIBE\nid:1\ndestination:" + topic + "\nreceipt:s\n\n");
  shards.deliver(peer);
  (void)shards.shard(0).post_mail();
  (void)shards.shard(1).take_mail(10, shards.now());
  // The owner knows, the receipt is under way.
  ShardFixture::write(publisher, "SEND\ndestination:" + topic + "\n\nx");
  shards.deliver(publisher);
  shards.run();
  EXPECT_EQ(shards.received(peer), "RECEIPT s, MESSAGE 1 x");
}

TEST(Shard, AnswersInTheOrderOfTheFramesWhateverOwnersTake) {
  ShardFixture shards(3);
  Peer& peer = shards.connected();
  const std::string near = shards.topic_owned_by(0);
  for (const auto& [topic, receipt] :
       {std::pair(shards.topic_owned_by(1), "1"), std::pair(near, "2"),
        std::pair(shards.topic_owned_by(2), "3"), std::pair(near, "4")}) {
    ShardFixture::write(peer, "SEND\ndestination:" + topic + "\nreceipt:" + receipt + "\n\n");
  }
  shards.deliver(peer);
  EXPECT_FALSE(shards.flush_one(0));
  shards.run();
  EXPECT_EQ(shards.received(peer), "RECEIPT 1, RECEIPT 2, RECEIPT 3, RECEIPT 4");
}

TEST(Shard, PostsOneEnvelopeToEachShardWithInterest) {
  ShardFixture shards(3);
  const std::string topic = shards.topic_owned_by(0);
  for (int n = 0; n < 20; ++n) {
    Peer& peer = shards.connected(Transport::kTcp, static_cast<ShardId>(1 + n % 2));
    shards.send(peer, "SUBSCRIBE\nid:" + std::to_string(n % 3) + "\ndestination:" + topic + "\n\n");
  }
  EXPECT_EQ(shards.tables().interested, 2u);
  EXPECT_EQ(shards.tables().groups, 6u);
  EXPECT_EQ(shards.tables().topics, 2u);
}

TEST(Shard, MergesSubscribersWithTheSameIdAndWire) {
  ShardFixture shards;
  const auto subscribe = [&](Transport transport, std::string_view version, std::string_view id) {
    Peer& peer = shards.connected(transport, 0, version);
    shards.send(peer, "SUBSCRIBE\nid:" + std::string(id) + "\ndestination:/topic/a\n\n");
    return shards.tables().groups;
  };
  EXPECT_EQ(subscribe(Transport::kTcp, "1.2", "1"), 1u);
  EXPECT_EQ(subscribe(Transport::kTcp, "1.2", "1"), 1u);
  EXPECT_EQ(subscribe(Transport::kTcp, "1.1", "1"), 2u);
  EXPECT_EQ(subscribe(Transport::kWebSocket, "1.2", "1"), 3u);
  EXPECT_EQ(subscribe(Transport::kTcp, "1.2", "2"), 4u);
  EXPECT_EQ(subscribe(Transport::kWebSocket, "1.2", "1"), 4u);
  EXPECT_EQ(shards.tables().topics, 1u);
}

// Readers of one topic in groups of their own.
class Groups : public ::testing::Test {
 protected:
  static constexpr int kReaders = 3;

  Groups() {
    for (int n = 0; n < kReaders; ++n) {
      readers_[n] = &shards_.connected();
      shards_.send(*readers_[n],
                   "SUBSCRIBE\nid:" + std::to_string(n) + "\ndestination:/topic/a\n\n");
    }
    publisher_ = &shards_.connected();
  }
  // Taken in, but not fanned out.
  void publish(std::string_view body) {
    ShardFixture::write(*publisher_, message(body));
    shards_.deliver(*publisher_);
  }
  Shard& shard() { return shards_.shard(0); }
  std::string received(int reader) { return shards_.received(*readers_[reader]); }

  ShardFixture shards_;
  Peer* readers_[kReaders];
  Peer* publisher_;
};

TEST_F(Groups, AreFilledAFewInATurn) {
  publish("x");
  EXPECT_TRUE(shard().is_gathering());
  EXPECT_EQ(shard().ready_count(), 0u);
  for (size_t filled = 1; filled <= kReaders; ++filled) {
    EXPECT_TRUE(shard().is_gathering());
    shard().fan_out(1, shards_.now());
    EXPECT_EQ(shard().ready_count(), filled);
  }
  EXPECT_FALSE(shard().is_gathering());
  shards_.run();
  for (int n = 0; n < kReaders; ++n) EXPECT_EQ(received(n), "MESSAGE " + std::to_string(n) + " x");
}

TEST_F(Groups, GetWhatComesWhileTheyAreFilledBehindIt) {
  publish("x");
  publish("y");
  shard().fan_out(2, shards_.now());
  publish("z");
  shards_.run();
  for (int n = 0; n < kReaders; ++n) {
    const std::string head = "MESSAGE " + std::to_string(n);
    EXPECT_EQ(received(n), head + " x, " + head + " y, " + head + " z");
  }
}

TEST_F(Groups, ThatComeOrGoWhileTheyAreFilledGetWhatIsTheirs) {
  publish("x");
  shard().fan_out(1, shards_.now());
  ShardFixture::write(*readers_[2], "UNSUBSCRIBE\nid:2\nreceipt:u\n\n");
  shards_.deliver(*readers_[2]);
  EXPECT_FALSE(shard().is_gathering()) << "what it was to get was settled first";
  ShardFixture::write(*readers_[0], "SUBSCRIBE\nid:late\ndestination:/topic/a\n\n");
  shards_.deliver(*readers_[0]);
  publish("y");
  shards_.run();
  EXPECT_EQ(received(0), "MESSAGE 0 x, MESSAGE 0 y, MESSAGE late y");
  EXPECT_EQ(received(1), "MESSAGE 1 x, MESSAGE 1 y");
  EXPECT_EQ(received(2), "MESSAGE 2 x, RECEIPT u");
}

TEST_F(Groups, ThatAllGoInBetweenHoldNothing) {
  publish("x");
  shard().fan_out(1, shards_.now());
  for (Peer* reader : readers_) {
    shard().peer_closed(*reader->client, true, "reset", shards_.now());
  }
  EXPECT_FALSE(shard().is_gathering());
  EXPECT_EQ(shards_.tables().topics, 0u);
  EXPECT_EQ(shards_.tables().log_bytes, 0u);
}

}  // namespace
}  // namespace stampede::core
