#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/shard_fixture.h"

namespace stampede::core {
namespace {

using namespace std::string_literals;
using tests::Peer;
using tests::ServerFrame;
using tests::ShardFixture;

// One way to go wrong, in a session that is open (and has subscription 1 to /topic/a) or before
// CONNECT.
struct Mistake {
  const char* name;
  std::string frame;  // asks for the receipt r7 unless the error comes before that header
  const char* token;
  const char* names;  // what the sentence must name: a header or a flag
  int close_code;
  bool before_connect = false;
};

void PrintTo(const Mistake& mistake, std::ostream* out) { *out << mistake.name; }

std::string header_lines(size_t count) {
  std::string lines;
  for (size_t n = 0; n < count; ++n) lines += "x:y\n";
  return lines;
}

std::string repeated_levels(size_t count) {
  std::string name = "a";
  for (size_t n = 1; n < count; ++n) name += ".a";
  return name;
}

std::string repeated_parts(size_t count) {
  std::string parts;
  for (size_t n = 0; n < count; ++n) parts += ",/a";
  return parts;
}

const Options kDefaults;

const std::vector<Mistake> kMistakes = {
    {"VersionNotSupported", "CONNECT\naccept-version:2.0\nreceipt:r7\n\n", "version-not-supported",
     "accept-version", 1002, true},
    {"NotConnected", "SEND\ndestination:/topic/a\nreceipt:r7\n\nx", "not-connected", "CONNECT",
     1002, true},
    {"AlreadyConnected", "CONNECT\naccept-version:1.2\nreceipt:r7\n\n", "already-connected",
     "session", 1002},
    {"SendWithoutDestination", "SEND\nreceipt:r7\n\nx", "missing-destination", "destination", 1002},
    {"SubscribeWithoutDestination", "SUBSCRIBE\nid:2\nreceipt:r7\n\n", "missing-destination",
     "destination", 1002},
    {"SubscribeWithoutId", "SUBSCRIBE\ndestination:/topic/a\nreceipt:r7\n\n", "missing-id", "id",
     1002},
    {"UnsubscribeWithoutId", "UNSUBSCRIBE\ndestination:/topic/a\nreceipt:r7\n\n", "missing-id",
     "id", 1002},
    {"UnknownCommand", "FOO\nreceipt:r7\n\n", "unknown-command", "command", 1002},
    {"UnknownCommandBeforeConnect", "FOO\nreceipt:r7\n\n", "unknown-command", "command", 1002,
     true},
    {"CommandOfAServer", "MESSAGE\nreceipt:r7\n\n", "unknown-command", "command", 1002},
    {"AcknowledgementWithoutId", "ACK\nreceipt:r7\n\n", "missing-id", "id", 1002},
    {"AcknowledgementOfNothing", "NACK\nid:1-1\nreceipt:r7\n\n", "unknown-ack", "id", 1002},
    {"TransactionWithoutName", "BEGIN\nreceipt:r7\n\n", "missing-transaction", "transaction", 1002},
    {"HeartBeatOfLetters", "CONNECT\naccept-version:1.2\nheart-beat:a,b\nreceipt:r7\n\n",
     "bad-heart-beat", "heart-beat", 1002, true},
    {"HeartBeatOfOneNumber", "CONNECT\naccept-version:1.2\nheart-beat:1\nreceipt:r7\n\n",
     "bad-heart-beat", "heart-beat", 1002, true},
    {"HeartBeatOfThreeNumbers", "CONNECT\naccept-version:1.2\nheart-beat:1,2,3\nreceipt:r7\n\n",
     "bad-heart-beat", "heart-beat", 1002, true},
    {"NegativeHeartBeat", "CONNECT\naccept-version:1.2\nheart-beat:-1,0\nreceipt:r7\n\n",
     "bad-heart-beat", "heart-beat", 1002, true},
    {"CreditOfLetters",
     "SUBSCRIBE\nid:2\ndestination:/topic/a\nack:client\nprefetch-count:all\nreceipt:r7\n\n",
     "malformed-header", "prefetch-count", 1002},
    {"AckUnknown", "SUBSCRIBE\nid:2\ndestination:/topic/a\nack:weird\nreceipt:r7\n\n",
     "bad-ack-mode", "ack", 1002},
    {"EmptyDestination", "SEND\ndestination:\nreceipt:r7\n\nx", "bad-destination", "destination",
     1002},
    {"LongDestination",
     "SEND\ndestination:" + std::string(kDefaults.destination_bytes_max + 1, 'x') +
         "\nreceipt:r7\n\n",
     "bad-destination", "--max-destination-length", 1002},
    {"DeepDestination",
     "SUBSCRIBE\nid:2\ndestination:" + repeated_levels(kDefaults.destination_levels_max + 1) +
         "\nreceipt:r7\n\n",
     "bad-destination", "--max-destination-levels", 1002},
    {"RestThatIsNotLast", "SUBSCRIBE\nid:2\ndestination:/topic/#/a\nreceipt:r7\n\n",
     "bad-destination", "last", 1002},
    {"OtherDestination", "SEND\ndestination:/dsub/a\nreceipt:r7\n\nx", "unsupported-destination",
     "durable", 1002},
    {"OtherExchange", "SEND\ndestination:/exchange/a/b\nreceipt:r7\n\nx", "unsupported-destination",
     "amq.topic, amq.direct and amq.fanout", 1002},
    {"ExchangeWithoutKey", "SEND\ndestination:/exchange/amq.topic\nreceipt:r7\n\nx",
     "bad-destination", "amq.topic/{key}", 1002},
    {"UserWithoutDestination", "SEND\ndestination:/user/bob\nreceipt:r7\n\nx", "bad-destination",
     "/user/{name}/", 1002},
    {"TemporaryWithoutName", "SUBSCRIBE\nid:2\ndestination:/temp-queue/\nreceipt:r7\n\n",
     "bad-destination", "/temp-queue/{name}", 1002},
    {"ForeignDestination", "SUBSCRIBE\nid:2\ndestination:/reply-queue/0-9-x/a\nreceipt:r7\n\n",
     "access-denied", "another connection", 1008},
    {"ManyParts",
     "SEND\ndestination:/a" + repeated_parts(kDefaults.composite_destinations_max) +
         "\nreceipt:r7\n\nx",
     "bad-destination", "--max-composite-destinations", 1002},
    {"UserPattern", "SUBSCRIBE\nid:2\ndestination:/user/queue/*\nreceipt:r7\n\n", "bad-destination",
     "user", 1002},
    {"QueuePattern", "SUBSCRIBE\nid:2\ndestination:/queue/*\nreceipt:r7\n\n", "bad-destination",
     "queue", 1002},
    {"Selector", "SUBSCRIBE\nid:2\ndestination:/topic/a\nselector:a = \nreceipt:r7\n\n",
     "bad-selector", "column", 1002},
    {"DurableSubscription",
     "SUBSCRIBE\nid:2\ndestination:/topic/a\nactivemq.subscriptionName:x\nreceipt:r7\n\n",
     "unsupported-header", "durable", 1002},
    {"DurableSubscriptionByFlag",
     "SUBSCRIBE\nid:2\ndestination:/topic/a\ndurable:true\nreceipt:r7\n\n", "unsupported-header",
     "durable", 1002},
    {"UnknownTransaction", "SEND\ndestination:/topic/a\ntransaction:t\nreceipt:r7\n\nx",
     "unknown-transaction", "transaction", 1002},
    {"SubscriptionTwice", "SUBSCRIBE\nid:1\ndestination:/topic/b\nreceipt:r7\n\n",
     "duplicate-subscription", "id", 1002},
    {"UnknownSubscription", "UNSUBSCRIBE\nid:2\nreceipt:r7\n\n", "unknown-subscription", "id",
     1002},
    {"LongSubscriptionId",
     "SUBSCRIBE\ndestination:/topic/a\nid:" +
         std::string(kDefaults.subscription_id_bytes_max + 1, 'x') + "\nreceipt:r7\n\n",
     "header-too-long", "--max-subscription-id-length", 1009},
    {"LargeFrame",
     "SEND\nreceipt:r7\ndestination:/topic/a\ncontent-length:" +
         std::to_string(kDefaults.frame_bytes_max) + "\n\n",
     "frame-too-large", "--max-frame-size", 1009},
    {"LargeFrameBeforeConnect",
     "CONNECT\nreceipt:r7\ncontent-length:" +
         std::to_string(kDefaults.frame_bytes_before_connect_max) + "\n\n",
     "frame-too-large", "--max-frame-size", 1009, true},
    {"ManyHeaders", "SEND\nreceipt:r7\n" + header_lines(kDefaults.headers_max) + "\n",
     "too-many-headers", "--max-headers", 1009},
    {"LongHeader",
     "SEND\nreceipt:r7\nx:" + std::string(kDefaults.header_line_bytes_max, 'y') + "\n\n",
     "header-too-long", "--max-header", 1009},
    {"HeaderWithoutColon", "SEND\nreceipt:r7\nno colon\n\n", "malformed-header", "", 1002},
    {"ContentLengthOfLetters", "SEND\nreceipt:r7\ndestination:/topic/a\ncontent-length:ten\n\n",
     "malformed-content-length", "content-length", 1002},
    {"UnknownEscape", "SEND\nreceipt:r7\ndestination:/topic/\\t\n\n", "bad-escape", "", 1002},
    {"BodyWhereNoneMayBe", "SUBSCRIBE\nreceipt:r7\nid:2\ndestination:/topic/a\n\nbody",
     "malformed-frame", "", 1002},
};

class MistakeOf : public ::testing::TestWithParam<std::tuple<Mistake, Transport>> {};

TEST_P(MistakeOf, IsAnsweredWithItsErrorAndEndsTheConnection) {
  const auto& [mistake, transport] = GetParam();
  const bool is_tcp = transport == Transport::kTcp;
  ShardFixture shards;
  Peer& peer =
      mistake.before_connect ? (is_tcp ? shards.tcp() : shards.ws()) : shards.connected(transport);
  if (!mistake.before_connect) {
    shards.send(peer, "SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:r6\n\n");
    ASSERT_EQ(shards.received(peer), "RECEIPT r6");
  }
  // What comes behind is not looked at.
  ShardFixture::write(peer, mistake.frame);
  shards.send(peer, "SEND\ndestination:/topic/a\nreceipt:r8\n\nafter");

  const std::string error = "ERROR "s + mistake.token;
  EXPECT_EQ(
      shards.received(peer),
      is_tcp ? error + ", end" : error + ", close " + std::to_string(mistake.close_code) + ", end");
  const ServerFrame& frame = shards.last_frame(peer);
  EXPECT_EQ(frame.header("receipt-id"), "r7");
  EXPECT_EQ(frame.header("content-type"), "text/plain");
  EXPECT_EQ(frame.header("content-length"), std::to_string(frame.body.size()));
  EXPECT_EQ(frame.header("version").has_value(), mistake.token == "version-not-supported"s);
  EXPECT_NE(frame.body.find(mistake.names), std::string::npos) << frame.body;
  EXPECT_TRUE(peer.is_released());
  EXPECT_TRUE(peer.close_detail.starts_with(mistake.token)) << peer.close_detail;
  EXPECT_EQ(shards.tables().clients, 0u);
  EXPECT_EQ(shards.tables().subscriptions, 0u);
  EXPECT_EQ(shards.count(&ShardMetrics::errors_sent), 1u);
}

INSTANTIATE_TEST_SUITE_P(Shard, MistakeOf,
                         ::testing::Combine(::testing::ValuesIn(kMistakes),
                                            ::testing::Values(Transport::kTcp,
                                                              Transport::kWebSocket)),
                         [](const auto& of) {
                           return std::get<0>(of.param).name +
                                  (std::get<1>(of.param) == Transport::kTcp ? "OverTcp"s
                                                                            : "OverWebSocket"s);
                         });

TEST(Shard, ListsItsVersionsWhenNoneIsShared) {
  ShardFixture shards;
  Peer& peer = shards.tcp();
  shards.send(peer, "CONNECT\naccept-version:0.9,2.0\n\n");
  EXPECT_EQ(shards.last_frame(peer).header("version"), "1.0,1.1,1.2");
  EXPECT_EQ(shards.last_frame(peer).header("receipt-id"), std::nullopt);
}

TEST(Shard, SaysNothingOfAReceiptThatWasNotAskedFor) {
  ShardFixture shards;
  Peer& peer = shards.connected();
  shards.send(peer, "UNSUBSCRIBE\nid:none\n\n");
  EXPECT_EQ(shards.last_frame(peer).header("receipt-id"), std::nullopt);
}

TEST(Shard, AnswersAnEmptyReceiptOfAFrameThatFails) {
  ShardFixture shards;
  Peer& peer = shards.connected();
  shards.send(peer, "UNSUBSCRIBE\nid:none\nreceipt:\n\n");
  EXPECT_EQ(shards.last_frame(peer).header("receipt-id"), "");
}

TEST(Shard, SendsTheReceiptsOfEarlierFramesBeforeAnError) {
  ShardFixture shards(2);
  Peer& peer = shards.connected();
  const std::string far = shards.topic_owned_by(1);
  ShardFixture::write(peer, "SEND\ndestination:" + far + "\nreceipt:r1\n\nx");
  ShardFixture::write(peer, "SUBSCRIBE\nid:1\ndestination:" + far + "\nreceipt:r2\n\n");
  ShardFixture::write(peer, "SEND\nreceipt:r3\n\nno destination");
  shards.deliver(peer);
  while (shards.flush_one(0)) {
  }
  EXPECT_EQ(shards.received(peer), "") << "the owner has not answered";
  shards.run();
  EXPECT_EQ(shards.received(peer), "RECEIPT r1, RECEIPT r2, ERROR missing-destination, end");
}

TEST(Shard, KeepsTheFirstOfTwoReasons) {
  ShardFixture shards;
  Peer& peer = shards.connected();
  peer.answers_end = false;
  shards.send(peer, "FOO\n\n");
  shards.advance(2'000);
  EXPECT_EQ(peer.close_reason, CloseReason::kProtocolError);
  EXPECT_TRUE(peer.is_released());
}

TEST(Shard, TakesSubscriptionsUpToTheLimitAndNotOneMore) {
  Options options;
  options.subscriptions_max = 3;
  ShardFixture shards(1, options);
  Peer& peer = shards.connected(Transport::kWebSocket);
  const auto subscribe = [&](const std::string& id) {
    shards.send(peer, "SUBSCRIBE\nid:" + id + "\ndestination:/topic/a\nreceipt:" + id + "\n\n");
    return shards.received(peer);
  };
  EXPECT_EQ(subscribe("1"), "RECEIPT 1");
  EXPECT_EQ(subscribe("2"), "RECEIPT 2");
  EXPECT_EQ(subscribe("3"), "RECEIPT 3");
  shards.send(peer, "UNSUBSCRIBE\nid:2\n\n");
  EXPECT_EQ(subscribe("4"), "RECEIPT 4");
  EXPECT_EQ(subscribe("5"), "ERROR too-many-subscriptions, close 1008, end");
  EXPECT_NE(shards.last_frame(peer).body.find("--max-subscriptions"), std::string::npos);
}

TEST(Shard, LetsReceiptsWaitUpToTheLimitAndNotOneMore) {
  Options options;
  options.receipts_pending_max = 2;
  for (const char* last : {"SEND\n", "SUBSCRIBE\nid:9\n"}) {
    ShardFixture shards(2, options);
    Peer& peer = shards.connected(Transport::kWebSocket);
    const std::string to = "destination:" + shards.topic_owned_by(1);
    const auto wait_for = [&](const std::string& command, const std::string& receipt) {
      ShardFixture::write(peer, command + to + "\nreceipt:" + receipt + "\n\n");
      shards.deliver(peer);
    };
    wait_for("SEND\n", "1");
    wait_for("SUBSCRIBE\nid:1\n", "2");
    shards.run();
    EXPECT_EQ(shards.received(peer), "RECEIPT 1, RECEIPT 2");
    wait_for("SEND\n", "3");
    wait_for("SEND\n", "4");
    wait_for(last, "5");
    shards.run();
    // The message of subscription 1 that came meanwhile is not waited for.
    EXPECT_TRUE(shards.received(peer).ends_with(
        "RECEIPT 3, RECEIPT 4, ERROR too-many-receipts, close 1008, end"));
    EXPECT_NE(shards.last_frame(peer).body.find("--max-receipts-pending"), std::string::npos);
  }
}

TEST(Shard, TakesAFrameOfTheLimitAndNotOneOctetMore) {
  ShardFixture shards;
  Peer& peer = shards.connected();
  std::string frame = "SEND\ndestination:/topic/a\nreceipt:r\n\n";
  frame.resize(Options{}.frame_bytes_max - 1, 'x');  // the NUL counts
  shards.send(peer, frame);
  EXPECT_EQ(shards.received(peer), "RECEIPT r");
  shards.send(peer, frame + "x");
  EXPECT_EQ(shards.received(peer), "ERROR frame-too-large, end");
}

TEST(Shard, RefusesAWebSocketMessageThatIsTooLarge) {
  Options options;
  options.websocket_message_bytes_max = 200;
  ShardFixture shards(1, options);
  Peer& peer = shards.connected(Transport::kWebSocket);
  std::string frame = "SEND\ndestination:/topic/a\nreceipt:r\n\n";
  frame.resize(199, 'x');
  shards.send(peer, frame);
  EXPECT_EQ(shards.received(peer), "RECEIPT r");
  shards.send(peer, frame + "y");
  EXPECT_EQ(shards.received(peer), "ERROR frame-too-large, close 1009, end");
}

TEST(Shard, EndsAWebSocketThatBreaksItsRules) {
  ShardFixture shards;
  Peer& unmasked = shards.connected(Transport::kWebSocket);
  shards.send_raw(unmasked, "\x81\x01x");
  EXPECT_EQ(shards.received(unmasked), "close 1002, end");
  EXPECT_EQ(unmasked.close_reason, CloseReason::kProtocolError);
  Peer& not_text = shards.connected(Transport::kWebSocket);
  shards.send_raw(not_text, ShardFixture::on_wire(not_text, "\xff"));
  EXPECT_EQ(shards.received(not_text), "close 1007, end");
  EXPECT_EQ(not_text.close_reason, CloseReason::kUtf8);
}

}  // namespace
}  // namespace stampede::core
