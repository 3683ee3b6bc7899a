// One test for each fault between ring and kernel: what the broker makes of it. The table in
// tests/README.md has them all.

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "core/destination_name.h"
#include "net/buffer_ring.h"
#include "tests/net/ring_faults.h"
#include "tests/net/server_fixture.h"

namespace stampede::net {
namespace {

// A broker under faults.
class FaultFixture : public ServerFixture {
 protected:
  void TearDown() override {
    server_.reset();
    EXPECT_EQ(faults_.violations(), std::vector<std::string>());
  }

  std::unique_ptr<Peer> connected() {
    auto peer = std::make_unique<Peer>(port_);
    peer->connect();
    return peer;
  }
  std::unique_ptr<Peer> subscribed(std::string_view destination = "/topic/f") {
    auto peer = connected();
    peer->subscribe(destination);
    return peer;
  }
  std::vector<std::unique_ptr<Peer>> many_subscribed(size_t count) {
    std::vector<std::unique_ptr<Peer>> peers;
    while (peers.size() < count) peers.push_back(subscribed());
    return peers;
  }

  // Numbered bodies, and so many octets behind the number.
  static void publish(Peer& publisher, int count, size_t filler = 0) {
    for (int n = 0; n < count; ++n) publisher.send(message_to("/topic/f", body(n, filler)));
  }
  static void expect_published(Peer& subscriber, int count, size_t filler = 0) {
    for (int n = 0; n < count; ++n) ASSERT_EQ(subscriber.expect_body(), body(n, filler));
  }
  static std::string body(int n, size_t filler) {
    return std::to_string(n) + std::string(filler, static_cast<char>('a' + n % 26));
  }

  void expect_nothing_left() {
    EXPECT_TRUE(wait_until([&] { return server_->connections() == 0; }));
    const ShardSnapshot sum = total();
    EXPECT_EQ(sum.tables.clients, 0u);
    EXPECT_EQ(sum.tables.subscriptions, 0u);
    EXPECT_EQ(sum.tables.log_bytes, 0u);
    EXPECT_EQ(sum.net.connections, 0u);
    EXPECT_EQ(sum.net.inbound_waiting, 0u);
    EXPECT_EQ(sum.net.receive_buffers_free, uint64_t{kReceiveBuffers} * server_->shards());
    EXPECT_EQ(sum.net.send_slots_used, 0u);
  }

