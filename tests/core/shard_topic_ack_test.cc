#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "tests/support/shard_fixture.h"

namespace stampede::core {
namespace {

using tests::Peer;
using tests::ServerFrame;
using tests::ShardFixture;

// A subscriber of /topic/a in a client mode, and a publisher.
class TopicAck : public ::testing::TestWithParam<ShardId> {
 protected:
  Peer& subscriber(std::string_view headers, std::string_view version = "1.2",
                   Transport transport = Transport::kTcp) {
    Peer& peer = shards_.connected(transport, GetParam() - 1, version);
    subscribe(peer, "1", headers);
    return peer;
  }
  void subscribe(Peer& peer, std::string_view id, std::string_view headers,
                 std::string_view destination = "/topic/a") {
    shards_.send(peer, "SUBSCRIBE\nid:" + std::string(id) +
                           "\ndestination:" + std::string(destination) + "\nreceipt:s\n" +
                           std::string(headers) + "\n");
    EXPECT_EQ(shards_.received(peer), "RECEIPT s");
  }
  void publish(int from, int to, std::string_view destination = "/topic/a") {
    for (int n = from; n <= to; ++n) {
      ShardFixture::write(
          publisher_, "SEND\ndestination:" + std::string(destination) + "\n\n" + std::to_string(n));
    }
    shards_.run();
  }
  // The value of that header in the last MESSAGE with this body.
  static std::string header_of(const Peer& peer, std::string_view body, std::string_view name) {
    std::string value;
    for (const ServerFrame& frame : peer.output.frames()) {
      if (frame.command == "MESSAGE" && frame.body == body) {
        value = std::string(frame.header(name).value_or("none"));
      }
    }
    return value;
  }
  void ack(Peer& peer, std::string_view body, std::string_view command = "ACK") {
    shards_.send(peer, std::string(command) + "\nid:" + header_of(peer, body, "ack") + "\n\n");
  }

