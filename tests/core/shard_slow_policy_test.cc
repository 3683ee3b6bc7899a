#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/message.h"
#include "tests/support/shard_fixture.h"

namespace stampede::core {
namespace {

using tests::Peer;
using tests::ServerFrame;
using tests::ShardFixture;

// Bodies of this size are never copied, so every frame begins a chunk and lag is looked at with
// each.
constexpr size_t kBodyBytes = 40'000;

Options with_rules(std::vector<std::string_view> rules) {
  Options options;
  for (const std::string_view rule : rules) options.slow_consumer.push_back(*parse_slow_rule(rule));
  return options;
}

// What one subscription was given: which messages, and how many it was told that it missed before.
struct Given {
  std::vector<uint64_t> numbers;
  std::vector<uint64_t> missed;

  [[nodiscard]] uint64_t missed_in_all() const {
    uint64_t sum = 0;
    for (const uint64_t one : missed) sum += one;
    return sum;
  }
  // Each number is the one before it and one more, and as many as were missed between.
  [[nodiscard]] bool adds_up() const {
    uint64_t next = 0;
    for (size_t n = 0; n < numbers.size(); ++n) {
      if (numbers[n] != next + missed[n]) return false;
      next = numbers[n] + 1;
    }
    return true;
  }
};

Given given(const Peer& peer, std::string_view id = "1") {
  Given result;
  for (const ServerFrame& frame : peer.output.frames()) {
    if (frame.command != "MESSAGE" || frame.header("subscription") != id) continue;
    result.numbers.push_back(std::stoull(frame.body));
    const auto dropped = frame.header("dropped");
    result.missed.push_back(dropped ? std::stoull(*dropped) : 0);
    EXPECT_NE(dropped, "0");
  }
  return result;
}

class SlowPolicyOf : public ::testing::Test {
 protected:
  explicit SlowPolicyOf(const Options& options = {}) : shards_(1, options) {}

  Peer& reader(std::string_view headers = "", std::string_view destination = "/topic/a",
               Transport transport = Transport::kTcp) {
    Peer& peer = shards_.connected(transport);
    shards_.send(peer, "SUBSCRIBE\nid:1\ndestination:" + std::string(destination) + "\n" +
                           std::string(headers) + "receipt:s\n\n");
    EXPECT_EQ(shards_.received(peer), "RECEIPT s");
    return peer;
  }
  Peer& stuck(std::string_view headers = "", std::string_view destination = "/topic/a",
              Transport transport = Transport::kTcp) {
    Peer& peer = reader(headers, destination, transport);
    peer.is_reading = false;
    return peer;
  }
  // Publishes so many more, numbered from 0.
  void publish(size_t count, size_t body_bytes = kBodyBytes,
               std::string_view destination = "/topic/a", std::string_view headers = "") {
    if (publisher_ == nullptr) publisher_ = &shards_.connected();
    for (; count > 0; --count) {
      std::string body = std::to_string(next_++) + ' ';
      body.resize(std::max(body.size(), body_bytes), 'x');
      shards_.send(*publisher_, "SEND\ndestination:" + std::string(destination) + "\n" +
                                    std::string(headers) + "\n" + body);
    }
  }
  void wake(Peer& peer) {
    peer.is_reading = true;
    shards_.run();
  }
  [[nodiscard]] uint64_t dropped(SlowPolicy policy) {
    return shards_.shard().metrics().slow_dropped[static_cast<size_t>(policy)];
  }
  [[nodiscard]] uint64_t begun(SlowPolicy policy) {
    return shards_.shard().metrics().slow_begun[static_cast<size_t>(policy)];
  }