  RingFaults faults_;
};

// Of as many shards as the parameter says.
class FaultRow : public FaultFixture, public testing::WithParamInterface<core::ShardId> {
 protected:
  void start(const std::function<void(ServerOptions&)>& change = {},
             core::Options core_options = {}) {
    ServerFixture::start(GetParam(), change, std::move(core_options));
  }
};

INSTANTIATE_TEST_SUITE_P(Shards, FaultRow, testing::Values(1, 2));

// -- Sends.

TEST_P(FaultRow, ShortSendOfAnyLengthIsResumedWhereItEnded) {
  start();
  const auto subscriber = subscribed();
  // A second group, so that sends are gathered from two spans.
  subscriber->subscribe("/topic/f", "t");
  const auto publisher = connected();
  for (int most = 1; most <= 150; ++most) {
    faults_.set(Fault::kShortSend, {.value = most});
    publisher->send(message_to("/topic/f", std::to_string(most)));
    for (int copy = 0; copy < 2; ++copy) {
      ASSERT_EQ(subscriber->expect_body(), std::to_string(most));
    }
  }
  EXPECT_GE(total().net.sends_short, faults_.count(Fault::kShortSend));
}

TEST_P(FaultRow, SendThatIsToBeTriedAgainIs) {
  start();
  const auto subscriber = subscribed();
  const auto publisher = connected();
  faults_.set(Fault::kSendRetry, {.one_in = 2});
  faults_.set(Fault::kShortSend, {.one_in = 2});
  // One by one, or a few sends may carry them all.
  for (int n = 0; n < 200; ++n) {
    publisher->send(message_to("/topic/f", body(n, 300)));
    ASSERT_EQ(subscriber->expect_body(), body(n, 300));
  }
  EXPECT_GT(faults_.count(Fault::kSendRetry), 0u);
}

TEST_P(FaultRow, SendThatFailsEndsItsConnectionOnlyAndSaysWhy) {
  start();
  const auto bystander = subscribed();
  const auto publisher = connected();
  for (const int error : {ECONNRESET, EPIPE, ETIMEDOUT, EHOSTUNREACH, ENOMEM, ENOBUFS}) {
    const auto victim = subscribed("/topic/victim");
    faults_.set(Fault::kSendFailed, {.value = error, .times = 1});
    publisher->send(message_to("/topic/victim", "lost"));
    EXPECT_EQ(victim->expect_frame(), "<end>");
    const std::string detail = std::string("send: ") + strerrordesc_np(error);
    EXPECT_TRUE(wait_until([&] { return lines_with(detail) == 1; })) << detail;
  }
  EXPECT_EQ(lines_with("reason=peer_reset"), 6u);
  EXPECT_EQ(total().net.sends_failed, 6u);
  publish(*publisher, 10);
  expect_published(*bystander, 10);
}

TEST_P(FaultRow, SendThatFailsMidFrameEndsInAResetAndNotInHalfAFrame) {
  start();
  const auto victim = subscribed();
  const auto publisher = connected();
  faults_.set(Fault::kShortSend, {.value = 10, .times = 1});
  faults_.set(Fault::kSendFailed, {.value = ENOMEM, .times = 1, .skip = 1});
  publish(*publisher, 1);
  EXPECT_EQ(victim->expect_frame(), "<reset>");
  EXPECT_TRUE(wait_until([&] { return server_->connections() == 1; }));
}

TEST_P(FaultRow, SendThatFailsWhileMuchWasReceivedGivesAllBuffersBack) {
  core::Options options;
  options.receipts_pending_max = 1'000'000;
  start({}, options);
  auto victim = connected();
  std::string much;
  for (int n = 0; n < 2'000; ++n) {
    much += "SEND\ndestination:/topic/f\nreceipt:r\n\n" + body(n, 1'000) + '\0';
  }
  faults_.set(Fault::kSendFailed, {.times = 1, .skip = 5});
  // Its RECEIPTs come in a few sends. It may be cut off before it has said it all.
  for (int n = 0; n < 50 && faults_.count(Fault::kSendFailed) == 0; ++n)
    (void)::send(victim->fd(), much.data(), much.size(), MSG_NOSIGNAL);
  EXPECT_TRUE(wait_until([&] { return lines_with("reason=peer_reset") == 1; }));
  victim.reset();
  expect_nothing_left();
}

// -- Receives.

TEST_P(FaultRow, ReceiveOfAnyLengthGivesTheSameFrames) {
  faults_.set(Fault::kShortReceive, {});
  start();
  const auto subscriber = subscribed();
  const auto publisher = connected();
  for (int most = 1; most <= 60; ++most) {
    faults_.set(Fault::kShortReceive, {.value = most});
    publisher->send(message_to("/topic/f", std::to_string(most)));
    ASSERT_EQ(subscriber->expect_body(), std::to_string(most));
  }
}

TEST_P(FaultRow, ReceiveWithoutBuffersIsArmedAgainAndLosesNothing) {
  faults_.set(Fault::kSingleReceive, {});
  start();
  const auto subscriber = subscribed();
  const auto publisher = connected();
  // One after the other: a fresh receive may find none either.
  faults_.set(Fault::kNoBuffers, {.times = 50});
  publish(*publisher, 200, 2'000);
  expect_published(*subscriber, 200, 2'000);
  EXPECT_EQ(total().net.buffers_exhausted, 50u);
}

TEST_P(FaultRow, MultishotThatEndsIsArmedOnceAndNeverTwice) {
  faults_.set(Fault::kSingleReceive, {});
  faults_.set(Fault::kSingleAccept, {.one_in = 2});
  faults_.set(Fault::kSinglePoll, {.one_in = 2});
  start();
  const auto subscribers = many_subscribed(12);
  const auto publisher = connected();
  publish(*publisher, 100, 5'000);
  for (const auto& subscriber : subscribers) expect_published(*subscriber, 100, 5'000);
  // faults_ sees it if two are under way.
  EXPECT_GT(faults_.count(Fault::kSingleReceive), 100u);
}

TEST_P(FaultRow, ReceiveThatIsToBeTriedAgainIs) {
  faults_.set(Fault::kReceiveRetry, {.times = 20});
  start();
  const auto subscriber = subscribed();
  const auto publisher = connected();
  publish(*publisher, 100);
  expect_published(*subscriber, 100);
  EXPECT_EQ(faults_.count(Fault::kReceiveRetry), 20u);
}

TEST_P(FaultRow, ReceiveThatFailsEndsItsConnectionOnlyAndSaysWhy) {
  start();
  const auto bystander = subscribed();
  const auto publisher = connected();
  for (const int error : {ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ENOMEM}) {
    faults_.set(Fault::kReceiveFailed, {.value = error, .times = 1});
    Peer victim(port_);
    EXPECT_EQ(victim.expect_frame(), "<end>");
    const std::string detail = std::string("receive: ") + strerrordesc_np(error);
    EXPECT_TRUE(wait_until([&] { return lines_with(detail) == 1; })) << detail;
  }
  EXPECT_EQ(lines_with("reason=peer_reset"), 4u);
  publish(*publisher, 10);
  expect_published(*bystander, 10);
}

// -- Accepts.

TEST_P(FaultRow, AcceptThatFailsForOneConnectionGoesOnWithTheNext) {
  faults_.set(Fault::kSingleAccept, {});
  start();
  for (const int error : {ECONNABORTED, EPROTO, EINTR, EAGAIN}) {
    faults_.set(Fault::kAcceptRetry, {.value = error, .times = 3});
    for (int n = 0; n < 4; ++n) connected();
  }
  EXPECT_GT(faults_.count(Fault::kAcceptRetry), 0u);
  EXPECT_EQ(total().net.accept_pauses, 0u);
}

TEST_P(FaultRow, AcceptWithoutDescriptorsOrMemoryPausesAndGoesOn) {
  faults_.set(Fault::kSingleAccept, {});
  start();
  uint64_t pauses = 0;
  for (const int error : {EMFILE, ENFILE, ENOBUFS, ENOMEM}) {
    faults_.set(Fault::kAcceptExhausted, {.value = error, .times = 1});
    for (int n = 0; n < 4; ++n) connected();
    EXPECT_EQ(total().net.accept_pauses, ++pauses);
  }
  // One line a second and shard.
  EXPECT_GE(lines_with("accept paused"), 1u);
  EXPECT_LE(lines_with("accept paused"), GetParam());
}

// -- The ring.

TEST_P(FaultRow, CompletionQueueThatOverflowsLosesNothing) {
  faults_.set_ring_sizes(4, 8);
  start();
  const auto subscribers = many_subscribed(64);
  const auto publisher = connected();
  publish(*publisher, 50);
  for (const auto& subscriber : subscribers) expect_published(*subscriber, 50);
  EXPECT_GT(total().net.ring.overflows, 0u);
}

TEST_P(FaultRow, SubmissionQueueThatIsFullDropsNothing) {
  faults_.set_ring_sizes(2, 0);
  start();
  const auto subscribers = many_subscribed(64);
  const auto publisher = connected();
  publish(*publisher, 50);
  for (const auto& subscriber : subscribers) expect_published(*subscriber, 50);
  const ShardSnapshot sum = total();
  EXPECT_GE(sum.net.ring.enters, sum.net.sends / 2);
}

TEST_P(FaultRow, EnterThatIsRefusedOrInterruptedIsTransparent) {
  faults_.set(Fault::kEnterRefused, {.one_in = 3});
  faults_.set(Fault::kEnterInterrupted, {.one_in = 2});
  start();
  const auto subscribers = many_subscribed(8);
  const auto publisher = connected();
  publish(*publisher, 300);
  for (const auto& subscriber : subscribers) expect_published(*subscriber, 300);
  EXPECT_GT(total().net.ring.submit_refused, 0u);
  EXPECT_GT(faults_.count(Fault::kEnterInterrupted), 0u);
}

// -- Races.

TEST_P(FaultRow, CancelThatRacesWithASendOrReceiveFreesNothingEarly) {
  core::Options options;
  options.slow_consumer_bytes = 128 * 1024;
  // Behind one whose send does not end, the last may be found by time only.
  options.slow_consumer_after_ms = 500;
  options.close_linger_ms = 50;
  options.publisher_lead_bytes_max = SIZE_MAX / 2;  // nobody else reads: it would be held back
  start([](ServerOptions& server) { server.send_buffer_bytes = 8 * 1024; }, options);
  const auto publisher = connected();
  for (int round = 0; round < 5; ++round) {
    std::vector<std::unique_ptr<Peer>> stuck;
    while (stuck.size() < 8) {
      stuck.push_back(std::make_unique<Peer>(port_, 4096));
      stuck.back()->connect();
      stuck.back()->subscribe("/topic/f");
    }
    faults_.set(Fault::kLostCancel, {.one_in = 2});
    faults_.set(Fault::kLateCompletion, {.one_in = 2});
    faults_.set(Fault::kShortSend, {.one_in = 3});
    // Ended by the broker for being slow, and by themselves, with sends under way.
    publish(*publisher, 20, 50'000);
    for (size_t n = 0; n < stuck.size(); n += 2) stuck[n]->reset();
    EXPECT_TRUE(wait_until([&] { return server_->connections() == 1; }));
    faults_.clear_all();
  }
  publisher->half_close();
  expect_nothing_left();
  EXPECT_TRUE(wait_until([&] { return lines_with("close shard=") == 41; }));
}

TEST_P(FaultRow, CancelThatReachesNothingEndsInAResetAllTheSame) {
  faults_.set(Fault::kLostCancel, {});
  start();
  const auto publisher = connected();
  for (int round = 0; round < 20; ++round) {
    const auto victim = subscribed("/topic/victim");
    faults_.set(Fault::kShortSend, {.value = 10, .times = 1});
    faults_.set(Fault::kSendFailed, {.value = ENOMEM, .times = 1, .skip = 1});
    publisher->send(message_to("/topic/victim", "lost"));
    ASSERT_EQ(victim->expect_frame(), "<reset>");
  }
  EXPECT_TRUE(wait_until([&] { return server_->connections() == 1; }));
  EXPECT_EQ(faults_.count(Fault::kLostCancel), 20u);
}

TEST_P(FaultRow, CompletionsThatComeLateAndOutOfOrderAreTakenAsTheyCome) {
  faults_.set(Fault::kLateCompletion, {.one_in = 2});
  start();
  const auto subscribers = many_subscribed(12);
  const auto publisher = connected();
  publish(*publisher, 200, 1'000);
  for (const auto& subscriber : subscribers) expect_published(*subscriber, 200, 1'000);
}

// -- A shard that stands still.

class StalledShard : public FaultFixture {
 protected:
  static constexpr core::ShardId kShards = 2;

  void start() {
    core::Options options;
    options.boot_id = 1;
    ServerFixture::start(kShards, {}, options);
    for (auto& peers : at_) {
      while (peers.size() < 2) {
        auto peer = connected();
        at_[shard_of(*peer)].push_back(std::move(peer));
      }
    }
  }
  core::ShardId shard_of(const Peer& peer) {
    const std::string name = local_address(peer.fd())->text();
    std::array<bool, kShards> has = {};
    (void)server_->ask_shards([&](core::ShardId id, const core::Shard& shard, core::Millis now) {
      for (const core::ClientEntry& client : shard.list_clients({.offset = 0, .limit = 1000}, now))
        has[id] = has[id] || client.peer == name;
    });
    EXPECT_NE(has[0], has[1]);
    return has[0] ? 0 : 1;
  }
  // A topic that the shard owns.
  static std::string topic_of(core::ShardId owner) {
    std::string name = "/topic/f";
    while (core::owner_shard(core::hash_text(name, 1), kShards) != owner) name += 'f';
    return name;
  }

  std::array<std::vector<std::unique_ptr<Peer>>, kShards> at_;  // at least two at each shard
};

TEST_F(StalledShard, DelaysNobodyElseAndLosesNothing) {
  start();
  const std::string topic = topic_of(0);
  at_[0][0]->subscribe(topic);
  at_[1][0]->subscribe(topic);
  faults_.stall(1);
  at_[1][1]->send("\n", false);
  faults_.wait_until_stalled();
  for (int n = 0; n < 1'000; ++n) {
    at_[0][1]->send("SEND\ndestination:" + topic + "\nreceipt:r\n\n" + std::to_string(n));
    ASSERT_EQ(at_[0][1]->expect_command(), "RECEIPT");
    ASSERT_EQ(at_[0][0]->expect_body(), std::to_string(n));
  }
  faults_.resume();
  for (int n = 0; n < 1'000; ++n) ASSERT_EQ(at_[1][0]->expect_body(), std::to_string(n));
}

// -- What the checks of debug builds see.

#ifndef NDEBUG
TEST_P(FaultRow, SendThatIsWrittenIntoWhileItIsUnderWayEndsTheProgram) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        start();
        faults_.set(Fault::kSendScribbled, {});
        Peer(port_).send("CONNECT\naccept-version:1.2\nhost:test\n\n");
        server_->wait();
      },
      "is_as_it_was");
}
#endif

}  // namespace
}  // namespace stampede::net
