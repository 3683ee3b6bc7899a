#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "core/timer_wheel.h"
#include "tests/support/shard_fixture.h"

// A drain in which clients leave one after the other; shard_ending_test has the one in which all
// leave at once.

namespace stampede::core {
namespace {

using tests::Peer;
using tests::ShardFixture;

constexpr Millis kLeaveBy = 10'000;
constexpr Millis kEndAt = 20'000;
constexpr Millis kTick = TimerWheel::kTickMs;

void begin(ShardFixture& shards) {
  const DrainTimes times = {.leave_by = shards.now() + kLeaveBy, .end_at = shards.now() + kEndAt};
  for (ShardId id = 0; id < shards.shard_count(); ++id)
    shards.shard(id).begin_drain(shards.now(), times);
  shards.run();
}

Peer& subscriber(ShardFixture& shards, ShardId shard, std::string_view topic,
                 Transport transport = Transport::kTcp) {
  Peer& peer = shards.connected(transport, shard);
  shards.send(peer, "SUBSCRIBE\nid:1\ndestination:" + std::string(topic) + "\nreceipt:s\n\n");
  CHECK(ShardFixture::received(peer) == "RECEIPT s");
  return peer;
}

std::string message(std::string_view topic, std::string_view body) {
  return "SEND\ndestination:" + std::string(topic) + "\nreceipt:r" + std::string(body) + "\n\n" +
         std::string(body);
}

TEST(SpreadDrain, LetsClientsLeaveOneAfterTheOther) {
  ShardFixture shards(2);
  std::vector<Peer*> peers;
  for (ShardId n = 0; n < 100; ++n)
    peers.push_back(&shards.connected(n % 3 == 0 ? Transport::kTcp : Transport::kWebSocket, n % 2));
  begin(shards);
  const auto count_gone = [&] {
    return std::ranges::count_if(peers,
                                 [](const Peer* peer) { return peer->close_reason.has_value(); });
  };
  for (int second = 1; second <= 10; ++second) {
    shards.advance(1'000);
    EXPECT_NEAR(static_cast<double>(count_gone()), 10.0 * second, 2);
  }
  shards.advance(kTick);
  for (Peer* peer : peers) {
    EXPECT_EQ(peer->close_reason, CloseReason::kDrain);
    EXPECT_EQ(shards.received(*peer), peer->transport == Transport::kTcp
                                          ? "ERROR server-draining, end"
                                          : "close 1012, end");
  }
  EXPECT_TRUE(shards.shard(0).is_drained() && shards.shard(1).is_drained());
}

TEST(SpreadDrain, ServesThoseWhoAreStillThere) {
  ShardFixture shards(2);
  const std::string topic = shards.topic_owned_by(1);
  Peer& reader = subscriber(shards, 0, topic);
  Peer& publisher = shards.connected(Transport::kTcp, 1);
  begin(shards);
  for (int n = 0; !reader.close_reason && !publisher.close_reason; ++n) {
    const std::string body = std::to_string(n);
    shards.send(publisher, message(topic, body));
    EXPECT_EQ(shards.received(publisher), "RECEIPT r" + body);
    EXPECT_EQ(shards.received(reader), "MESSAGE 1 " + body);
    shards.advance(100);
  }
  shards.advance(kLeaveBy);
  EXPECT_EQ(shards.received(publisher), "ERROR server-draining, end");
  EXPECT_EQ(shards.received(reader), "ERROR server-draining, end");
}

TEST(SpreadDrain, BeginsWithTheIdle) {
  ShardFixture shards;
  Peer& busy = shards.connected();
  Peer& idle = shards.connected();
  Peer& reading = subscriber(shards, 0, "/topic/a");
  shards.advance(60'000);
  shards.send(busy, message("/topic/a", "x"));
  begin(shards);
  shards.advance(kLeaveBy / 3 + kTick);
  EXPECT_TRUE(idle.close_reason.has_value());
  EXPECT_FALSE(busy.close_reason.has_value());
  EXPECT_FALSE(reading.close_reason.has_value());
}

// What a publisher was told is there has reached every reader before its goodbye, however long the
// mail takes.
TEST(SpreadDrain, GivesAReaderWhatWasAcknowledgedBeforeItsTurn) {
  for (const ShardId owner : {ShardId{0}, ShardId{1}, ShardId{2}}) {
    ShardFixture shards(3);
    const std::string topic = shards.topic_owned_by(owner);
    Peer& reader = subscriber(shards, 1, topic, Transport::kWebSocket);
    Peer& publisher = shards.connected(Transport::kTcp, 0);
    ShardFixture::write(publisher, message(topic, "x"));
    // The RECEIPT comes home; what the owner posted to the reader's shard is not taken yet.
    shards.deliver(publisher);
    for (int turn = 0; turn < 3; ++turn) {
      for (const ShardId id : {owner, ShardId{0}}) {
        if (id != 1) (void)shards.shard(id).take_mail(64, shards.now());
        (void)shards.shard(id).post_mail();
      }
    }
    const DrainTimes soon = {.leave_by = shards.now(), .end_at = shards.now() + kEndAt};
    shards.shard(1).begin_drain(shards.now(), soon);
    shards.shard(1).run_timers(shards.now() + kTick);
    shards.set_now(shards.now() + kTick);
    shards.run();
    EXPECT_EQ(shards.received(reader), "MESSAGE 1 x, close 1012, end") << owner;
  }
}

TEST(SpreadDrain, GivesALaggingReaderAllThatIsItsAndNothingNewer) {
  ShardFixture shards;
  Peer& reader = subscriber(shards, 0, "/topic/a", Transport::kWebSocket);
  Peer& publisher = shards.connected();
  shards.advance(5'000);
  reader.is_reading = false;
  for (const char* body : {"1", "2", "3"}) shards.send(publisher, message("/topic/a", body));
  begin(shards);
  while (shards.tables().subscriptions > 0) shards.advance(kTick);
  Peer& late = shards.connected();
  shards.send(late, message("/topic/a", "4"));
  EXPECT_EQ(shards.received(late), "RECEIPT r4");
  EXPECT_EQ(shards.received(reader), "");
  reader.is_reading = true;
  shards.run();
  EXPECT_EQ(shards.received(reader), "MESSAGE 1 1, MESSAGE 1 2, MESSAGE 1 3, close 1012, end");
}

TEST(SpreadDrain, AnswersWhatItTookBeforeGoodbye) {
  ShardFixture shards(2);
  const std::string topic = shards.topic_owned_by(1);
  Peer& publisher = shards.connected();
  shards.receive(publisher, message(topic, "1") + '\0' + message(topic, "2") + '\0');
  const DrainTimes soon = {.leave_by = shards.now(), .end_at = shards.now() + kEndAt};
  shards.shard(0).begin_drain(shards.now(), soon);
  shards.shard(0).run_timers(shards.now());
  shards.run();
  shards.advance(kTick);
  EXPECT_EQ(shards.received(publisher), "RECEIPT r1, RECEIPT r2, ERROR server-draining, end");
}

TEST(SpreadDrain, GivesWhatWaitsInAQueueToWhoStays) {
  ShardFixture shards;
  Peer& leaving = shards.connected();
  shards.send(leaving, "SUBSCRIBE\nid:1\ndestination:/queue/a\nack:client\n\n");
  shards.send(leaving, "SEND\ndestination:/queue/a\n\n1");
  EXPECT_EQ(shards.received(leaving), "MESSAGE 1 1");
  shards.advance(120'000);
  Peer& staying = shards.connected();
  shards.send(staying, "SUBSCRIBE\nid:1\ndestination:/queue/a\nack:client\n\n");
  begin(shards);
  while (shards.tables().consumers > 1) shards.advance(kTick);
  EXPECT_EQ(shards.received(staying), "MESSAGE 1 1");
  EXPECT_EQ(shards.received(leaving), "ERROR server-draining, end");
}

TEST(SpreadDrain, WaitsForWhoIsAboutToConnect) {
  ShardFixture shards;
  Peer& ws = shards.open(0, Transport::kWebSocket);
  Peer& tcp = shards.tcp();
  const DrainTimes soon = {.leave_by = shards.now(), .end_at = shards.now() + kEndAt};
  shards.shard().begin_drain(shards.now(), soon);
  shards.advance(500);
  EXPECT_EQ(shards.received(ws) + shards.received(tcp), "");
  shards.send_raw(ws, ShardFixture::kHandshake);
  shards.send(ws, "CONNECT\naccept-version:1.2\n\n");
  shards.send(tcp, "CONNECT\naccept-version:1.2\n\n");
  shards.advance(200);
  EXPECT_EQ(shards.received(ws), "HTTP 101, CONNECTED 1.2, close 1012, end");
  EXPECT_EQ(shards.received(tcp), "CONNECTED 1.2, ERROR server-draining, end");
}

TEST(SpreadDrain, DoesNotWaitLongForWhoSaysNothing) {
  ShardFixture shards;
  Peer& ws = shards.open(0, Transport::kWebSocket);
  Peer& tcp = shards.tcp();
  const DrainTimes soon = {.leave_by = shards.now(), .end_at = shards.now() + kEndAt};
  shards.shard().begin_drain(shards.now(), soon);
  shards.advance(2'000 - kTick);
  EXPECT_EQ(shards.received(ws) + shards.received(tcp), "");
  shards.advance(200);
  EXPECT_EQ(shards.received(ws), "HTTP 503, end");
  EXPECT_EQ(shards.received(tcp), "end");
}

TEST(SpreadDrain, ServesWhoComesWhileOthersLeave) {
  ShardFixture shards;
  Peer& there = shards.connected();
  begin(shards);
  Peer& late = shards.ws();
  shards.send(late, "CONNECT\naccept-version:1.2\n\n");
  EXPECT_EQ(shards.received(late), "CONNECTED 1.2");
  shards.advance(200);
  EXPECT_EQ(shards.received(late), "close 1012, end");
  EXPECT_EQ(there.close_reason, std::nullopt);
}

TEST(SpreadDrain, CarriesOutATransactionFirst) {
  Options options;
  options.mailbox_slots = 2;
  ShardFixture shards(2, options);
  Peer& peer = shards.connected();
  std::string queue = "/queue/";
  while (owner_shard(hash_text(queue, 0), 2) != 1) queue += 'x';
  shards.send(peer, "BEGIN\ntransaction:t\n\n");
  shards.send(peer, "SEND\ntransaction:t\ndestination:" + queue + "\n\nx");
  ShardFixture::write(peer, "COMMIT\ntransaction:t\n\n");
  shards.deliver(peer);  // asks the queue's owner for room
  const DrainTimes soon = {.leave_by = shards.now(), .end_at = shards.now() + kEndAt};
  shards.shard(0).begin_drain(shards.now(), soon);
  shards.shard(0).run_timers(shards.now());
  shards.run();
  shards.advance(200);
  EXPECT_EQ(shards.received(peer), "ERROR server-draining, end");
  EXPECT_EQ(shards.tables().queued, 1u);
}

TEST(SpreadDrain, EndsForAllAtItsEnd) {
  ShardFixture shards(2);
  Peer& stuck = subscriber(shards, 0, "/topic/a");
  Peer& publisher = shards.connected(Transport::kTcp, 1);
  stuck.is_reading = false;
  shards.send(publisher, message("/topic/a", "x"));
  const DrainTimes times = {.leave_by = shards.now() + 3'600'000, .end_at = shards.now() + 1'000};
  for (ShardId id = 0; id < 2; ++id) shards.shard(id).begin_drain(shards.now(), times);
  shards.advance(1'000 + kTick);
  EXPECT_EQ(shards.received(publisher), "RECEIPT rx, ERROR server-draining, end");
  EXPECT_FALSE(shards.shard(0).is_drained());
  stuck.is_reading = true;
  shards.run();
  EXPECT_EQ(shards.received(stuck), "MESSAGE 1 x, ERROR server-draining, end");
}

}  // namespace
}  // namespace stampede::core