  ShardFixture shards_{GetParam()};
  Peer& publisher_ = shards_.connected();
};

INSTANTIATE_TEST_SUITE_P(Shards, TopicAck, ::testing::Values(1, 3));

TEST_P(TopicAck, GivesAnAckHeaderInTheClientModesOf12Only) {  // A8.3
  Peer& automatic = subscriber("");
  Peer& client = subscriber("ack:client\n");
  Peer& individual = subscriber("ack:client-individual\n");
  Peer& of_11 = subscriber("ack:client\n", "1.1");
  publish(1, 1);
  EXPECT_EQ(header_of(automatic, "1", "ack"), "none");
  EXPECT_NE(header_of(client, "1", "ack"), "none");
  EXPECT_NE(header_of(individual, "1", "ack"), "none");
  EXPECT_EQ(header_of(of_11, "1", "ack"), "none");
}

TEST_P(TopicAck, StopsAtTheCreditAndGoesOnWithEachAcknowledgement) {
  Peer& peer = subscriber("ack:client-individual\nprefetch-count:2\n");
  publish(1, 4);
  EXPECT_EQ(shards_.received(peer), "MESSAGE 1 1, MESSAGE 1 2");
  ack(peer, "2");
  EXPECT_EQ(shards_.received(peer), "MESSAGE 1 3");
  ack(peer, "1");
  EXPECT_EQ(shards_.received(peer), "MESSAGE 1 4");
  publish(5, 5);
  EXPECT_EQ(shards_.received(peer), "");
}

TEST_P(TopicAck, AcknowledgesAllUpToTheMessageInClientMode) {  // A8.4
  Peer& peer = subscriber("ack:client\nprefetch-count:3\n");
  publish(1, 6);
  EXPECT_EQ(shards_.received(peer), "MESSAGE 1 1, MESSAGE 1 2, MESSAGE 1 3");
  ack(peer, "2");
  EXPECT_EQ(shards_.received(peer), "MESSAGE 1 4, MESSAGE 1 5");
}

TEST_P(TopicAck, TouchesOneSubscriptionOnly) {  // A8.4
  Peer& peer = subscriber("ack:client\nprefetch-count:1\n");
  subscribe(peer, "2", "ack:client\nprefetch-count:1\n");
  publish(1, 2);
  EXPECT_EQ(shards_.received(peer), "MESSAGE 1 1, MESSAGE 2 1");
  // The last MESSAGE with body 1 is that of subscription 2.
  ack(peer, "1");
  EXPECT_EQ(shards_.received(peer), "MESSAGE 2 2");
}

TEST_P(TopicAck, SharesOneLogWithSubscribersOfOtherCredit) {
  Peer& slow = subscriber("ack:client\nprefetch-count:1\n");
  Peer& fast = subscriber("ack:client\nprefetch-count:100\n");
  EXPECT_EQ(shards_.tables().groups, 1u);
  publish(1, 3);
  EXPECT_EQ(shards_.received(slow), "MESSAGE 1 1");
  EXPECT_EQ(shards_.received(fast), "MESSAGE 1 1, MESSAGE 1 2, MESSAGE 1 3");
  EXPECT_EQ(header_of(slow, "1", "ack"), header_of(fast, "1", "ack"));
}

TEST_P(TopicAck, StopsInFrontOfABodyThatIsReferenced) {
  Peer& peer = subscriber("ack:client\nprefetch-count:1\n", "1.2", Transport::kWebSocket);
  const std::string large(40'000, 'x');
  for (const std::string& body : {std::string("a"), large, std::string("b")}) {
    shards_.send(publisher_, "SEND\ndestination:/topic/a\n\n" + body);
  }
  EXPECT_EQ(shards_.received(peer), "MESSAGE 1 a");
  ack(peer, "a");
  EXPECT_EQ(shards_.received(peer), "MESSAGE 1 40000 octets");
  ack(peer, large);
  EXPECT_EQ(shards_.received(peer), "MESSAGE 1 b");
}

TEST_P(TopicAck, GoesByMessageIdIn10And11) {  // A8.2
  for (const char* version : {"1.0", "1.1"}) {
    Peer& peer = subscriber("ack:client\nprefetch-count:1\n", version);
    publish(1, 2);
    EXPECT_EQ(shards_.received(peer), "MESSAGE 1 1");
    shards_.send(peer, "ACK\nsubscription:1\nmessage-id:" + header_of(peer, "1", "message-id") +
                           "\nreceipt:r\n\n");
    EXPECT_EQ(shards_.received(peer), "RECEIPT r, MESSAGE 1 2") << version;
    // Spring's client leaves the subscription out.
    shards_.send(peer, "ACK\nmessage-id:" + header_of(peer, "2", "message-id") + "\nreceipt:r\n\n");
    EXPECT_EQ(shards_.received(peer), "RECEIPT r") << version;
  }
}

TEST_P(TopicAck, TakesANackAsSettled) {
  Peer& peer = subscriber("ack:client-individual\nprefetch-count:1\n");
  publish(1, 2);
  EXPECT_EQ(shards_.received(peer), "MESSAGE 1 1");
  ack(peer, "1", "NACK");
  EXPECT_EQ(shards_.received(peer), "MESSAGE 1 2");
}

TEST_P(TopicAck, RefusesWhatItDoesNotKnow) {  // A8.1, A8.10
  const auto refused = [&](std::string_view headers, std::string_view frame) {
    Peer& peer = subscriber(headers);
    publish(1, 1);
    shards_.send(peer, frame);
    (void)shards_.received(peer);
    return std::string(shards_.last_frame(peer).header("message").value_or(""));
  };
  EXPECT_EQ(refused("ack:client\n", "ACK\nid:9-x\n\n"), "unknown-ack");
  EXPECT_EQ(refused("ack:client\n", "NACK\nid:\n\n"), "unknown-ack");
  EXPECT_EQ(refused("ack:auto\n", "ACK\nid:1-0\n\n"), "unknown-ack");
  EXPECT_EQ(refused("ack:client\n", "ACK\nmessage-id:1\n\n"), "missing-id");
}

TEST_P(TopicAck, RefusesTheSameAcknowledgementTwice) {
  Peer& peer = subscriber("ack:client\n");
  publish(1, 1);
  ack(peer, "1");
  ack(peer, "1");
  EXPECT_EQ(shards_.last_frame(peer).header("message"), "unknown-ack");
}

TEST_P(TopicAck, HasNoNackIn10) {  // A8.6
  Peer& peer = subscriber("ack:client\n", "1.0");
  publish(1, 1);
  shards_.send(peer, "NACK\nmessage-id:" + header_of(peer, "1", "message-id") + "\n\n");
  EXPECT_EQ(shards_.last_frame(peer).header("message"), "unknown-command");
}

TEST_P(TopicAck, IgnoresALateAcknowledgementOfAnEndedSubscription) {  // A7.9
  Peer& peer = subscriber("ack:client\nprefetch-count:2\n");
  publish(1, 3);
  (void)shards_.received(peer);
  shards_.send(peer, "UNSUBSCRIBE\nid:1\nreceipt:u\n\n");
  EXPECT_EQ(shards_.received(peer), "RECEIPT u");
  ack(peer, "2");
  shards_.send(peer, "ACK\nid:" + header_of(peer, "1", "ack") + "\nreceipt:r\n\n");
  EXPECT_EQ(shards_.received(peer), "RECEIPT r");
  EXPECT_EQ(shards_.tables().cursors, 0u);
}

TEST_P(TopicAck, DoesNotTakeALateAcknowledgementForTheNextSubscription) {  // A7.9, A7.10
  Peer& peer = subscriber("ack:client-individual\nprefetch-count:1\n");
  publish(1, 1);
  const std::string late = header_of(peer, "1", "ack");
  shards_.send(peer, "UNSUBSCRIBE\nid:1\n\n");
  (void)shards_.received(peer);
  subscribe(peer, "1", "ack:client-individual\nprefetch-count:1\n");
  publish(2, 3);
  shards_.send(peer, "ACK\nid:" + late + "\nreceipt:r\n\n");
  EXPECT_EQ(shards_.received(peer), "MESSAGE 1 2, RECEIPT r");
  ack(peer, "2");
  EXPECT_EQ(shards_.received(peer), "MESSAGE 1 3");
}

TEST_P(TopicAck, EndsWithItsConnectionWhileItIsStopped) {
  Peer& peer = subscriber("ack:client\nprefetch-count:1\n");
  publish(1, 3);
  shards_.reset(peer);
  EXPECT_EQ(shards_.tables().cursors, 0u);
  EXPECT_EQ(shards_.tables().log_bytes, 0u);
}

TEST_P(TopicAck, EndsAReaderThatNeverAcknowledgesAsSlow) {
  Peer& peer = subscriber("ack:client\nprefetch-count:1\n");
  const std::string body(10'000, 'x');
  for (int n = 0; n < 150; ++n) {
    shards_.send(publisher_, "SEND\ndestination:/topic/a\n\n" + body);
    shards_.advance(10);
  }
  EXPECT_EQ(peer.close_reason, CloseReason::kSlowConsumerBytes);
}

// How each dialect says how many messages may be out at a time.
struct Credit {
  const char* headers;
  size_t messages;
};

class TopicCredit : public ::testing::TestWithParam<Credit> {};

TEST_P(TopicCredit, IsReadInEachDialect) {
  Options options;
  options.prefetch_default = 5;
  options.prefetch_max = 7;
  ShardFixture shards(1, options);
  Peer& peer = shards.connected();
  shards.send(peer, "SUBSCRIBE\nid:1\ndestination:/topic/a\nack:client\n" +
                        std::string(GetParam().headers) + "\n");
  Peer& publisher = shards.connected();
  for (int n = 0; n < 10; ++n) shards.send(publisher, "SEND\ndestination:/topic/a\n\nx");
  size_t messages = 0;
  for (const ServerFrame& frame : peer.output.frames()) messages += frame.command == "MESSAGE";
  EXPECT_EQ(messages, GetParam().messages) << GetParam().headers;
}

INSTANTIATE_TEST_SUITE_P(Dialects, TopicCredit,
                         ::testing::Values(Credit{"", 5}, Credit{"prefetch-count:3\n", 3},
                                           Credit{"prefetch-count:0\n", 7},
                                           Credit{"prefetch-count:7\n", 7},
                                           Credit{"prefetch-count:8\n", 7},
                                           Credit{"prefetch-count:99999999999999999999\n", 7},
                                           Credit{"activemq.prefetchSize:2\n", 2},
                                           Credit{"credit:4\n", 4}, Credit{"credit:4,1000000\n", 4},
                                           Credit{"credit:4,1\n", 1},
                                           Credit{"consumer-window-size:0\n", 1},
                                           Credit{"consumer-window-size:-1\n", 5}));

class BadAckOption : public ::testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(BadAckOption, IsRefused) {
  ShardFixture shards;
  Peer& peer = shards.connected();
  shards.send(peer,
              "SUBSCRIBE\nid:1\ndestination:/topic/a\n" + std::string(GetParam().first) + "\n");
  EXPECT_EQ(shards.last_frame(peer).header("message"), GetParam().second) << GetParam().first;
}

INSTANTIATE_TEST_SUITE_P(
    AckOptions, BadAckOption,
    ::testing::Values(std::pair{"ack:other\n", "bad-ack-mode"}, std::pair{"ack:\n", "bad-ack-mode"},
                      std::pair{"prefetch-count:x\n", "malformed-header"},
                      std::pair{"prefetch-count:-1\n", "malformed-header"},
                      std::pair{"credit:1,\n", "malformed-header"},
                      std::pair{"credit:1,x\n", "malformed-header"},
                      std::pair{"consumer-window-size:-2\n", "malformed-header"}));

}  // namespace
}  // namespace stampede::core
