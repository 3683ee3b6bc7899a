#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tools/stampede_bench/flags.h"
#include "tools/stampede_bench/load/delivery_check.h"
#include "tools/stampede_bench/load/flight.h"
#include "tools/stampede_bench/load/load_plan.h"
#include "tools/stampede_bench/load/stamp.h"

namespace stampede::bench {
namespace {

// -- BodyText

constexpr uint32_t kLastPublisher = (1U << 24) - 1;
constexpr uint64_t kLastNumber = (uint64_t{1} << 48) - 1;

TEST(BodyText, GivesBackWhatItStamped) {
  for (const size_t size : {kStampBytes, kStampBytes + 1, size_t{100}, size_t{64} << 10}) {
    BodyText writer(size);
    const BodyText reader(size);
    for (const Stamp& stamp : {Stamp{0, 0}, Stamp{1, 2}, Stamp{63, 64}, Stamp{4095, 1'000'000'007},
                               Stamp{kLastPublisher, kLastNumber}}) {
      const std::string body(writer.make(stamp));
      ASSERT_EQ(body.size(), size);
      const auto read = reader.check(body);
      ASSERT_TRUE(read) << size;
      EXPECT_EQ(read->publisher, stamp.publisher);
      EXPECT_EQ(read->number, stamp.number);
    }
  }
}

TEST(BodyText, IsPrintableWithoutLineEnds) {
  BodyText text(200);
  EXPECT_TRUE(std::ranges::all_of(text.make({7, 77}), [](char c) { return c > ' ' && c < 127; }));
}

// Every octet, and every value that it can turn into.
TEST(BodyText, NoticesEachAlteredOctet) {
  BodyText text(60);
  const std::string body(text.make({5, 123'456'789}));
  for (size_t at = 0; at < body.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      std::string altered = body;
      altered[at] = static_cast<char>(value);
      EXPECT_EQ(text.check(altered).has_value(), altered == body) << at << " is " << value;
    }
  }
}

TEST(BodyText, NoticesOtherSizes) {
  BodyText text(kStampBytes);
  const std::string body(text.make({1, 1}));
  EXPECT_TRUE(text.check(body));
  EXPECT_FALSE(text.check(body.substr(0, kStampBytes - 1)));
  EXPECT_FALSE(text.check(body + "a"));
  EXPECT_FALSE(text.check(""));
  EXPECT_FALSE(BodyText(kStampBytes + 1).check(body));
}

// -- Flight

TEST(Flight, SlotIsFreeOnlyWhenAllThreadsEnded) {
  Flight flight(4);
  ASSERT_TRUE(flight.try_begin(1, 100, 3));
  EXPECT_FALSE(flight.end_one(1));
  EXPECT_FALSE(flight.try_begin(5, 200, 1));
  EXPECT_FALSE(flight.end_one(1));
  EXPECT_FALSE(flight.try_begin(5, 200, 1));
  EXPECT_TRUE(flight.is_in_flight(1));
  EXPECT_EQ(flight.intended_ns(1), 100);
  EXPECT_TRUE(flight.end_one(1));
  EXPECT_FALSE(flight.is_in_flight(1));
  EXPECT_TRUE(flight.try_begin(5, 200, 1));
  EXPECT_EQ(flight.intended_ns(5), 200);
}

TEST(Flight, EachSlotStandsForItself) {
  Flight flight(4);
  for (uint64_t number = 0; number < 4; ++number)
    ASSERT_TRUE(flight.try_begin(number, static_cast<int64_t>(number), 1));
  EXPECT_TRUE(flight.end_one(2));
  EXPECT_TRUE(flight.try_begin(6, 6, 1));
  EXPECT_FALSE(flight.try_begin(4, 4, 1));
  EXPECT_FALSE(flight.is_in_flight(2));
  EXPECT_TRUE(flight.is_in_flight(6));
  EXPECT_EQ(flight.slot_of(2), flight.slot_of(6));
}

TEST(Flight, WhatNobodyWaitsForHoldsNoSlot) {
  Flight flight(1);
  ASSERT_TRUE(flight.try_begin(0, 0, 0));
  EXPECT_FALSE(flight.is_in_flight(0));
  EXPECT_TRUE(flight.try_begin(1, 0, 0));
}

TEST(Flight, TheOnlyDeliveryEndsItOnce) {
  Flight flight(2);
  ASSERT_TRUE(flight.try_begin(0, 0, 1));
  EXPECT_FALSE(flight.try_end_only(2));  // another message of the same slot
  EXPECT_TRUE(flight.try_end_only(0));
  EXPECT_FALSE(flight.try_end_only(0));
  EXPECT_TRUE(flight.try_begin(2, 0, 1));
  EXPECT_FALSE(flight.try_end_only(0));
}

// Two threads are given every message: exactly one of them may take each.
TEST(Flight, OfTwoThreadsOneTakesTheOnlyDelivery) {
  constexpr uint64_t kMessages = 2'000;
  Flight flight(1);
  std::atomic<uint64_t> begun = 0;
  std::atomic<uint64_t> refused = 0;
  std::vector<uint64_t> taken(2);
  std::vector<std::thread> readers;
  for (size_t reader = 0; reader < taken.size(); ++reader) {
    readers.emplace_back([&, reader] {
      for (uint64_t number = 0; number < kMessages; ++number) {
        while (begun.load() <= number) std::this_thread::yield();
        if (flight.try_end_only(number)) {
          ++taken[reader];
        } else {
          ++refused;
        }
      }
    });
  }
  for (uint64_t number = 0; number < kMessages; ++number) {
    // The slot is free and both have looked at the message before.
    while (refused.load() < number || !flight.try_begin(number, 0, 1)) std::this_thread::yield();
    begun.store(number + 1);
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(taken[0] + taken[1], kMessages);
  EXPECT_EQ(refused.load(), kMessages);
}

// -- DeliveryCheck

// One subscriber of destination `destination` of `destinations`, and what has happened to it.
class DeliveryCheckTest : public testing::Test {
 protected:
  void listen(Expectation expectation, uint32_t destinations = 1, uint32_t destination = 0,
              uint32_t publishers = 1) {
    plan_ = {};
    for (uint32_t index = 0; index < publishers; ++index)
      plan_.publishers.push_back({.cycle = destinations, .phase = index % destinations});
    check_.emplace(plan_, destination, expectation);
    errors_ = {};
  }
  // All of these are accepted, or none is.
  void accept(std::vector<uint64_t> numbers, uint32_t publisher = 0) {
    for (const uint64_t number : numbers) EXPECT_TRUE(take(number, publisher)) << number;
  }
  void refuse(std::vector<uint64_t> numbers, uint32_t publisher = 0) {
    for (const uint64_t number : numbers) EXPECT_FALSE(take(number, publisher)) << number;
  }
  bool take(uint64_t number, uint32_t publisher) {
    const Stamp stamp = {publisher, number};
    const uint64_t published = publisher < plan_.publishers.size() ? published_ : 0;
    return check_->take_next(stamp) || check_->take_other(stamp, published, errors_);
  }

  LoadPlan plan_;
  std::optional<DeliveryCheck> check_;
  ReportErrors errors_;
  uint64_t published_ = 1000;
};

TEST_F(DeliveryCheckTest, AllInOrderIsNoError) {
  listen(Expectation::kAll);
  accept({0, 1, 2, 3});
  EXPECT_EQ(errors_.total(), 0U);
  EXPECT_EQ(check_->left_out(), 0U);
  EXPECT_EQ(check_->outstanding(0, 4), 0U);
}

TEST_F(DeliveryCheckTest, AGapIsLeftOut) {
  listen(Expectation::kAll);
  accept({0, 3, 4});
  EXPECT_EQ(check_->left_out(), 2U);
  EXPECT_EQ(errors_.total(), 0U);  // they may still come
}

TEST_F(DeliveryCheckTest, TheFirstOfAllMayBeTheGap) {
  listen(Expectation::kAll);
  accept({1});
  EXPECT_EQ(check_->left_out(), 1U);
}

TEST_F(DeliveryCheckTest, ALateOneIsReorderedAndNotLost) {
  listen(Expectation::kAll);
  accept({0, 2, 1, 3});
  EXPECT_EQ(errors_.reordered, 1U);
  EXPECT_EQ(errors_.total(), 1U);
  EXPECT_EQ(check_->left_out(), 0U);
}

TEST_F(DeliveryCheckTest, ARepeatIsADuplicate) {
  listen(Expectation::kAll);
  accept({0, 1});
  refuse({1, 0});
  accept({2});
  EXPECT_EQ(errors_.duplicated, 2U);
  EXPECT_EQ(errors_.total(), 2U);
}

TEST_F(DeliveryCheckTest, ALateOneThatRepeatsIsADuplicate) {
  listen(Expectation::kAll);
  accept({1, 0});
  refuse({0});
  EXPECT_EQ(errors_.reordered, 1U);
  EXPECT_EQ(errors_.duplicated, 1U);
}

TEST_F(DeliveryCheckTest, AnotherDestinationsMessageIsCorrupted) {
  listen(Expectation::kAll, 3, 1);
  accept({1, 4});
  refuse({2, 3, 5, 6});
  accept({7});
  EXPECT_EQ(errors_.corrupted, 4U);
  EXPECT_EQ(errors_.total(), 4U);
}

TEST_F(DeliveryCheckTest, AnUnknownPublisherIsCorrupted) {
  for (const Expectation expectation :
       {Expectation::kAll, Expectation::kFromFirst, Expectation::kSome}) {
    listen(expectation);
    EXPECT_FALSE(take(0, 1));
    EXPECT_FALSE(take(0, kLastPublisher));
    EXPECT_EQ(errors_.corrupted, 2U);
  }
}

TEST_F(DeliveryCheckTest, WhatWasNeverPublishedIsCorrupted) {
  for (const Expectation expectation :
       {Expectation::kAll, Expectation::kFromFirst, Expectation::kSome}) {
    listen(expectation);
    refuse({published_, kLastNumber});
    EXPECT_EQ(errors_.corrupted, 2U);
    EXPECT_EQ(check_->left_out(), 0U);
    accept({published_ - 1});
  }
}

TEST_F(DeliveryCheckTest, PublishersAreCountedApart) {
  listen(Expectation::kAll, 1, 0, 3);
  accept({0, 1}, 0);
  accept({0}, 2);
  accept({1}, 1);
  EXPECT_EQ(check_->left_out(), 1U);
  EXPECT_EQ(check_->outstanding(0, 5), 3U);
  EXPECT_EQ(check_->outstanding(1, 5), 3U);
  EXPECT_EQ(check_->outstanding(2, 5), 4U);
}

TEST_F(DeliveryCheckTest, FollowsTheStrideFromThePublishersPhase) {
  // Publisher 1 of 2 begins with destination 1, so number 2 is its first to destination 0 of 3.
  listen(Expectation::kAll, 3, 0, 2);
  accept({0, 3, 6}, 0);
  accept({2, 5, 8}, 1);
  EXPECT_EQ(errors_.total(), 0U);
  accept({17}, 1);
  EXPECT_EQ(check_->left_out(), 2U);  // 11 and 14: 9, 10, 12 and so on go elsewhere
}

TEST_F(DeliveryCheckTest, OutstandingCountsOnlyNumbersThatGoThere) {
  listen(Expectation::kAll, 3, 1);
  EXPECT_EQ(check_->outstanding(0, 0), 0U);
  EXPECT_EQ(check_->outstanding(0, 1), 0U);
  EXPECT_EQ(check_->outstanding(0, 2), 1U);
  EXPECT_EQ(check_->outstanding(0, 4), 1U);
  EXPECT_EQ(check_->outstanding(0, 5), 2U);
  accept({1});
  EXPECT_EQ(check_->outstanding(0, 4), 0U);
  EXPECT_EQ(check_->outstanding(0, 5), 1U);
}

TEST_F(DeliveryCheckTest, WhoCameLaterBeginsAnywhereButThenMissesNothing) {
  listen(Expectation::kFromFirst, 2, 1);
  accept({41, 43});
  EXPECT_EQ(check_->left_out(), 0U);
  accept({49});
  EXPECT_EQ(check_->left_out(), 2U);
  accept({45});
  refuse({45, 41, 39});
  refuse({50});
  EXPECT_EQ(errors_.reordered, 1U);
  EXPECT_EQ(errors_.duplicated, 3U);
  EXPECT_EQ(errors_.corrupted, 1U);
  EXPECT_EQ(check_->outstanding(0, 1000), 0U);  // it may have left before
}

TEST_F(DeliveryCheckTest, OneOfSeveralConsumersMissesNothingButWantsThemRising) {
  listen(Expectation::kSome, 2, 0);
  accept({0, 8, 10, 40});
  EXPECT_EQ(errors_.total(), 0U);
  accept({12});  // whether it came before the flight knows
  EXPECT_EQ(errors_.reordered, 1U);
  refuse({41});
  EXPECT_EQ(errors_.corrupted, 1U);
  EXPECT_EQ(check_->left_out(), 0U);
  EXPECT_EQ(check_->outstanding(0, 1000), 0U);
}

TEST_F(DeliveryCheckTest, CountsMoreLeftOutThanItRemembers) {
  published_ = 10'000'000;
  listen(Expectation::kAll);
  accept({300'000});
  EXPECT_EQ(check_->left_out(), 300'000U);
  accept({5});
  EXPECT_EQ(check_->left_out(), 299'999U);
  EXPECT_EQ(errors_.reordered, 1U);
}

// -- make_plan

BenchOptions options_of(Scenario scenario, uint32_t subscribers, uint32_t publishers = 1,
                        uint32_t destinations = 1, uint32_t threads = 1) {
  BenchOptions options;
  options.scenario = scenario;
  options.subscribers = subscribers;
  options.publishers = publishers;
  options.destinations = destinations;
  options.threads = threads;
  return options;
}

TEST(MakePlan, SpreadsSubscribersOverDestinationsAndClientsOverThreads) {
  const BenchOptions options = options_of(Scenario::kFanOut, 10, 2, 3, 2);
  const LoadPlan plan = make_plan(options);
  EXPECT_EQ(plan.destinations,
            (std::vector<std::string>{"/topic/bench.0", "/topic/bench.1", "/topic/bench.2"}));
  EXPECT_EQ(plan.client_count(), 12U);
  EXPECT_EQ(plan.clients[0].size(), 6U);
  EXPECT_EQ(plan.clients[1].size(), 6U);
  std::vector<uint32_t> by_destination(3);
  std::set<uint32_t> publishers;
  for (uint32_t thread = 0; thread < 2; ++thread) {
    std::vector<uint32_t> here(3);
    for (const ClientPlan& client : plan.clients[thread]) {
      if (client.destination != kNobody) ++here[client.destination];
      if (client.publisher == kNobody) continue;
      EXPECT_TRUE(publishers.insert(client.publisher).second);
      EXPECT_EQ(plan.publishers[client.publisher].thread, thread);
    }
    EXPECT_EQ(plan.subscribers[thread], here);
    for (uint32_t destination = 0; destination < 3; ++destination)
      by_destination[destination] += here[destination];
  }
  EXPECT_EQ(by_destination, (std::vector<uint32_t>{4, 3, 3}));
  EXPECT_EQ(publishers, (std::set<uint32_t>{0, 1}));
}

TEST(MakePlan, EachPublisherVisitsAllDestinationsInTurnFromAPhaseOfItsOwn) {
  const BenchOptions options = options_of(Scenario::kFanOut, 4, 2, 4);
  const LoadPlan plan = make_plan(options);
  EXPECT_EQ(plan.publishers[0].destination_of(0), 0U);
  EXPECT_EQ(plan.publishers[1].destination_of(0), 2U);
  for (const PublisherPlan& publisher : plan.publishers) {
    for (uint32_t destination = 0; destination < 4; ++destination) {
      const uint64_t first = publisher.first_number_to(destination);
      EXPECT_LT(first, 4U);
      EXPECT_EQ(publisher.destination_of(first), destination);
      EXPECT_EQ(publisher.destination_of(first + 4), destination);
    }
    EXPECT_EQ(publisher.first_number_to(4), PublisherPlan::kNever);
  }
}

TEST(MakePlan, EachPublisherGoesItsOwnWayAndKnowsWhenItComesWhere) {
  for (const uint32_t destinations : {1, 2, 10, 12, 1000}) {
    const BenchOptions options = options_of(Scenario::kFanOut, 1, 5, destinations);
    for (const PublisherPlan& publisher : make_plan(options).publishers) {
      std::set<uint32_t> visited;
      for (uint64_t number = 0; number < destinations; ++number) {
        const uint32_t destination = publisher.destination_of(number);
        visited.insert(destination);
        EXPECT_EQ(publisher.first_number_to(destination), number);
        EXPECT_EQ(publisher.destination_of(number + 7 * uint64_t{destinations}), destination);
      }
      EXPECT_EQ(visited.size(), destinations);
    }
  }
}

TEST(MakePlan, NoPublisherFollowsAnother) {
  const BenchOptions options = options_of(Scenario::kFanOut, 1, 4, 1000);
  const LoadPlan plan = make_plan(options);
  for (size_t i = 0; i < 4; ++i)
    for (size_t j = 0; j < i; ++j) EXPECT_NE(plan.publishers[i].stride, plan.publishers[j].stride);
}

TEST(MakePlan, WaitsForTheThreadsThatHaveASubscriber) {
  // Clients by turns on 3 threads: the publisher on 0, subscribers on 1, 2, 0, 1.
  const BenchOptions options = options_of(Scenario::kFanOut, 4, 1, 3, 3);
  const LoadPlan plan = make_plan(options);
  EXPECT_EQ(plan.waiting_threads, (std::vector<uint32_t>{1, 1, 1}));
  const BenchOptions one = options_of(Scenario::kFanOut, 4, 1, 1, 3);
  EXPECT_EQ(make_plan(one).waiting_threads, std::vector<uint32_t>{3});
  const BenchOptions few = options_of(Scenario::kFanOut, 1, 1, 2, 3);
  EXPECT_EQ(make_plan(few).waiting_threads, (std::vector<uint32_t>{1, 0}));
}

TEST(MakePlan, OfAQueueOneWaits) {
  const BenchOptions options = options_of(Scenario::kQueue, 6, 1, 2, 3);
  const LoadPlan plan = make_plan(options);
  EXPECT_TRUE(plan.is_queue);
  EXPECT_EQ(plan.waiting_threads, (std::vector<uint32_t>{1, 1}));
}

TEST(MakePlan, EachEchoHasADestinationAndAPublisherOfItsOwn) {
  const BenchOptions options = options_of(Scenario::kEcho, 5, 1, 1, 2);
  const LoadPlan plan = make_plan(options);
  EXPECT_EQ(plan.client_count(), 5U);
  EXPECT_EQ(plan.destinations.size(), 5U);
  for (const auto& of_thread : plan.clients) {
    for (const ClientPlan& client : of_thread) EXPECT_EQ(client.destination, client.publisher);
  }
  for (uint32_t index = 0; index < 5; ++index) {
    EXPECT_EQ(plan.publishers[index].destination_of(7), index);
    const PublisherRange range = plan.publishers_to(index);
    EXPECT_EQ(range.first, index);
    EXPECT_EQ(range.count, 1U);
  }
  // So the check of one connection does not grow with the number of all.
  DeliveryCheck check(plan, 3, Expectation::kAll);
  ReportErrors errors;
  EXPECT_TRUE(check.take_next({3, 0}));
  EXPECT_FALSE(check.take_next({2, 0}));
  EXPECT_FALSE(check.take_other({2, 0}, 10, errors));
  EXPECT_EQ(errors.corrupted, 1U);
  EXPECT_EQ(check.outstanding(3, 4), 3U);
}

TEST(MakePlan, WhoDoesNotSubscribeWaitsForNoPublisher) {
  const BenchOptions options = options_of(Scenario::kFanOut, 2, 7);
  const LoadPlan plan = make_plan(options);
  EXPECT_EQ(plan.publishers_to(kNobody).count, 0U);
  EXPECT_EQ(plan.publishers_to(0).first, 0U);
  EXPECT_EQ(plan.publishers_to(0).count, 7U);
}

TEST(MakePlan, IdleHasNoPublishers) {
  const BenchOptions options = options_of(Scenario::kIdle, 5, 3, 2, 2);
  const LoadPlan plan = make_plan(options);
  EXPECT_TRUE(plan.publishers.empty());
  EXPECT_EQ(plan.client_count(), 5U);
  EXPECT_EQ(plan.publishers_to(0).count, 0U);
}

TEST(MakePlan, TheWindowIsSharedByAllPublishers) {
  BenchOptions options = options_of(Scenario::kFanOut, 1, 4);
  options.window = 64;
  EXPECT_EQ(make_plan(options).window_each, 16U);
  options.window = 3;
  EXPECT_EQ(make_plan(options).window_each, 1U);
  options.rate = 10;
  EXPECT_EQ(make_plan(options).window_each, 0U);
}

TEST(MakePlan, FlightsHaveAPowerOfTwoOfSlotsWithinBounds) {
  for (const auto& [publishers, slots] :
       {std::pair{1U, size_t{65536}}, std::pair{16U, size_t{65536}}, std::pair{17U, size_t{65536}},
        std::pair{32U, size_t{32768}}, std::pair{1U << 14, size_t{64}},
        std::pair{1U << 16, size_t{64}}}) {
    const BenchOptions options = options_of(Scenario::kFanOut, 1, publishers);
    EXPECT_EQ(make_plan(options).flight_slots, slots) << publishers;
  }
}

// -- parse_command_line

Result<CommandLine> parse(const std::string& text) {
  std::vector<std::string> words = {"stampede-bench"};
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    if (end > at) words.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  std::vector<const char*> argv;
  for (const std::string& word : words) argv.push_back(word.c_str());
  return parse_command_line(static_cast<int>(argv.size()), argv.data());
}

BenchOptions options_from(const std::string& text) {
  Result<CommandLine> line = parse(text);
  EXPECT_TRUE(line) << text << ": " << line.error();
  return line ? line->options : BenchOptions{};
}

bool is_refused(const std::string& text) { return !parse(text); }

TEST(BenchFlags, DefaultsAreThoseOfTheOptions) {
  const BenchOptions options = options_from("fanout");
  const BenchOptions defaults;
  EXPECT_EQ(options.scenario, Scenario::kFanOut);
  EXPECT_EQ(options.subscribers, defaults.subscribers);
  EXPECT_EQ(options.body_bytes, defaults.body_bytes);
  EXPECT_EQ(options.rate, 0);
  EXPECT_EQ(options.destination, "/topic/bench");
  EXPECT_TRUE(options.target.over_websocket);
  EXPECT_EQ(options.target.port, 15674);
  EXPECT_EQ(options.target.path, "/ws");
}

TEST(BenchFlags, KnowsItsSubcommands) {
  for (const Scenario scenario :
       {Scenario::kFanOut, Scenario::kEcho, Scenario::kIdle, Scenario::kChurn, Scenario::kQueue}) {
    EXPECT_EQ(options_from(to_string(scenario)).scenario, scenario);
  }
  EXPECT_EQ(options_from("queue").destination, "/queue/bench");
}

TEST(BenchFlags, ReadsEachFlag) {
  const BenchOptions options = options_from(
      "churn --url stomp://127.0.0.2:7000 --login me --passcode secret --host vh "
      "--source-ip 127.0.0.3,127.0.0.4 --connect-parallel 7 --set-up-time 3s --threads 2 "
      "--destination /topic/x --subscription-id uuid --subscribers 11 --publishers 3 "
      "--destinations 5 --body-size 2KiB --rate 12.5 --window 9 --burst 4 --churn-rate 33 "
      "--churn-stay 250ms --warm-up 0 --duration 2s --settle 10ms --drain-time 1m "
      "--server-pid 1234 --json j --csv c --hdr h --plot p.html --fail-if p99>5ms --fail-if "
      "lost>0");
  EXPECT_EQ(options.scenario, Scenario::kChurn);
  EXPECT_EQ(options.target.protocol, Target::Protocol::kStomp);
  EXPECT_FALSE(options.target.over_websocket);
  EXPECT_EQ(options.target.host, "127.0.0.2");
  EXPECT_EQ(options.target.port, 7000);
  EXPECT_EQ(options.target.login, "me");
  EXPECT_EQ(options.target.passcode, "secret");
  EXPECT_EQ(options.target.virtual_host, "vh");
  EXPECT_EQ(options.source_ips, (std::vector<std::string>{"127.0.0.3", "127.0.0.4"}));
  EXPECT_EQ(options.connect_parallel, 7U);
  EXPECT_EQ(options.set_up_ms, 3000);
  EXPECT_EQ(options.threads, 2U);
  EXPECT_EQ(options.destination, "/topic/x");
  EXPECT_TRUE(options.has_uuid_ids);
  EXPECT_EQ(options.subscribers, 11U);
  EXPECT_EQ(options.publishers, 3U);
  EXPECT_EQ(options.destinations, 5U);
  EXPECT_EQ(options.body_bytes, 2048U);
  EXPECT_EQ(options.rate, 12.5);
  EXPECT_EQ(options.window, 9U);
  EXPECT_EQ(options.burst, 4U);
  EXPECT_EQ(options.churn_rate, 33);
  EXPECT_EQ(options.churn_stay_ms, 250);
  EXPECT_EQ(options.warm_up_ms, 0);
  EXPECT_EQ(options.duration_ms, 2000);
  EXPECT_EQ(options.settle_ms, 10);
  EXPECT_EQ(options.drain_ms, 60'000);
  EXPECT_EQ(options.server_pid, 1234);
  EXPECT_EQ(options.json_file, "j");
  EXPECT_EQ(options.csv_file, "c");
  EXPECT_EQ(options.hdr_file, "h");
  EXPECT_EQ(options.plot_file, "p.html");
  EXPECT_EQ(options.fail_if, (std::vector<std::string>{"p99>5ms", "lost>0"}));
  EXPECT_EQ(options_from("echo --connections 6").subscribers, 6U);
  EXPECT_EQ(options_from("idle --connections 6").subscribers, 6U);
  EXPECT_EQ(options_from("idle --subscribers 6").subscribers, 6U);
  EXPECT_EQ(options_from("queue --ack client-individual").ack, "client-individual");
}

TEST(BenchFlags, LimitsHoldAtTheLimitAndNotOnePast) {
  struct Limit {
    const char* flag;
    const char* lowest;
    const char* below;
    const char* highest;
    const char* above;
  };
  for (const auto& [flag, lowest, below, highest, above] : {
           Limit{"fanout --body-size", "13", "12", "16M", "16777217"},
           Limit{"fanout --duration", "100ms", "99ms", "720h", "721h"},
           Limit{"fanout --threads", "1", "0", "256", "257"},
           Limit{"fanout --subscribers", "1", "0", "1000000", "1000001"},
           Limit{"fanout --publishers", "1", "0", "1048576", "1048577"},
           Limit{"fanout --destinations", "1", "0", "1000000", "1000001"},
           Limit{"fanout --connect-parallel", "1", "0", "10000", "10001"},
           Limit{"fanout --rate", "0.001", "0.0009", "1e9", "1.1e9"},
           Limit{"fanout --window", "1", "0", "4294967295", "4294967296"},
           Limit{"fanout --burst", "1", "0", "4294967295", "4294967296"},
           Limit{"fanout --server-pid", "1", "0", "2147483647", "2147483648"},
           Limit{"churn --churn-rate", "0.001", "0.0009", "100000", "100001"},
           Limit{"churn --churn-stay", "0", "-1ms", "720h", "721h"},
           Limit{"fanout --warm-up", "0", "-1s", "720h", "721h"},
           Limit{"fanout --settle", "0", "-1s", "720h", "721h"},
           Limit{"fanout --drain-time", "0", "-1s", "720h", "721h"},
           Limit{"fanout --set-up-time", "0", "-1s", "720h", "721h"},
           Limit{"echo --connections", "1", "0", "1048576", "1048577"},
           Limit{"idle --connections", "1", "0", "1000000", "1000001"},
       }) {
    const auto with = [flag = flag](const char* value) { return std::string(flag) + " " + value; };
    EXPECT_FALSE(is_refused(with(lowest))) << with(lowest);
    EXPECT_TRUE(is_refused(with(below))) << with(below);
    EXPECT_FALSE(is_refused(with(highest))) << with(highest);
    EXPECT_TRUE(is_refused(with(above))) << with(above);
  }
}

TEST(BenchFlags, RefusesRatesThatAreNoRate) {
  for (const char* text :
       {"fanout --rate nan", "fanout --rate inf", "fanout --rate 0", "fanout --rate -1",
        "fanout --rate x", "churn --churn-rate nan", "churn --churn-rate inf"}) {
    EXPECT_TRUE(is_refused(text)) << text;
  }
}

TEST(BenchFlags, EachConsumerlessDestinationOfAQueueIsRefused) {
  EXPECT_FALSE(is_refused("queue --subscribers 3 --destinations 3"));
  EXPECT_TRUE(is_refused("queue --subscribers 3 --destinations 4"));
  EXPECT_FALSE(is_refused("fanout --subscribers 3 --destinations 4"));
}

TEST(BenchFlags, RefusesWhatItDoesNotKnow) {
  for (const char* text :
       {"", "nothing", "fanout echo", "fanout extra", "fanout --nonsense", "fanout --subscribers",
        "fanout --subscribers ten", "fanout --duration 5", "fanout --body-size 1X",
        "fanout --url http://127.0.0.1", "fanout --url ws://example.org",
        "fanout --subscription-id odd", "queue --ack never", "fanout --ack auto", "idle --rate 5",
        "echo --subscribers 5", "fanout --churn-rate 5"}) {
    EXPECT_TRUE(is_refused(text)) << text;
  }
}

TEST(BenchFlags, UsageErrorsSayWhatIsWrong) {
  const auto says = [](const char* text, const char* what) {
    const Result<CommandLine> line = parse(text);
    ASSERT_FALSE(line) << text;
    EXPECT_NE(line.error().find(what), std::string::npos) << line.error();
    EXPECT_EQ(line.error().find('\n'), std::string::npos) << line.error();
  };
  says("fanout --nonsense", "--nonsense");
  says("fanout --body-size 12", "--body-size must be 13 to 16777216");
  says("fanout --duration 99ms", "100ms");
  says("fanout --duration 5", "needs a unit");
  says("fanout --warm-up 999h", "30 days");
  says("fanout --url http://x", "ws://");
  says("fanout --rate nan", "--rate");
  says("queue --destinations 101", "--subscribers");
}

TEST(BenchFlags, HelpAndVersionAreTexts) {
  const auto text = [](const char* words) {
    const Result<CommandLine> line = parse(words);
    return line ? line->text : "refused: " + line.error();
  };
  for (const char* scenario : {"fanout", "echo", "idle", "churn", "queue"}) {
    EXPECT_NE(text("--help").find(scenario), std::string::npos);
    const std::string help = text((std::string(scenario) + " --help").c_str());
    for (const char* flag : {"--url", "--duration", "--json", "--fail-if", "--threads"})
      EXPECT_NE(help.find(flag), std::string::npos) << scenario;
  }
  EXPECT_NE(text("fanout --help").find("--rate"), std::string::npos);
  EXPECT_EQ(text("fanout --help").find("--churn-rate"), std::string::npos);
  EXPECT_NE(text("--version").find("stampede"), std::string::npos);
  EXPECT_TRUE(text("fanout").empty());
}

}  // namespace
}  // namespace stampede::bench
