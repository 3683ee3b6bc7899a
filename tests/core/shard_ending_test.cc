#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "tests/support/shard_fixture.h"

namespace stampede::core {
namespace {

using namespace std::string_literals;
using tests::Peer;
using tests::ShardFixture;

constexpr std::string_view kSubscribe = "SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:s\n\n";

std::string message(std::string_view body) {
  return "SEND\ndestination:/topic/a\n\n" + std::string(body);
}

Peer& subscriber(ShardFixture& shards, Transport transport = Transport::kTcp, ShardId shard = 0) {
  Peer& peer = shards.connected(transport, shard);
  shards.send(peer, kSubscribe);
  EXPECT_EQ(shards.received(peer), "RECEIPT s");
  return peer;
}

void expect_empty(const ShardTables& tables) {
  EXPECT_EQ(tables.clients, 0u);
  EXPECT_EQ(tables.subscriptions, 0u);
  EXPECT_EQ(tables.cursors, 0u);
  EXPECT_EQ(tables.groups, 0u);
  EXPECT_EQ(tables.topics, 0u);
  EXPECT_EQ(tables.interested, 0u);
  EXPECT_EQ(tables.pattern_interests, 0u);
  EXPECT_EQ(tables.log_bytes, 0u);
}

// -- DISCONNECT.

TEST(Ending, AnswersDisconnectAndEnds) {
  ShardFixture shards;
  Peer& tcp = shards.connected();
  shards.send(tcp, "DISCONNECT\nreceipt:bye\n\n");
  EXPECT_EQ(shards.received(tcp), "RECEIPT bye, end");
  Peer& ws = shards.connected(Transport::kWebSocket);
  shards.send(ws, "DISCONNECT\nreceipt:bye\n\n");
  EXPECT_EQ(shards.received(ws), "RECEIPT bye, close 1000, end");
  EXPECT_EQ(ws.close_reason, CloseReason::kClientDisconnect);
  expect_empty(shards.tables());
}

TEST(Ending, NeedsNoReceiptToDisconnect) {
  ShardFixture shards;
  Peer& tcp = shards.connected();
  shards.send(tcp, "DISCONNECT\n\n");
  EXPECT_EQ(shards.received(tcp), "end");
  Peer& ws = shards.connected(Transport::kWebSocket);
  shards.send(ws, "DISCONNECT\n\n");
  EXPECT_EQ(shards.received(ws), "close 1000, end");
}

TEST(Ending, ProcessesNothingBehindDisconnect) {
  ShardFixture shards;
  Peer& reader = subscriber(shards);
  Peer& peer = shards.connected();
  ShardFixture::write(peer, message("before"));
  ShardFixture::write(peer, "DISCONNECT\nreceipt:bye\n\n");
  ShardFixture::write(peer, message("behind"));
  shards.run();
  EXPECT_EQ(shards.received(peer), "RECEIPT bye, end");
  EXPECT_EQ(shards.received(reader), "MESSAGE 1 before");
}

TEST(Ending, AnswersEarlierFramesBeforeDisconnect) {
  ShardFixture shards(2);
  Peer& peer = shards.connected();
  ShardFixture::write(peer, "SEND\ndestination:" + shards.topic_owned_by(1) + "\nreceipt:r\n\n");
  ShardFixture::write(peer, "DISCONNECT\nreceipt:bye\n\n");
  shards.deliver(peer);
  EXPECT_FALSE(shards.flush_one(0)) << "the owner has not answered";
  shards.run();
  EXPECT_EQ(shards.received(peer), "RECEIPT r, RECEIPT bye, end");
}

// -- The peer ends.

TEST(Ending, AnswersACloseFrameWithItsCode) {
  ShardFixture shards;
  Peer& peer = shards.connected(Transport::kWebSocket);
  shards.send_raw(peer, ShardFixture::on_wire(peer, "\x0b\xb8why", proto::WsOpcode::kClose));
  EXPECT_EQ(shards.received(peer), "close 3000, end");
  EXPECT_EQ(peer.close_reason, CloseReason::kPeerClosed);
  Peer& silent = shards.connected(Transport::kWebSocket);
  shards.send_raw(silent, ShardFixture::on_wire(silent, "", proto::WsOpcode::kClose));
  EXPECT_EQ(shards.received(silent), "close, end");
}

TEST(Ending, AnswersWhatWasAskedBeforeAHalfClose) {
  ShardFixture shards(2);
  Peer& peer = shards.connected();
  ShardFixture::write(peer, "SEND\ndestination:" + shards.topic_owned_by(1) + "\nreceipt:r1\n\n");
  ShardFixture::write(peer, "SEND\ndestination:" + shards.topic_owned_by(0) + "\nreceipt:r2\n\n");
  shards.deliver(peer);
  shards.half_close(peer);
  EXPECT_EQ(shards.received(peer), "RECEIPT r1, RECEIPT r2, abort");
  EXPECT_EQ(peer.close_reason, CloseReason::kPeerClosed);
  EXPECT_TRUE(peer.is_released());
}

TEST(Ending, SendsWhatWasAppendedBeforeAHalfCloseOrDisconnect) {
  for (const bool says_disconnect : {false, true}) {
    ShardFixture shards;
    Peer& peer = subscriber(shards);
    Peer& publisher = shards.connected();
    peer.is_reading = false;
    for (const char* body : {"1", "2", "3"}) shards.send(publisher, message(body));
    if (says_disconnect) {
      shards.send(peer, "DISCONNECT\nreceipt:bye\n\n");
    } else {
      shards.half_close(peer);
    }
    shards.send(publisher, message("late"));
    peer.is_reading = true;
    shards.run();
    EXPECT_EQ(shards.received(peer), says_disconnect
                                         ? "MESSAGE 1 1, MESSAGE 1 2, MESSAGE 1 3, RECEIPT bye, end"
                                         : "MESSAGE 1 1, MESSAGE 1 2, MESSAGE 1 3, abort");
    shards.reset(publisher);
    expect_empty(shards.tables());
  }
}

TEST(Ending, FinishesTheSendUnderWayAfterAHalfClose) {
  ShardFixture shards;
  Peer& peer = subscriber(shards);
  peer.is_reading = false;
  shards.send(peer, message("x"));
  shards.half_close(peer);
  EXPECT_EQ(shards.tables().subscriptions, 0u);
  EXPECT_FALSE(peer.is_released());
  peer.is_reading = true;
  shards.run();
  EXPECT_EQ(shards.received(peer), "MESSAGE 1 x, abort");
  expect_empty(shards.tables());
}

TEST(Ending, LeavesEveryTableAtOnceWhenAPeerIsReset) {
  ShardFixture shards(2);
  const ShardId home = 1 - (shards.topic_owned_by(0) == "/topic/0" ? 0 : 1);
  Peer& peer = shards.connected(Transport::kTcp, home);
  for (const char* destination : {"/topic/0", "/topic/*", "#"}) {
    shards.send(peer, "SUBSCRIBE\nid:"s + destination + "\ndestination:" + destination + "\n\n");
  }
  peer.is_reading = false;
  shards.send(peer, "SEND\ndestination:/topic/0\n\n" + std::string(40'000, 'x'));
  shards.send(peer, "SEND\ndestination:/topic/0\n\nsecond");
  ASSERT_TRUE(peer.has_operation);
  EXPECT_EQ(shards.tables().subscriptions, 3u);

  peer.is_release_held = true;
  shards.reset(peer);
  EXPECT_EQ(peer.close_reason, CloseReason::kPeerReset);
  EXPECT_EQ(peer.close_detail, "connection reset");
  EXPECT_GT(peer.close_pending_bytes, 0u);
  ShardTables tables = shards.tables();
  EXPECT_EQ(tables.subscriptions, 0u);
  EXPECT_EQ(tables.interested, 0u);
  EXPECT_EQ(tables.pattern_interests, 0u);
  EXPECT_GT(tables.log_bytes, 0u) << "what is in flight stays";
  EXPECT_FALSE(shards.shard(home).is_drained());

  peer.is_release_held = false;
  shards.run();
  EXPECT_TRUE(peer.is_released());
  expect_empty(shards.tables());
  EXPECT_TRUE(shards.shard(home).is_drained());
}

TEST(Ending, DisturbsNoOtherReaderOfTheGroup) {
  ShardFixture shards;
  Peer& leaving = subscriber(shards);
  Peer& staying = subscriber(shards);
  Peer& publisher = shards.connected();
  leaving.is_reading = staying.is_reading = false;
  shards.send(publisher, message("1"));
  shards.send(publisher, message("2"));
  leaving.is_release_held = true;
  shards.reset(leaving);
  shards.send(publisher, message("3"));
  staying.is_reading = true;
  shards.run();
  EXPECT_EQ(shards.received(staying), "MESSAGE 1 1, MESSAGE 1 2, MESSAGE 1 3");
  leaving.is_release_held = false;
  shards.run();
  EXPECT_EQ(shards.tables().log_bytes, 0u);
}

TEST(Ending, IgnoresAnOwnersAnswerForAClientThatIsGone) {
  ShardFixture shards(2);
  Peer& peer = shards.connected();
  ShardFixture::write(peer, "SEND\ndestination:" + shards.topic_owned_by(1) + "\nreceipt:r\n\n");
  ShardFixture::write(
      peer, "SUBSCRIBE\nid:1\ndestination:" + shards.topic_owned_by(1) + "\nreceipt:s\n\n");
  shards.deliver(peer);
  shards.shard(0).peer_closed(*peer.client, true, "reset", shards.now());
  ASSERT_TRUE(shards.flush_one(0));
  shards.release(peer);
  Peer& next = shards.tcp();  // in the slot of the one that is gone
  shards.run();
  EXPECT_EQ(shards.received(next), "");
  shards.reset(next);
  expect_empty(shards.tables());
}

// -- The server ends.

TEST(Drain, TellsEachTransportInItsWay) {
  ShardFixture shards;
  Peer& tcp = shards.connected();
  Peer& ws = shards.connected(Transport::kWebSocket);
  Peer& unconnected = shards.tcp();
  Peer& upgraded = shards.ws();
  Peer& shaking = shards.open(0, Transport::kWebSocket);
  shards.begin_drain();
  EXPECT_EQ(shards.received(tcp), "ERROR server-draining, end");
  EXPECT_EQ(shards.received(ws), "close 1012, end");
  EXPECT_EQ(shards.received(unconnected), "end");
  EXPECT_EQ(shards.received(upgraded), "close 1012, end");
  EXPECT_EQ(shards.received(shaking), "HTTP 503, end");
  for (const Peer* peer : {&tcp, &ws, &unconnected, &upgraded, &shaking}) {
    EXPECT_EQ(peer->close_reason, CloseReason::kDrain);
  }
  EXPECT_TRUE(shards.shard().is_drained());
  expect_empty(shards.tables());
}

TEST(Drain, FlushesWhatIsPendingFirst) {
  ShardFixture shards(2);
  Peer& peer = shards.connected(Transport::kWebSocket, 1);
  Peer& publisher = shards.connected(Transport::kTcp, 0);
  const std::string topic = shards.topic_owned_by(1);
  shards.send(peer, "SUBSCRIBE\nid:1\ndestination:" + topic + "\n\n");
  peer.is_reading = false;
  for (const char* body : {"1", "2", "3"}) {
    ShardFixture::write(publisher,
                        "SEND\ndestination:" + topic + "\nreceipt:r"s + body + "\n\n" + body);
  }
  shards.deliver(publisher);
  shards.begin_drain();
  EXPECT_EQ(shards.received(publisher),
            "RECEIPT r1, RECEIPT r2, RECEIPT r3, ERROR server-draining, end");
  EXPECT_EQ(shards.received(peer), "");
  EXPECT_FALSE(shards.shard(1).is_drained());
  peer.is_reading = true;
  shards.run();
  EXPECT_EQ(shards.received(peer), "MESSAGE 1 1, MESSAGE 1 2, MESSAGE 1 3, close 1012, end");
  EXPECT_TRUE(shards.shard(1).is_drained());
}

TEST(Drain, TakesNoMoreFrames) {
  ShardFixture shards;
  Peer& peer = subscriber(shards);
  peer.is_reading = false;
  shards.send(peer, message("1"));
  shards.begin_drain();
  shards.send(peer, message("2"));
  peer.is_reading = true;
  shards.run();
  EXPECT_EQ(shards.received(peer), "MESSAGE 1 1, ERROR server-draining, end");
}

TEST(Drain, GivesEveryReaderWhatWasAcknowledgedByShardsThatLearnOfItLater) {
  for (const ShardId owner : {ShardId{0}, ShardId{1}, ShardId{2}}) {
    ShardFixture shards(3);
    const std::string topic = shards.topic_owned_by(owner);
    Peer& tcp = shards.connected(Transport::kTcp, 1);
    Peer& ws = shards.connected(Transport::kWebSocket, 1);
    for (Peer* reader : {&tcp, &ws})
      shards.send(*reader, "SUBSCRIBE\nid:1\ndestination:" + topic + "\n\n");
    Peer& publisher = shards.connected(Transport::kTcp, 0);
    shards.shard(1).begin_drain(shards.now());
    shards.run();
    shards.send(publisher, "SEND\ndestination:" + topic + "\nreceipt:r\n\nx");
    EXPECT_EQ(shards.received(publisher), "RECEIPT r");
    shards.begin_drain();
    EXPECT_EQ(shards.received(tcp), "MESSAGE 1 x, ERROR server-draining, end") << owner;
    EXPECT_EQ(shards.received(ws), "MESSAGE 1 x, close 1012, end") << owner;
    EXPECT_EQ(shards.received(publisher), "ERROR server-draining, end");
    expect_empty(shards.tables());
  }
}

TEST(Drain, GivesEveryReaderWhatIsOnItsWay) {
  for (const ShardId owner : {ShardId{0}, ShardId{1}, ShardId{2}}) {
    Options options;
    options.mailbox_slots = 2;  // most of it waits for room
    ShardFixture shards(3, options);
    const std::string topic = shards.topic_owned_by(owner);
    Peer& reader = shards.connected(Transport::kTcp, 1);
    shards.send(reader, "SUBSCRIBE\nid:1\ndestination:" + topic + "\n\n");
    Peer& publisher = shards.connected(Transport::kTcp, 0);
    std::string octets;
    for (const char* body : {"1", "2", "3", "4", "5"})
      octets += "SEND\ndestination:" + topic + "\nreceipt:r\n\n" + body + '\0';
    shards.receive(publisher, octets);
    shards.begin_drain();
    EXPECT_EQ(shards.received(reader),
              "MESSAGE 1 1, MESSAGE 1 2, MESSAGE 1 3, MESSAGE 1 4, MESSAGE 1 5, "
              "ERROR server-draining, end")
        << owner;
    EXPECT_EQ(shards.received(publisher),
              "RECEIPT r, RECEIPT r, RECEIPT r, RECEIPT r, RECEIPT r, ERROR server-draining, end");
  }
}

TEST(Drain, TakesNoFramesWhileItWaitsForOtherShards) {
  ShardFixture shards(2);
  Peer& reader = subscriber(shards, Transport::kTcp, 0);
  Peer& publisher = shards.connected(Transport::kTcp, 1);
  shards.shard(1).begin_drain(shards.now());
  shards.send(publisher, "SEND\ndestination:/topic/a\nreceipt:r\n\nlate");
  Peer& shaking = shards.open(1, Transport::kWebSocket);
  shards.run();
  EXPECT_EQ(shards.received(publisher), "");
  EXPECT_EQ(shards.received(shaking), "HTTP 503, end");
  shards.begin_drain();
  EXPECT_EQ(shards.received(reader), "ERROR server-draining, end");
  EXPECT_EQ(shards.received(publisher), "ERROR server-draining, end");
}

TEST(Drain, DropsWhatIsHeldOfAPublisherAndFollowsItsEnd) {
  for (const bool half_closes : {false, true}) {
    Options options;
    options.mailbox_slots = 2;
    ShardFixture shards(2, options);
    const std::string topic = shards.topic_owned_by(1);
    Peer& reader = shards.connected(Transport::kTcp, 1);
    shards.send(reader, "SUBSCRIBE\nid:1\ndestination:" + topic + "\n\n");
    Peer& publisher = shards.connected(Transport::kTcp, 0);
    const std::string send = "SEND\ndestination:" + topic + "\nreceipt:r\n\nx" + '\0';
    shards.receive(publisher, send + send + send);
    ASSERT_TRUE(Shard::receive_paused(*publisher.client));
    shards.receive(publisher, send);
    if (half_closes) shards.shard(0).peer_closed(*publisher.client, false, {}, shards.now());
    shards.begin_drain();
    EXPECT_EQ(shards.received(publisher),
              "RECEIPT r, RECEIPT r, RECEIPT r, ERROR server-draining, "s +
                  (half_closes ? "abort" : "end"));
    EXPECT_EQ(shards.received(reader),
              "MESSAGE 1 x, MESSAGE 1 x, MESSAGE 1 x, ERROR server-draining, end");
    EXPECT_TRUE(publisher.is_released());
  }
}

TEST(Drain, DoesNotHoldBackAnAbort) {
  ShardFixture shards(2);
  Peer& peer = subscriber(shards, Transport::kTcp, 1);
  shards.shard(1).begin_drain(shards.now());
  shards.run();
  EXPECT_FALSE(shards.shard(1).is_drained()) << "shard 0 may still send something";
  shards.shard(1).abort_all(CloseReason::kDrain, shards.now());
  shards.run();
  EXPECT_EQ(shards.received(peer), "abort");
  EXPECT_TRUE(shards.shard(1).is_drained());
}

TEST(Drain, RefusesWhoComesLater) {
  ShardFixture shards;
  shards.begin_drain();
  Peer& tcp = shards.tcp();
  Peer& ws = shards.open(0, Transport::kWebSocket);
  shards.run();
  EXPECT_EQ(shards.received(tcp), "end");
  EXPECT_EQ(shards.received(ws), "HTTP 503, end");
  EXPECT_TRUE(shards.shard().is_drained());
}

TEST(Drain, DoesNotWaitForAReaderThatIsStuck) {
  ShardFixture shards;
  Peer& peer = subscriber(shards);
  peer.is_reading = false;
  shards.send(peer, message("1"));
  shards.begin_drain();
  EXPECT_FALSE(shards.shard().is_drained());
  shards.advance(Options{}.slow_consumer_after_ms + Options{}.close_linger_ms + 40);
  EXPECT_TRUE(shards.shard().is_drained());
}

TEST(Abort, EndsEverybodyWithoutCeremony) {
  ShardFixture shards;
  Peer& tcp = subscriber(shards);
  Peer& shaking = shards.open(0, Transport::kWebSocket);
  tcp.is_reading = false;
  shards.send(tcp, message("x"));
  shards.shard().abort_all(CloseReason::kDrain, shards.now());
  shards.run();
  EXPECT_EQ(shards.received(tcp), "abort");
  EXPECT_EQ(shards.received(shaking), "abort");
  expect_empty(shards.tables());
}

// -- The opening handshake.

TEST(Handshake, IsRefusedWithAnHttpStatus) {
  ShardFixture shards;
  Peer& wrong_path = shards.open(0, Transport::kWebSocket);
  shards.send_raw(wrong_path, "GET /other HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(shards.received(wrong_path), "HTTP 404, end");
  EXPECT_EQ(wrong_path.close_reason, CloseReason::kHttpBad);

  Peer& stranger = shards.open(0, Transport::kWebSocket);
  std::string request(ShardFixture::kHandshake);
  request.insert(request.find("Upgrade:"), "Origin: https://evil.example\r\n");
  shards.send_raw(stranger, request);
  EXPECT_EQ(shards.received(stranger), "HTTP 403, end");
  EXPECT_EQ(stranger.close_reason, CloseReason::kOriginDenied);
}

TEST(Handshake, MayHaveFramesRightBehindIt) {
  ShardFixture shards;
  Peer& peer = shards.open(0, Transport::kWebSocket);
  std::string connect = "CONNECT\naccept-version:1.2\n\n";
  connect += '\0';
  shards.send_raw(peer,
                  std::string(ShardFixture::kHandshake) + ShardFixture::on_wire(peer, connect));
  EXPECT_EQ(shards.received(peer), "HTTP 101, CONNECTED 1.2");
}

TEST(Ping, IsAnsweredAtOnceAndWithItsPayload) {
  ShardFixture shards;
  Peer& peer = shards.ws();
  shards.send_raw(peer, ShardFixture::on_wire(peer, "hi", proto::WsOpcode::kPing));
  EXPECT_EQ(shards.received(peer), "pong");
}

}  // namespace
}  // namespace stampede::core
