#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "core/timer_wheel.h"
#include "tests/support/shard_fixture.h"

namespace stampede::core {
namespace {

using tests::Peer;
using tests::ShardFixture;

constexpr Millis kTick = TimerWheel::kTickMs;

// -- Heart-beats. The server's own offer is 10 s each way unless a test says otherwise.

struct HeartBeat : public ::testing::Test {
  Peer& connect(std::string_view heart_beat, std::string_view version = "1.2") {
    return shards.connected(Transport::kTcp, 0, version,
                            "heart-beat:" + std::string(heart_beat) + "\n");
  }
  // Milliseconds until something comes; gives up after `at_most`.
  Millis wait(Peer& peer, Millis at_most = 100'000) {
    const Millis start = shards.now();
    std::string got = shards.received(peer);
    while (got.empty() && shards.now() - start < at_most) {
      shards.advance(1);
      got = shards.received(peer);
    }
    what = got;
    return shards.now() - start;
  }

  ShardFixture shards;
  std::string what;
};

TEST_F(HeartBeat, OffersWhatTheServerCanAndWants) {
  Peer& peer = connect("0,0");
  EXPECT_EQ(shards.last_frame(peer).header("heart-beat"), "10000,10000");
}

TEST_F(HeartBeat, IsSentBeforeTheIntervalEnds) {
  for (const Millis wanted : {10'000, 30'000}) {
    Peer& peer = connect("0," + std::to_string(wanted));
    for (int n = 0; n < 3; ++n) {
      const Millis waited = wait(peer);
      EXPECT_EQ(what, "heart-beat");
      EXPECT_LE(waited, wanted);
      EXPECT_GE(waited, wanted * 8 / 10);
    }
    shards.reset(peer);
  }
}

TEST_F(HeartBeat, IsNotSentUnlessBothSidesWantIt) {
  Peer& peer = connect("0,0");
  Peer& silent = shards.connected();
  shards.advance(300'000);
  EXPECT_EQ(shards.received(peer), "");
  EXPECT_EQ(shards.received(silent), "");
  EXPECT_EQ(peer.close_reason, std::nullopt);
}

TEST_F(HeartBeat, IsSpentByAnythingThatIsSent) {
  Peer& peer = connect("0,10000");
  for (int n = 0; n < 5; ++n) {
    shards.advance(5'000);
    shards.send(peer, "SEND\ndestination:/topic/a\nreceipt:r\n\n");
    EXPECT_EQ(shards.received(peer), "RECEIPT r");
  }
}

TEST_F(HeartBeat, IsNotAddedToASendUnderWay) {
  Peer& peer = connect("0,10000");
  peer.is_reading = false;
  shards.send(peer, "SEND\ndestination:/topic/a\nreceipt:r\n\n");
  shards.advance(9'900);
  peer.is_reading = true;
  shards.run();
  EXPECT_EQ(shards.received(peer), "RECEIPT r");
}

TEST_F(HeartBeat, IsMissedAfterTwiceItsInterval) {
  Peer& peer = connect("10000,0");
  shards.advance(19'999);
  EXPECT_EQ(peer.close_reason, std::nullopt);
  shards.advance(1 + kTick);
  EXPECT_EQ(peer.close_reason, CloseReason::kHeartBeatMissed);
  EXPECT_EQ(shards.received(peer), "abort") << "nothing is said to who is gone";
}

TEST_F(HeartBeat, GoesByTheSlowerOfBothSides) {
  Peer& quick = connect("10,0");
  Peer& slow = connect("60000,0");
  shards.advance(19'999);
  EXPECT_EQ(quick.close_reason, std::nullopt) << "the server wants one in 10 s only";
  shards.advance(1 + kTick);
  EXPECT_EQ(quick.close_reason, CloseReason::kHeartBeatMissed);
  shards.advance(119'999 - 20'001 - kTick);
  EXPECT_EQ(slow.close_reason, std::nullopt);
  shards.advance(2 + 2 * kTick);
  EXPECT_EQ(slow.close_reason, CloseReason::kHeartBeatMissed);
}

TEST_F(HeartBeat, MayBeAnyOctets) {
  Peer& peer = connect("10000,0");
  const std::string frame =
      "\n"
      "SEND\ndestination:/topic/a\n\nbody that trickles in";
  for (const char octet : frame) {
    shards.advance(15'000);
    shards.send_raw(peer, std::string(1, octet));
  }
  EXPECT_EQ(peer.close_reason, std::nullopt);
}

TEST_F(HeartBeat, DoesNotExistInVersion10) {
  Peer& peer = connect("10000,10000", "1.0");
  EXPECT_EQ(shards.last_frame(peer).header("heart-beat"), "0,0");
  shards.advance(300'000);
  EXPECT_EQ(shards.received(peer), "");
  EXPECT_EQ(peer.close_reason, std::nullopt);
  Peer& careless = shards.tcp();
  shards.send(careless, "CONNECT\nheart-beat:nonsense\n\n");
  EXPECT_EQ(shards.received(careless), "CONNECTED 1.0");
}

TEST_F(HeartBeat, TakesNumbersThatNoTimerHolds) {
  for (const char* huge :
       {"2147483647", "2147483648", "9223372036854775807", "99999999999999999999999999"}) {
    Peer& peer = connect(std::string(huge) + "," + huge);
    EXPECT_LE(wait(peer, 400'000), Options{}.heart_beat_ms_max);
    EXPECT_EQ(what, "heart-beat");
    shards.advance(1'000'000);
    EXPECT_EQ(peer.close_reason, std::nullopt);
  }
}

TEST_F(HeartBeat, TakesSpacesAroundItsNumbers) {
  Peer& peer = connect(" 10000 , 10000 ");
  EXPECT_LE(wait(peer), 10'000);
  EXPECT_EQ(what, "heart-beat");
}

TEST(HeartBeatFloor, KeepsClientsFromAskingForTooMany) {
  Options options;
  options.heart_beat_send_ms = 1;
  options.heart_beat_ms_min = 2'000;
  ShardFixture shards(1, options);
  Peer& peer = shards.connected(Transport::kWebSocket, 0, "1.2", "heart-beat:0,1\n");
  const uint64_t before = shards.count(&ShardMetrics::sends);
  shards.advance(20'000);
  const uint64_t beats = shards.count(&ShardMetrics::sends) - before;
  EXPECT_GE(beats, 10u);
  EXPECT_LE(beats, 12u);
  EXPECT_TRUE(shards.received(peer).starts_with("heart-beat, heart-beat"));
}

TEST(HeartBeatTolerance, IsWhatTheOptionSays) {
  Options options;
  options.heart_beat_tolerance = 1.5;
  ShardFixture shards(1, options);
  Peer& peer = shards.connected(Transport::kTcp, 0, "1.2", "heart-beat:10000,0\n");
  shards.advance(14'999);
  EXPECT_EQ(peer.close_reason, std::nullopt);
  shards.advance(1 + kTick);
  EXPECT_EQ(peer.close_reason, CloseReason::kHeartBeatMissed);
}

TEST(HeartBeatCeiling, IsAnIntervalThatIsStillHeldAgainstAClient) {
  ShardFixture shards;
  const Millis longest = Options{}.heart_beat_ms_max;
  Peer& at_it =
      shards.connected(Transport::kTcp, 0, "1.2", "heart-beat:" + std::to_string(longest) + ",0\n");
  Peer& past_it = shards.connected(Transport::kTcp, 0, "1.2",
                                   "heart-beat:" + std::to_string(longest + 1) + ",0\n");
  shards.advance(2 * longest + kTick);
  EXPECT_EQ(at_it.close_reason, CloseReason::kHeartBeatMissed);
  shards.advance(10 * longest);
  EXPECT_EQ(past_it.close_reason, std::nullopt) << "it promised nothing that is worth waiting for";
}

TEST(HeartBeatFloor, KeepsThePatienceWithClientsToo) {
  Options options;
  options.heart_beat_receive_ms = 10;
  options.heart_beat_ms_min = 500;
  ShardFixture shards(1, options);
  Peer& peer = shards.connected(Transport::kTcp, 0, "1.2", "heart-beat:10,0\n");
  shards.advance(999);
  EXPECT_EQ(peer.close_reason, std::nullopt);
  shards.advance(1 + kTick);
  EXPECT_EQ(peer.close_reason, CloseReason::kHeartBeatMissed);
}

// -- Pings.

// What runs in a browser's page in the background: it promised a beat in 10 s, and its timers fire
// once a minute.
TEST(Ping, LetsAPageInTheBackgroundLive) {
  for (const bool answers_pings : {true, false}) {
    ShardFixture shards;
    Peer& page = shards.connected(Transport::kWebSocket, 0, "1.2", "heart-beat:10000,10000\n");
    page.answers_pings = answers_pings;
    for (int minute = 0; minute < 180; ++minute) {
      shards.advance(60'000);
      if (!page.is_released()) shards.send_raw(page, ShardFixture::on_wire(page, "\n"));
    }
    EXPECT_EQ(page.close_reason.has_value(), !answers_pings);
  }
}

TEST(Ping, IsNotSentToWhoBeatsInTime) {
  ShardFixture shards;
  Peer& page = shards.connected(Transport::kWebSocket, 0, "1.2", "heart-beat:10000,0\n");
  page.answers_pings = false;
  for (int beat = 0; beat < 100; ++beat) {
    shards.advance(14'000);
    shards.send_raw(page, ShardFixture::on_wire(page, "\n"));
  }
  EXPECT_EQ(shards.received(page), "");
}

TEST(Ping, LeavesWhoAnswersNothingNoMoreTimeThanItsHeartBeat) {
  ShardFixture shards;
  Peer& page = shards.connected(Transport::kWebSocket, 0, "1.2", "heart-beat:10000,0\n");
  page.answers_pings = false;
  shards.advance(15'000 - 1);
  EXPECT_EQ(shards.received(page), "");
  shards.advance(1 + kTick);
  EXPECT_EQ(shards.received(page), "ping");
  shards.advance(5'000 - kTick - 1);
  EXPECT_EQ(page.close_reason, std::nullopt);
  shards.advance(1 + 2 * kTick);
  EXPECT_EQ(page.close_reason, CloseReason::kHeartBeatMissed);
}

TEST(Ping, KeepsWhoPromisedNoBeatsForHours) {
  for (const char* version : {"1.2", "1.0"}) {
    ShardFixture shards;
    Peer& idle = shards.connected(Transport::kWebSocket, 0, version);
    const uint64_t before = shards.count(&ShardMetrics::sends);
    shards.advance(6 * 3'600'000);
    EXPECT_EQ(idle.close_reason, std::nullopt);
    EXPECT_NEAR(static_cast<double>(shards.count(&ShardMetrics::sends) - before), 6 * 120, 3);
  }
}

TEST(Ping, IsAnsweredByAnyOctet) {
  ShardFixture shards;
  Peer& peer = shards.connected(Transport::kWebSocket);
  peer.answers_pings = false;
  const std::string message = ShardFixture::on_wire(peer, "\n");
  for (const char octet : message) {
    shards.advance(50'000);
    EXPECT_EQ(shards.received(peer), "ping");
    shards.send_raw(peer, std::string(1, octet));
  }
  EXPECT_EQ(peer.close_reason, std::nullopt);
}

TEST(Ping, EndsWhoAnswersNothing) {
  ShardFixture shards;
  Peer& gone = shards.connected(Transport::kWebSocket);
  gone.answers_pings = false;
  const Options options;
  shards.advance(options.ping_interval_ms - 1);
  EXPECT_EQ(shards.received(gone), "");
  shards.advance(1 + kTick);
  EXPECT_EQ(shards.received(gone), "ping");
  shards.advance(options.ping_timeout_ms - kTick - 1);
  EXPECT_EQ(gone.close_reason, std::nullopt);
  shards.advance(1 + 2 * kTick);
  EXPECT_EQ(gone.close_reason, CloseReason::kHeartBeatMissed);
  EXPECT_NE(gone.close_detail.find("--ping-timeout"), std::string::npos) << gone.close_detail;
}

TEST(Ping, IsWaitedForThoughTheBrokerStoodStill) {
  ShardFixture shards;
  Peer& peer = shards.connected(Transport::kWebSocket);
  shards.set_now(shards.now() + 600'000);
  shards.advance(1);
  EXPECT_EQ(peer.close_reason, std::nullopt);
  shards.advance(600'000);
  EXPECT_EQ(peer.close_reason, std::nullopt);
}

TEST(Ping, MayBeTurnedOff) {
  Options options;
  options.ping_interval_ms = 0;
  ShardFixture shards(1, options);
  Peer& idle = shards.connected(Transport::kWebSocket);
  Peer& beating = shards.connected(Transport::kWebSocket, 0, "1.2", "heart-beat:10000,0\n");
  idle.answers_pings = beating.answers_pings = false;
  shards.advance(20'000 + kTick);
  EXPECT_EQ(beating.close_reason, CloseReason::kHeartBeatMissed);
  EXPECT_EQ(shards.received(beating), "abort");
  shards.advance(3'600'000);
  EXPECT_EQ(idle.close_reason, std::nullopt);
  EXPECT_EQ(shards.received(idle), "");
}

TEST(Ping, IsNotForTcp) {
  ShardFixture shards;
  Peer& idle = shards.connected();
  shards.advance(3'600'000);
  EXPECT_EQ(idle.close_reason, std::nullopt);
  EXPECT_EQ(shards.received(idle), "");
}

// -- Timeouts.

TEST(Deadline, ForTheOpeningHandshakeIsAnsweredWith408) {
  ShardFixture shards;
  Peer& peer = shards.open(0, Transport::kWebSocket);
  shards.send_raw(peer, "GET /stomp HTTP/1.1\r\n");
  shards.advance(Options{}.http_timeout_ms - 1);
  EXPECT_EQ(shards.received(peer), "");
  shards.advance(1 + kTick);
  EXPECT_EQ(shards.received(peer), "HTTP 408, end");
  EXPECT_EQ(peer.close_reason, CloseReason::kHttpTimeout);
}

TEST(Deadline, ForTheOpeningHandshakeIsNotMovedByOctets) {
  ShardFixture shards;
  Peer& peer = shards.open(0, Transport::kWebSocket);
  for (const char octet : ShardFixture::kHandshake.substr(0, 20)) {
    shards.send_raw(peer, std::string(1, octet));
    shards.advance(Options{}.http_timeout_ms / 10);
  }
  EXPECT_EQ(peer.close_reason, CloseReason::kHttpTimeout);
}

TEST(Deadline, ForConnectCountsFromTheHandshake) {
  ShardFixture shards;
  Peer& tcp = shards.tcp();
  Peer& ws = shards.open(0, Transport::kWebSocket);
  shards.advance(3'000);
  shards.send_raw(ws, ShardFixture::kHandshake);
  (void)shards.received(ws);
  shards.advance(Options{}.connect_timeout_ms - 3'001);
  EXPECT_EQ(shards.received(tcp), "");
  shards.advance(1 + kTick);
  EXPECT_EQ(shards.received(tcp), "ERROR connect-timeout, end");
  EXPECT_NE(shards.last_frame(tcp).body.find("--connect-timeout"), std::string::npos);
  EXPECT_EQ(shards.received(ws), "");
  shards.advance(3'000);
  EXPECT_EQ(shards.received(ws), "ERROR connect-timeout, close 1008, end");
  EXPECT_EQ(ws.close_reason, CloseReason::kConnectTimeout);
}

TEST(Deadline, ForConnectIsNotMovedByHeartBeats) {
  ShardFixture shards;
  Peer& peer = shards.tcp();
  for (int n = 0; n < 11; ++n) {
    shards.send_raw(peer, "\n");
    shards.advance(1'000);
  }
  EXPECT_EQ(shards.received(peer), "ERROR connect-timeout, end");
}

TEST(Deadline, ForLeavingEndsWhoDoesNotAnswerTheEnd) {
  ShardFixture shards;
  Peer& peer = shards.connected();
  peer.answers_end = false;
  shards.send(peer, "DISCONNECT\n\n");
  EXPECT_EQ(shards.received(peer), "end");
  shards.advance(Options{}.close_linger_ms - 1);
  EXPECT_FALSE(peer.is_released());
  shards.send_raw(peer, "SEND\ndestination:/topic/a\nreceipt:late\n\n");
  shards.advance(1 + kTick);
  EXPECT_TRUE(peer.is_released());
  EXPECT_EQ(peer.close_reason, CloseReason::kClientDisconnect);
}

TEST(Deadline, ForLeavingEndsWhoDoesNotReadItsError) {
  ShardFixture shards;
  Peer& peer = shards.connected();
  peer.is_reading = false;
  shards.send(peer, "FOO\n\n");
  shards.advance(Options{}.close_linger_ms - 1);
  EXPECT_FALSE(peer.is_released());
  shards.advance(1 + kTick);
  EXPECT_TRUE(peer.is_released());
  EXPECT_EQ(shards.received(peer), "abort");
}

TEST(Deadline, ForForgettingADestinationPassesWithoutClients) {
  ShardFixture shards;
  Peer& peer = shards.connected();
  shards.send(peer, "SEND\ndestination:/topic/a\nmessage-id:m\n\n");
  shards.send(peer, "DISCONNECT\n\n");
  EXPECT_EQ(shards.tables().destinations, 1u);
  shards.advance(Options{}.dedup_time_ms + 2'000);
  EXPECT_EQ(shards.tables().destinations, 0u);
}

}  // namespace
}  // namespace stampede::core
