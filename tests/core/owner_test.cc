#include "core/owner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "tests/core/make_message.h"

namespace stampede::core {
namespace {

class OwnerOf : public ::testing::Test {
 protected:
  struct Published {
    uint64_t interested;
    bool is_duplicate;
    uint64_t sequence;
    std::string id;
  };

  Published publish(std::string_view name, std::string_view client_id = "", Millis now = 0) {
    return publish(owner(), name, client_id, now);
  }
  Published publish(Owner& owner, std::string_view name, std::string_view client_id = "",
                    Millis now = 0) {
    Message* message = tests::make_message({.destination = name,
                                            .message_id = client_id,
                                            .route_hash = hash_text(name, options_.boot_id)});
    const Owner::Verdict verdict = owner.publish(*message, now);
    const Published published = {verdict.interested, verdict.is_duplicate, message->sequence(),
                                 std::string(message->message_id())};
    message->drop_reference();
    return published;
  }
  // Made at first use, so that a test can set options before.
  Owner& owner() {
    if (owner_ == nullptr) owner_ = std::make_unique<Owner>(3, options_, metrics_);
    return *owner_;
  }
  ShardTables tables() {
    ShardTables tables;
    owner().count_tables(tables);
    return tables;
  }

  Options options_ = {.boot_id = 0x1234567890};
  ShardMetrics metrics_;
  std::unique_ptr<Owner> owner_;
};

constexpr uint64_t bit(ShardId shard) { return uint64_t{1} << shard; }

TEST_F(OwnerOf, NumbersEachDestinationByItself) {
  EXPECT_EQ(publish("/topic/a").sequence, 1u);
  EXPECT_EQ(publish("/topic/a").sequence, 2u);
  EXPECT_EQ(publish("/topic/b").sequence, 1u);
  EXPECT_EQ(publish("/topic/a").sequence, 3u);
  EXPECT_EQ(metrics_.messages_published, 4u);
}

TEST_F(OwnerOf, GoesByTheRouteOfAMessage) {
  owner().add_interest("/topic/a", 2, 0);
  Message* message = tests::make_message({.destination = "/other/a",
                                          .route = "/topic/a",
                                          .route_hash = hash_text("/topic/a", options_.boot_id)});
  EXPECT_EQ(owner().publish(*message, 0).interested, bit(2));
  EXPECT_EQ(publish("/topic/a").sequence, 2u);
  message->drop_reference();
}

TEST_F(OwnerOf, ShowsPatternsNothingThatIsNotATopic) {
  owner().add_pattern("#", 1);
  owner().add_pattern("user.*.*", 2);
  for (const char* route : {"/user/bob/x", "/temp-topic/0-1-a/x", "/exchange/amq.direct/a"}) {
    EXPECT_EQ(publish(route).interested, 0u) << route;
  }
  EXPECT_EQ(publish("/topic/a").interested, bit(1));
  EXPECT_EQ(publish("user/bob/x").interested, bit(1) | bit(2));
}

TEST_F(OwnerOf, MakesIdsThatNeedNoEscapeAndNeverRepeat) {
  Owner other(4, options_, metrics_);
  std::set<std::string> ids;
  for (int n = 0; n < 200; ++n) {
    const std::string name = "/topic/" + std::to_string(n % 7);
    for (const auto& id : {publish(name).id, publish(other, name).id}) {
      EXPECT_TRUE(ids.insert(id).second) << id;
      EXPECT_EQ(std::count(id.begin(), id.end(), '-'), 2) << id;
      for (const char octet : id) EXPECT_TRUE(std::isalnum(octet) != 0 || octet == '-') << id;
    }
  }
  EXPECT_TRUE(publish("/topic/0").id.ends_with("-30"));
}

TEST_F(OwnerOf, PutsTheBootIntoEveryId) {
  Options options = options_;
  ++options.boot_id;
  ShardMetrics metrics;
  Owner other(3, options, metrics);
  Message* message =
      tests::make_message({.destination = "d", .route_hash = hash_text("d", options.boot_id)});
  (void)other.publish(*message, 0);
  EXPECT_NE(publish("d").id, message->message_id());
  message->drop_reference();
}

TEST_F(OwnerOf, DropsAnIdThatAClientGaveBefore) {
  owner().add_interest("d", 1, 0);
  EXPECT_EQ(publish("d", "x").interested, bit(1));
  const Published again = publish("d", "x");
  EXPECT_TRUE(again.is_duplicate);
  EXPECT_EQ(again.interested, 0u);
  EXPECT_EQ(again.sequence, 0u) << "a duplicate takes no number";
  EXPECT_EQ(publish("d", "y").sequence, 2u);
  EXPECT_FALSE(publish("other", "x").is_duplicate) << "windows are per destination";
  EXPECT_EQ(metrics_.messages_duplicate, 1u);
}

TEST_F(OwnerOf, KeepsTheClientsId) { EXPECT_EQ(publish("d", "mine").id, "mine"); }

TEST_F(OwnerOf, KnowsItsOwnIdsAgainWithoutAWindow) {
  options_.dedup_window = 0;
  const std::string id = publish("d").id;
  EXPECT_TRUE(publish("d", id).is_duplicate);
  const std::string prefix = id.substr(0, id.rfind('-') + 1);
  // Not given yet, not for this destination, or not in the form that it gives.
  EXPECT_FALSE(publish("e", id).is_duplicate);
  for (const char* number : {"2", "01", "+1", "-1", "1x", "", "99999999999999999999999"}) {
    EXPECT_FALSE(publish("f", prefix + number).is_duplicate) << number;
  }
  EXPECT_FALSE(publish("d", prefix + "01").is_duplicate);
  EXPECT_FALSE(publish("d", prefix + "1x").is_duplicate);
  EXPECT_FALSE(publish("d", prefix + "0").is_duplicate);
  EXPECT_TRUE(publish("d", prefix + "4").is_duplicate) << "numbered meanwhile";
}

TEST_F(OwnerOf, NamesTheShardsWithInterest) {
  EXPECT_EQ(publish("d").interested, 0u);
  EXPECT_EQ(metrics_.messages_unrouted, 1u);
  owner().add_interest("d", 0, 0);
  owner().add_interest("d", 63, 0);
  EXPECT_EQ(publish("d").interested, bit(0) | bit(63));
  owner().remove_interest("d", 0, 0);
  EXPECT_EQ(publish("d").interested, bit(63));
  owner().remove_interest("d", 63, 0);
  EXPECT_EQ(publish("d").interested, 0u);
  EXPECT_EQ(metrics_.messages_unrouted, 2u);
}

TEST_F(OwnerOf, AddsTheShardsWithAPatternThatMatches) {
  owner().add_interest("/topic/a", 1, 0);
  owner().add_pattern("/topic/*", 2);
  owner().add_pattern("topic.#", 5);
  EXPECT_EQ(publish("/topic/a").interested, bit(1) | bit(2) | bit(5));
  EXPECT_EQ(publish("/topic/a/b").interested, bit(5));
  EXPECT_EQ(publish("/other").interested, 0u);
}

TEST_F(OwnerOf, SeesPatternsThatComeAndGoBetweenTwoMessages) {
  EXPECT_EQ(publish("/topic/a").interested, 0u);
  owner().add_pattern("/topic/*", 2);
  EXPECT_EQ(publish("/topic/a").interested, bit(2));
  owner().add_pattern("/topic/*", 4);
  EXPECT_EQ(publish("/topic/a").interested, bit(2) | bit(4));
  owner().remove_pattern("/topic/*", 2);
  EXPECT_EQ(publish("/topic/a").interested, bit(4));
  owner().remove_pattern("/topic/*", 4);
  EXPECT_EQ(publish("/topic/a").interested, 0u);
  EXPECT_EQ(tables().pattern_interests, 0u);
}

TEST_F(OwnerOf, ForgetsTheLeastRecentlyUsedAtItsLimit) {
  options_.destinations_max = 3;
  for (const char* name : {"a", "b", "c"}) (void)publish(name);
  EXPECT_EQ(metrics_.destinations_forgotten, 0u);
  EXPECT_EQ(publish("a").sequence, 2u);
  EXPECT_EQ(publish("d").sequence, 1u);
  EXPECT_EQ(metrics_.destinations_forgotten, 1u);
  EXPECT_EQ(tables().destinations, 3u);
  EXPECT_EQ(publish("a").sequence, 3u);
  EXPECT_EQ(publish("c").sequence, 2u);
  EXPECT_EQ(publish("b").sequence, 1u) << "b was the one";
}

TEST_F(OwnerOf, NeverForgetsADestinationWithInterestForAnother) {
  options_.destinations_max = 2;
  owner().add_interest("a", 0, 0);
  owner().add_interest("b", 0, 0);
  (void)publish("a");
  EXPECT_EQ(publish("c").sequence, 1u);
  EXPECT_EQ(publish("d").sequence, 1u);
  EXPECT_EQ(publish("a").sequence, 2u);
  EXPECT_EQ(publish("b").interested, bit(0));
  EXPECT_EQ(metrics_.destinations_forgotten, 1u) << "c made room for d";
  EXPECT_EQ(tables().destinations, 3u);
}

TEST_F(OwnerOf, GivesOtherIdsAfterADestinationWasForgotten) {
  const std::string before = publish("d", "", 0).id;
  owner().expire(options_.dedup_time_ms + 1);
  EXPECT_EQ(tables().destinations, 0u);
  const Published after = publish("d", "", options_.dedup_time_ms + 1);
  EXPECT_EQ(after.sequence, 1u);
  EXPECT_NE(after.id, before);
}

TEST_F(OwnerOf, ForgetsIdleDestinationsWhenTheirTimeHasPassed) {
  options_.dedup_time_ms = 100;
  (void)publish("idle", "x", 0);
  owner().add_interest("busy", 1, 0);
  owner().expire(100);
  EXPECT_EQ(tables().destinations, 2u);
  EXPECT_TRUE(publish("idle", "x", 100).is_duplicate) << "which uses it again";
  owner().expire(200);
  EXPECT_EQ(tables().destinations, 2u);
  owner().expire(201);
  EXPECT_EQ(tables().destinations, 1u);
  owner().expire(1'000'000);
  EXPECT_EQ(tables().interested, 1u);
  owner().remove_interest("busy", 1, 1'000'000);
  owner().expire(1'000'100);
  EXPECT_EQ(tables().destinations, 1u);
  owner().expire(1'000'101);
  EXPECT_EQ(tables().destinations, 0u);
}

TEST_F(OwnerOf, CountsItsTables) {
  owner().add_interest("a", 0, 0);
  owner().add_interest("a", 1, 0);
  owner().add_interest("b", 1, 0);
  owner().add_pattern("x.*", 0);
  owner().add_pattern("x/*", 1);
  owner().add_pattern("#", 1);
  EXPECT_EQ(tables().destinations, 2u);
  EXPECT_EQ(tables().interested, 3u);
  EXPECT_EQ(tables().pattern_interests, 3u);
}

}  // namespace
}  // namespace stampede::core