  ShardFixture shards_;
  Peer* publisher_ = nullptr;
  uint64_t next_ = 0;
};

using Numbers = std::vector<uint64_t>;

// -- drop-old.

struct DropOld : SlowPolicyOf {
  DropOld() : SlowPolicyOf(with_rules({"drop-old bytes=201000"})) {}  // five frames, and a little
};

TEST_F(DropOld, MissesNothingWithinTheBoundAndTheOldestOnePastIt) {
  for (const size_t more : {0u, 1u}) {
    Peer& peer = stuck();
    next_ = 0;
    // One is in flight, and the newest does not count.
    publish(1 + 5 + 1 + more);
    EXPECT_EQ(peer.close_reason, std::nullopt);
    wake(peer);
    const Given got = given(peer);
    EXPECT_EQ(got.missed_in_all(), more);
    EXPECT_EQ(got.numbers.size(), 7u);
    EXPECT_EQ(got.numbers.back(), 6 + more);
    EXPECT_TRUE(got.adds_up());
    EXPECT_EQ(dropped(SlowPolicy::kDropOld), more);
    shards_.reset(peer);
  }
}

TEST_F(DropOld, IsToldHowManyItMissedOnceAndGoesOn) {
  Peer& peer = stuck();
  publish(50);
  wake(peer);
  Given got = given(peer);
  EXPECT_EQ(got.numbers.front(), 0u) << "what was in flight is not taken back";
  EXPECT_EQ(got.missed[1], 43u);
  EXPECT_EQ(got.numbers.size(), 7u);
  publish(3);
  got = given(peer);
  EXPECT_EQ(got.numbers.back(), 52u);
  EXPECT_EQ(got.missed_in_all(), 43u);
  EXPECT_TRUE(got.adds_up());
  EXPECT_EQ(dropped(SlowPolicy::kDropOld), 43u);
  EXPECT_EQ(begun(SlowPolicy::kDropOld), 1u);
  EXPECT_EQ(shards_.count(&ShardMetrics::slow_recovered), 1u);
  EXPECT_EQ(shards_.tables().slow_subscriptions, 0u);
}

TEST_F(DropOld, HoldsNoMoreThanTheBoundHoweverMuchIsPublished) {
  Peer& peer = stuck();
  Peer& other = stuck();
  Peer& good = reader();
  publish(300);
  EXPECT_LE(shards_.tables().log_bytes, 8 * (kBodyBytes + 600));
  EXPECT_EQ(shards_.tables().slow_subscriptions, 2u);
  EXPECT_EQ(given(good).numbers.size(), 300u);
  EXPECT_FALSE(Shard::receive_paused(*publisher_->client));
  for (Peer* one : {&peer, &other, &good}) shards_.reset(*one);
  EXPECT_EQ(shards_.tables().log_bytes, 0u);
  EXPECT_EQ(shards_.tables().slow_subscriptions, 0u);
}

TEST_F(DropOld, PutsTheHeaderIntoWebSocketFramesToo) {
  for (const size_t body_bytes : {kBodyBytes, size_t{30'000}, size_t{200}}) {
    Peer& peer = stuck("", "/topic/a", Transport::kWebSocket);
    next_ = 0;
    publish(3'000'000 / body_bytes, body_bytes);
    wake(peer);
    const Given got = given(peer);
    EXPECT_GT(got.missed_in_all(), 0u);
    EXPECT_TRUE(got.adds_up());
    EXPECT_EQ(got.numbers.back(), next_ - 1);
    shards_.reset(peer);
  }
}

TEST_F(DropOld, IsCutShortByItsUnsubscribe) {
  Peer& peer = stuck();
  publish(20);
  shards_.send(peer, "UNSUBSCRIBE\nid:1\nreceipt:u\n\n");
  wake(peer);
  const Given got = given(peer);
  EXPECT_EQ(got.numbers.back(), 19u) << "what was appended comes before the RECEIPT";
  EXPECT_EQ(got.missed[1], 13u);
  EXPECT_TRUE(got.adds_up());
  EXPECT_TRUE(shards_.received(peer).ends_with("RECEIPT u"));
  EXPECT_EQ(shards_.tables().log_bytes, 0u);
}

TEST_F(DropOld, IsAlsoWhatHappensToWhoDoesNotAcknowledge) {
  Peer& peer = reader("ack:client-individual\nprefetch-count:2\n");
  publish(20);
  Given got = given(peer);
  EXPECT_EQ(got.numbers, (Numbers{0, 1})) << "what it was given is not taken back";
  for (size_t n = 0; n < got.numbers.size(); ++n) {
    const auto& frames = peer.output.frames();
    shards_.send(peer, "ACK\nid:" + *frames[frames.size() - 2 + n].header("ack") + "\n\n");
  }
  got = given(peer);
  EXPECT_EQ(got.numbers.size(), 4u);
  EXPECT_EQ(got.numbers[2], 14u);
  EXPECT_EQ(got.missed[2], 12u);
  EXPECT_EQ(shards_.count(&ShardMetrics::errors_sent), 0u);
}

// -- drop-new.

struct DropNew : SlowPolicyOf {
  DropNew() : SlowPolicyOf(with_rules({"drop-new bytes=201000"})) {}
};

TEST_F(DropNew, MissesNothingWithinTheBoundAndTheNewestPastIt) {
  for (const size_t more : {0u, 1u}) {
    Peer& peer = stuck();
    next_ = 0;
    publish(1 + 5 + 1);
    publish(2 * more);
    wake(peer);
    EXPECT_EQ(given(peer).numbers.size(), 7 + more);
    publish(1);
    const Given got = given(peer);
    EXPECT_EQ(got.numbers.back(), 7 + 2 * more);
    EXPECT_EQ(got.missed.back(), more);
    EXPECT_TRUE(got.adds_up());
    EXPECT_EQ(dropped(SlowPolicy::kDropNew), more);
    shards_.reset(peer);
  }
}

TEST_F(DropNew, KeepsTheOldOnesAndSaysWithTheNextWhatItMissed) {
  Peer& peer = stuck();
  publish(50);
  wake(peer);
  EXPECT_EQ(given(peer).numbers, (Numbers{0, 1, 2, 3, 4, 5, 6, 7}));
  publish(1);
  const Given got = given(peer);
  EXPECT_EQ(got.numbers.back(), 50u);
  EXPECT_EQ(got.missed.back(), 42u);
  EXPECT_TRUE(got.adds_up());
  EXPECT_EQ(shards_.count(&ShardMetrics::slow_recovered), 1u);
  EXPECT_EQ(shards_.tables().slow_subscriptions, 0u);
}

TEST_F(DropNew, HoldsNoMoreThanTheBoundOfEach) {
  Peer& peer = stuck();
  publish(100);
  Peer& later = stuck();
  Peer& good = reader();
  publish(100);
  EXPECT_LE(shards_.tables().log_bytes, 2 * 9 * (kBodyBytes + 600));
  EXPECT_EQ(given(good).numbers.size(), 100u);
  for (Peer* one : {&peer, &later, &good}) shards_.reset(*one);
  EXPECT_EQ(shards_.tables().log_bytes, 0u);
}

TEST_F(DropNew, MayStopAgainBeforeItWasToldWhatItMissed) {
  Peer& peer = stuck();
  publish(30);
  // Reads what it has, then nothing more, so that it lags again with what it has to be told.
  while (peer.has_operation) {
    shards_.complete(peer);
    shards_.run();
  }
  publish(30);
  wake(peer);
  publish(1);
  const Given got = given(peer);
  EXPECT_TRUE(got.adds_up());
  EXPECT_EQ(got.numbers.back(), 60u);
  EXPECT_EQ(dropped(SlowPolicy::kDropNew), got.missed_in_all());
}

TEST_F(DropNew, GivesItsStopsWorthBeforeTheReceiptOfUnsubscribe) {
  Peer& peer = stuck();
  publish(20);
  shards_.send(peer, "UNSUBSCRIBE\nid:1\nreceipt:u\n\n");
  EXPECT_EQ(dropped(SlowPolicy::kDropNew), 12u);
  wake(peer);
  EXPECT_EQ(given(peer).numbers, (Numbers{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_TRUE(shards_.received(peer).ends_with("RECEIPT u"));
}

TEST_F(DropNew, KeepsTheNewestForWhoAcknowledges) {
  Peer& peer = reader("ack:client\nprefetch-count:1\n");
  publish(20);
  const auto ack = peer.output.frames().back().header("ack");
  ASSERT_TRUE(ack.has_value());
  shards_.send(peer, "ACK\nid:" + *ack + "\n\n");
  EXPECT_EQ(given(peer).numbers, (Numbers{0, 14}));
}

// -- conflate.

struct Conflate : SlowPolicyOf {
  Conflate()
      : SlowPolicyOf(with_rules(
            {"conflate /topic/key.* key=symbol bytes=201000", "conflate bytes=201000"})) {}
};

TEST_F(Conflate, GetsTheNewestWhenItWakesAndThenEverything) {
  Peer& peer = stuck();
  publish(50);
  wake(peer);
  EXPECT_EQ(given(peer).numbers, (Numbers{0, 49}));
  EXPECT_EQ(given(peer).missed.back(), 48u);
  publish(3);
  const Given got = given(peer);
  EXPECT_EQ(got.numbers, (Numbers{0, 49, 50, 51, 52}));
  EXPECT_TRUE(got.adds_up());
  EXPECT_EQ(dropped(SlowPolicy::kConflate), 48u);
  EXPECT_EQ(shards_.count(&ShardMetrics::slow_recovered), 1u);
  EXPECT_EQ(shards_.tables().slow_subscriptions, 0u);
  EXPECT_EQ(shards_.tables().log_bytes, 0u);
}

TEST_F(Conflate, MissesNothingWithinTheBoundAndAllButTheNewestPastIt) {
  for (const size_t more : {0u, 1u}) {
    Peer& peer = stuck();
    next_ = 0;
    publish(1 + 5 + 1 + more);
    wake(peer);
    EXPECT_EQ(given(peer).numbers.size(), more == 0 ? 7u : 2u);
    EXPECT_TRUE(given(peer).adds_up());
    shards_.reset(peer);
  }
}

TEST_F(Conflate, KeepsDestinationsOfAPatternApartAndInOrder) {
  Peer& peer = stuck("", "/topic/*");
  publish(10, kBodyBytes, "/topic/a");
  publish(10, kBodyBytes, "/topic/b");
  publish(1, kBodyBytes, "/topic/c");
  publish(10, kBodyBytes, "/topic/b");
  wake(peer);
  const Given got = given(peer);
  EXPECT_EQ(got.numbers, (Numbers{0, 9, 20, 30})) << "b's is newer than c's";
  EXPECT_TRUE(got.adds_up());
}

TEST_F(Conflate, KeepsTheValuesOfAHeaderApart) {
  Peer& peer = stuck("", "/topic/key.x");
  for (int n = 0; n < 10; ++n) {
    publish(1, 20'000, "/topic/key.x", "symbol:EUR\n");
    publish(1, 20'000, "/topic/key.x", "symbol:USD\n");
  }
  publish(5, 20'000, "/topic/key.x");
  wake(peer);
  const Given got = given(peer);
  EXPECT_EQ(got.numbers, (Numbers{0, 18, 19, 24}));
  EXPECT_TRUE(got.adds_up());
}

TEST_F(Conflate, LetsTheOldestKeysGoAtTheBound) {
  Peer& peer = stuck("", "/topic/key.x");
  for (int n = 0; n < 50; ++n) {
    publish(1, kBodyBytes, "/topic/key.x", "symbol:" + std::to_string(n) + "\n");
  }
  wake(peer);
  const Given got = given(peer);
  EXPECT_EQ(got.numbers, (Numbers{0, 45, 46, 47, 48, 49})) << "five are within it";
  EXPECT_TRUE(got.adds_up());
}

TEST_F(Conflate, IsOneTableForAllThatLag) {
  Peer& first = stuck();
  publish(20);
  Peer& second = stuck();
  Peer& good = reader();
  publish(20);
  EXPECT_LE(shards_.tables().log_bytes, 4 * (kBodyBytes + 600)) << "what is in flight, no more";
  wake(second);
  wake(first);
  EXPECT_EQ(given(first).numbers, (Numbers{0, 39}));
  EXPECT_EQ(given(second).numbers, (Numbers{20, 39}));
  EXPECT_EQ(given(good).numbers.size(), 20u);
}

TEST_F(Conflate, GoesOnWithoutAnybodyInTheLog) {
  Peer& peer = stuck();
  publish(1'000, 1'000);
  EXPECT_LE(shards_.tables().log_bytes, 70'000u);
  wake(peer);
  EXPECT_EQ(given(peer).numbers.back(), 999u);
  EXPECT_TRUE(given(peer).adds_up());
  publish(2, 1'000);
  EXPECT_EQ(given(peer).numbers.back(), 1'001u);
}

TEST_F(Conflate, DeliversWhatIsAcknowledgedInItsCredit) {
  Peer& peer = reader("ack:client-individual\nprefetch-count:1\n", "/topic/*");
  publish(10, kBodyBytes, "/topic/a");
  publish(10, kBodyBytes, "/topic/b");
  EXPECT_EQ(given(peer).numbers, Numbers{0});
  const auto acknowledge = [&] {
    shards_.send(peer, "ACK\nid:" + *peer.output.frames().back().header("ack") + "\n\n");
  };
  acknowledge();
  EXPECT_EQ(given(peer).numbers, (Numbers{0, 9}));
  acknowledge();
  EXPECT_EQ(given(peer).numbers, (Numbers{0, 9, 19}));
  publish(2, kBodyBytes, "/topic/a");
  acknowledge();
  acknowledge();
  EXPECT_EQ(given(peer).numbers, (Numbers{0, 9, 19, 20, 21}));
  EXPECT_TRUE(given(peer).adds_up());
}

TEST_F(Conflate, GivesItsTableBeforeTheReceiptOfUnsubscribe) {
  for (const bool is_in_flight : {true, false}) {
    Peer& peer = stuck();
    next_ = 0;
    publish(20);
    if (!is_in_flight) shards_.complete(peer);
    shards_.send(peer, "UNSUBSCRIBE\nid:1\nreceipt:u\n\n");
    wake(peer);
    EXPECT_EQ(given(peer).numbers, (Numbers{0, 19}));
    EXPECT_TRUE(shards_.received(peer).ends_with("RECEIPT u"));
    shards_.reset(peer);
    EXPECT_EQ(shards_.tables().log_bytes, 0u);
  }
}

TEST_F(Conflate, ForgetsAReaderThatLeaves) {
  const int64_t before = Message::live_count();
  for (const bool is_held : {false, true}) {
    Peer& peer = stuck();
    publish(20);
    peer.is_release_held = is_held;
    shards_.reset(peer);
    publish(5);
    if (is_held) {
      peer.is_release_held = false;
      shards_.run();
    }
    EXPECT_TRUE(peer.is_released());
    EXPECT_EQ(shards_.tables().log_bytes, 0u);
    EXPECT_EQ(shards_.tables().slow_subscriptions, 0u);
  }
  EXPECT_EQ(Message::live_count(), before);
}

TEST_F(Conflate, PutsTheHeaderIntoWebSocketFramesToo) {
  Peer& peer = stuck("", "/topic/a", Transport::kWebSocket);
  publish(20);
  wake(peer);
  EXPECT_EQ(given(peer).numbers, (Numbers{0, 19}));
  EXPECT_EQ(given(peer).missed.back(), 18u);
}

TEST_F(Conflate, IsNotEndedForNotReading) {
  Peer& peer = stuck();
  publish(20);
  shards_.advance(10 * Options{}.slow_consumer_after_ms);
  EXPECT_EQ(peer.close_reason, std::nullopt);
  wake(peer);
  EXPECT_EQ(given(peer).numbers.back(), 19u);
}

TEST_F(Conflate, IsEndedForNotReadingIfItHasAskedForMore) {
  Peer& peer = reader();
  shards_.send(peer, "SUBSCRIBE\nid:2\ndestination:/queue/q\n\n");
  peer.is_reading = false;
  publish(1);
  shards_.advance(Options{}.slow_consumer_after_ms + 16);
  EXPECT_EQ(peer.close_reason, CloseReason::kSlowConsumerTime);
}

TEST_F(Conflate, HoldsNoPublisherBack) {
  (void)stuck();
  publish(100);
  EXPECT_EQ(shards_.count(&ShardMetrics::publishers_held_back), 0u);
}

TEST_F(Conflate, ServesSeveralSubscriptionsOfAConnectionInTurn) {
  Peer& peer = reader();
  shards_.send(peer, "SUBSCRIBE\nid:2\ndestination:/topic/b\n\n");
  peer.is_reading = false;
  for (int n = 0; n < 10; ++n) {
    publish(1, kBodyBytes, "/topic/a");
    publish(1, kBodyBytes, "/topic/b");
  }
  wake(peer);
  EXPECT_EQ(given(peer).numbers.back(), 18u);
  EXPECT_EQ(given(peer, "2").numbers.back(), 19u);
}

// -- Asking.

struct Asking : SlowPolicyOf {
  Asking() : SlowPolicyOf(with_rules({"drop-old /topic/log.#", "conflate /topic/price.*"})) {}
  std::string answer(std::string_view destination, std::string_view asked) {
    Peer& peer = shards_.connected();
    shards_.send(peer, "SUBSCRIBE\nid:1\ndestination:" + std::string(destination) +
                           "\nslow-consumer:" + std::string(asked) + "\nreceipt:s\n\n");
    return shards_.received(peer);
  }
};

TEST_F(Asking, MayLowerWhatIsHeld) {
  EXPECT_EQ(answer("/topic/log.a", "conflate key=x"), "RECEIPT s");
  EXPECT_EQ(answer("/topic/log.a", "drop-new bytes=1000"), "RECEIPT s");
  EXPECT_EQ(answer("/topic/price.a", "disconnect bytes=5000"), "RECEIPT s");
  EXPECT_EQ(answer("/topic/x", "disconnect"), "RECEIPT s");
}

TEST_F(Asking, MayNotRaiseIt) {
  EXPECT_EQ(answer("/topic/x", "conflate"), "ERROR unsupported-header, end");
  EXPECT_EQ(answer("/topic/price.a", "drop-old"), "ERROR unsupported-header, end");
  EXPECT_EQ(answer("/topic/price.a", "conflate key=x"), "ERROR unsupported-header, end");
  EXPECT_EQ(answer("/topic/*", "drop-old"), "ERROR unsupported-header, end");
}

TEST_F(Asking, IsForTopics) {
  EXPECT_EQ(answer("/queue/a", "disconnect"), "ERROR unsupported-header, end");
}

TEST_F(Asking, MustBeUnderstood) {
  EXPECT_EQ(answer("/topic/log.a", "gently"), "ERROR malformed-header, end");
}

TEST_F(Asking, LowersTheBoundOfDisconnect) {
  Peer& peer = stuck("slow-consumer:disconnect bytes=100000\n");
  Peer& other = stuck();
  publish(6);
  EXPECT_EQ(peer.close_reason, CloseReason::kSlowConsumerBytes);
  EXPECT_EQ(other.close_reason, std::nullopt);
}

TEST_F(Asking, IsNotWhatTheOthersOfTheTopicGet) {
  Peer& conflated = stuck("slow-consumer:conflate bytes=100000\n", "/topic/log.a");
  Peer& all = stuck("", "/topic/log.a");
  publish(10, kBodyBytes, "/topic/log.a");
  wake(conflated);
  wake(all);
  EXPECT_EQ(given(conflated).numbers, (Numbers{0, 9}));
  EXPECT_EQ(given(all).numbers.size(), 10u);
}

TEST_F(Asking, CannotBeForgedByAPublisher) {
  Peer& peer = reader();
  publish(1, 10, "/topic/a", "dropped:7\n");
  EXPECT_FALSE(shards_.last_frame(peer).header("dropped").has_value());
}

// A few readers of each policy that read now and then, or not at all for a while, and acknowledge
// or not; messages of all sizes. Whatever happens, each gets an ordered part of what was published
// and is told exactly how much it missed, and in the end nothing is left.
class SlowModel : public ::testing::TestWithParam<uint32_t> {};

TEST_P(SlowModel, EveryReaderIsToldExactlyWhatItMissed) {
  std::mt19937 random(GetParam());
  const auto below = [&random](uint32_t limit) { return static_cast<uint32_t>(random()) % limit; };
  const int64_t live_before = Message::live_count();
  Options options =
      with_rules({"drop-old /topic/old bytes=20000", "drop-new /topic/new bytes=20000",
                  "conflate /topic/latest bytes=20000", "conflate /topic/keyed key=k bytes=9000"});
  options.send_bytes_max = 3'000;
  const std::vector<std::string> topics = {"/topic/old", "/topic/new", "/topic/latest",
                                           "/topic/keyed"};
  {
    ShardFixture shards(1, options);
    Peer& publisher = shards.connected();
    std::vector<Peer*> readers;
    for (size_t n = 0; n < 12; ++n) {
      Peer& peer = shards.connected(n % 3 == 0 ? Transport::kTcp : Transport::kWebSocket);
      // Some have two subscriptions.
      shards.send(peer, "SUBSCRIBE\nid:1\ndestination:" + topics[n % 4] +
                            (n % 5 == 4 ? "\nack:client\nprefetch-count:7\n\n" : "\n\n"));
      if (n > 6) shards.send(peer, "SUBSCRIBE\nid:2\ndestination:" + topics[(n + 1) % 4] + "\n\n");
      readers.push_back(&peer);
    }
    std::map<const Peer*, std::string> acknowledged;
    const auto acknowledge = [&](Peer& peer) {
      for (auto frame = peer.output.frames().rbegin(); frame != peer.output.frames().rend();
           ++frame) {
        if (const auto ack = frame->header("ack")) {
          if (std::exchange(acknowledged[&peer], *ack) == *ack) return;
          shards.send(peer, "ACK\nid:" + *ack + "\n\n");
          return;
        }
      }
    };
    std::vector<uint64_t> next(topics.size(), 0);
    const auto publish = [&](size_t topic) {
      std::string body = std::to_string(next[topic]++) + ' ';
      const uint32_t kind = below(20);
      body.append(kind == 0 ? 35'000 : kind < 4 ? below(4'000) : below(300), 'x');
      shards.send(publisher, "SEND\ndestination:" + topics[topic] +
                                 "\nk:" + std::to_string(below(5)) + "\n\n" + body);
    };
    for (int step = 0; step < 4'000; ++step) {
      Peer& peer = *readers[below(static_cast<uint32_t>(readers.size()))];
      switch (below(8)) {
        case 0:
          peer.is_reading = !peer.is_reading;
          break;
        case 1:
          if (peer.has_operation) shards.complete(peer);
          break;
        case 2:
          acknowledge(peer);
          break;
        default:
          publish(below(4));
      }
      shards.run();
    }
    for (size_t round = 0; round < 40; ++round) {
      for (Peer* peer : readers) {
        peer->is_reading = true;
        shards.run();
        acknowledge(*peer);
      }
    }
    for (size_t topic = 0; topic < topics.size(); ++topic) publish(topic);
    uint64_t missed = 0;
    for (size_t n = 0; n < readers.size(); ++n) {
      ASSERT_EQ(readers[n]->close_reason, std::nullopt) << n;
      for (size_t id = 1; id <= (n > 6 ? 2u : 1u); ++id) {
        const Given got = given(*readers[n], std::to_string(id));
        EXPECT_TRUE(got.adds_up()) << n << " " << id;
        EXPECT_EQ(got.numbers.back() + 1, next[(n + id - 1) % 4]) << n << " " << id;
        missed += got.missed_in_all();
      }
    }
    const auto& metrics = shards.shard().metrics();
    uint64_t counted = 0;
    for (const uint64_t of_policy : metrics.slow_dropped) counted += of_policy;
    EXPECT_GT(missed, 1'000u);
    EXPECT_EQ(counted, missed);
    EXPECT_EQ(shards.tables().slow_subscriptions, 0u);
    EXPECT_EQ(shards.tables().log_bytes, 0u);
  }
  EXPECT_EQ(Message::live_count(), live_before);
}

INSTANTIATE_TEST_SUITE_P(Seeds, SlowModel, ::testing::Range(1u, 21u));

}  // namespace
}  // namespace stampede::core
