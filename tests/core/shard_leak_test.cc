#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <string>
#include <vector>

#include "core/message.h"
#include "core/slow_terms.h"
#include "tests/support/shard_fixture.h"

namespace stampede::core {
namespace {

using tests::Peer;
using tests::ShardFixture;

constexpr int kRounds = 1'000;
constexpr int kWarmUpRounds = 10;  // until pools have grown to what a round needs
constexpr int kPeersOfRound = 8;
constexpr int kEndings = 6;

using Words = std::array<uint64_t, sizeof(ShardTables) / sizeof(uint64_t)>;

// Clients come, subscribe, publish and leave, each in its way, over and over: what all shards hold
// then must be what they held before.
class Leak : public ::testing::TestWithParam<ShardId> {
 protected:
  static Options options() {
    Options options;
    options.slow_consumer = {parse_slow_rule("conflate /topic/slow bytes=4K").value()};
    return options;
  }

  void play_round() {
    ++round_;
    std::vector<Peer*> peers;
    for (int n = 0; n < kPeersOfRound; ++n) peers.push_back(&come(n));
    shards_.run();
    for (int n = 0; n < kPeersOfRound; ++n) publish(*peers[n], n);
    shards_.run();
    for (int n = 0; n < kPeersOfRound; ++n) begin_to_leave(*peers[n], n);
    shards_.run();
    for (Peer* const peer : peers) {
      if (!peer->is_released()) reset(*peer);
    }
    shards_.run();
    empty_queues();
    shards_.advance(5'000);  // who lingers is not waited for longer
    shards_.forget_released();
  }

  // Every number that ShardTables has, summed over the shards, once what passes with time has.
  [[nodiscard]] Words what_is_held() {
    shards_.advance(10 * 60'000);
    Words sum = {};
    for (ShardId id = 0; id < shards_.shard_count(); ++id) {
      const auto words = std::bit_cast<Words>(shards_.shard(id).tables());
      std::ranges::transform(sum, words, sum.begin(), std::plus());
    }
    return sum;
  }

  ShardFixture shards_{GetParam(), options()};

 private:
  int round_ = 0;

  Peer& come(int n) {
    const bool is_websocket = n % 2 == 0;
    Peer& peer = shards_.open(static_cast<ShardId>(n) % shards_.shard_count(),
                              is_websocket ? Transport::kWebSocket : Transport::kTcp);
    if (is_websocket) peer.to_broker += ShardFixture::kHandshake;
    const std::string own = std::to_string(n);
    ShardFixture::write(peer, "CONNECT\naccept-version:1.2\n\n");
    ShardFixture::write(peer, "SUBSCRIBE\nid:topic\ndestination:/topic/leak\nreceipt:s\n\n");
    ShardFixture::write(peer, "SUBSCRIBE\nid:own-" + own + "\ndestination:/topic/leak\n\n");
    ShardFixture::write(peer, "SUBSCRIBE\nid:one\ndestination:/topic/leak." + own + "\n\n");
    ShardFixture::write(peer, "SUBSCRIBE\nid:pattern\ndestination:/topic/leak.#\n\n");
    ShardFixture::write(
        peer, "SUBSCRIBE\nid:ack\ndestination:/topic/leak\nack:client\nprefetch-count:3\n\n");
    ShardFixture::write(peer, "SUBSCRIBE\nid:slow\ndestination:/topic/slow\n\n");
    ShardFixture::write(peer,
                        "SUBSCRIBE\nid:chosen\ndestination:/topic/leak\nselector:body.n > 3\n\n");
    ShardFixture::write(peer,
                        "SUBSCRIBE\nid:queue\ndestination:" + queue_of(n) + "\nack:client\n\n");
    ShardFixture::write(peer, "SUBSCRIBE\nid:temp\ndestination:/temp-queue/mine\n\n");
    // Every other one takes nothing of what comes.
    peer.is_reading = n % 4 < 2;
    return peer;
  }

  static void publish(Peer& peer, int n) {
    const std::string own = std::to_string(n);
    const std::string body = "{\"n\":" + own + "}" + std::string(500, ' ');
    for (int count = 0; count < 2; ++count) {
      ShardFixture::write(peer, "SEND\ndestination:/topic/leak\n\n" + body);
      ShardFixture::write(peer, "SEND\ndestination:/topic/slow\n\n" + body);
    }
    ShardFixture::write(peer, "SEND\ndestination:/topic/leak." + own + "\nmessage-id:" + own +
                                  "\nreceipt:r\n\n" + body);
    ShardFixture::write(
        peer, "SEND\ndestination:" + queue_of(n) + "\nreply-to:/temp-queue/answers\n\n" + body);
    ShardFixture::write(peer, "BEGIN\ntransaction:t\n\n");
    ShardFixture::write(peer, "SEND\ntransaction:t\ndestination:/topic/leak\n\n" + body);
    ShardFixture::write(peer, "SEND\ntransaction:t\ndestination:" + queue_of(n) + "\n\n" + body);
    if (n % 3 == 0) ShardFixture::write(peer, "COMMIT\ntransaction:t\n\n");
  }

  void begin_to_leave(Peer& peer, int n) {
    ASSERT_FALSE(peer.is_released()) << peer.close_detail;
    switch ((n + round_) % kEndings) {
      case 0:
        for (const char* const id : {"topic", "one", "pattern", "ack", "slow", "queue", "temp"})
          ShardFixture::write(peer, "UNSUBSCRIBE\nid:" + std::string(id) + "\n\n");
        break;
      case 1:
        ShardFixture::write(peer, "DISCONNECT\nreceipt:bye\n\n");
        break;
      case 2:
        ShardFixture::write(peer, "NONSENSE\n\n");
        break;
      case 3:
        peer.to_broker += "in the middle of a frame";
        break;
      case 4:
        shards_.shard(peer.shard).peer_closed(*peer.client, false, {}, shards_.now());
        break;
      default:
        break;
    }
  }

  void reset(Peer& peer) {
    shards_.shard(peer.shard).peer_closed(*peer.client, true, "connection reset", shards_.now());
  }

  // What came back from consumers that settled nothing.
  void empty_queues() {
    Peer& sweeper = shards_.connected();
    for (int n = 0; n < kQueues; ++n) {
      ShardFixture::write(
          sweeper, "SUBSCRIBE\nid:" + std::to_string(n) + "\ndestination:" + queue_of(n) + "\n\n");
    }
    shards_.run();
    shards_.send(sweeper, "DISCONNECT\n\n");
  }

  static constexpr int kQueues = 4;
  static std::string queue_of(int n) { return "/queue/leak." + std::to_string(n % kQueues); }
};

TEST_P(Leak, ThousandRoundsOfClientsLeaveWhatWasThere) {
  for (int round = 0; round < kWarmUpRounds; ++round) play_round();
  const Words held_before = what_is_held();
  const int64_t messages_before = Message::live_count();
  for (int round = 0; round < kRounds; ++round) play_round();
  EXPECT_EQ(what_is_held(), held_before);
  EXPECT_EQ(Message::live_count(), messages_before);
  EXPECT_EQ(shards_.tables().clients + shards_.tables().queues, 0U);
  // They did what they came for.
  EXPECT_GT(shards_.count(&ShardMetrics::messages_delivered), 50'000U);
  EXPECT_GT(shards_.count(&ShardMetrics::queue_redelivered), 5'000U);
  EXPECT_GT(shards_.shard().metrics().slow_begun[static_cast<size_t>(SlowPolicy::kConflate)],
            1'000U);
}

INSTANTIATE_TEST_SUITE_P(Shards, Leak, ::testing::Values(ShardId{1}, ShardId{3}));

}  // namespace
}  // namespace stampede::core
