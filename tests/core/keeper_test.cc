#include "core/keeper.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "core/owner.h"
#include "tests/core/make_message.h"

namespace stampede::core {
namespace {

using Place = RecallFrom::Place;

// An owner whose options a test sets before it is used first.
class KeeperOf : public ::testing::Test {
 protected:
  void publish(std::string_view name, std::string_view body = "", Retain retain = Retain::kNo) {
    Message::Content content;
    content.destination = name;
    content.message_id = "";
    content.body = {reinterpret_cast<const uint8_t*>(body.data()), body.size()};
    content.properties.retain = retain;
    Message* message = Message::create(content, hash_text(name, options_.boot_id));
    (void)owner().publish(*message, now_);
    message_bytes_ = message->memory_bytes();
    message->drop_reference();
  }
  void publish_range(std::string_view name, int from, int to) {
    for (int n = from; n <= to; ++n) publish(name, std::to_string(n));
  }
  // The answer in a line: "complete 3 4 5" or "broken 3 4 5", by bodies.
  std::string recall(std::string_view name, const RecallFrom& from) {
    const bool is_pattern = name.find('#') != std::string_view::npos;
    if (!is_pattern) owner().add_interest(name, 1, now_);
    Recall recall(name, is_pattern, from);
    owner().recall(recall, now_);
    if (!is_pattern) owner().remove_interest(name, 1, now_);
    epoch_ = recall.epoch;
    sequence_ = recall.sequence;
    unbroken_from_ = recall.unbroken_from;
    std::string line = recall.is_complete ? "complete" : "broken";
    for (const Message* message : recall.messages) line += " " + body_of(*message);
    return line;
  }
  std::string recall(std::string_view name, Place place = Place::kRetained) {
    return recall(name, {.place = place});
  }
  std::string from(std::string_view name, uint64_t sequence, std::string_view epoch = "") {
    return recall(name,
                  {.place = Place::kSequence, .sequence = sequence, .epoch = std::string(epoch)});
  }
  std::string since(std::string_view name, Millis time) {
    return recall(name, {.place = Place::kTime, .time = time});
  }
  static std::string body_of(const Message& message) {
    return {reinterpret_cast<const char*>(message.body().data()), message.body().size()};
  }
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
  Millis now_ = 1'000;
  size_t message_bytes_ = 0;  // memory of the message published last
  // Of the last recall.
  std::string epoch_;
  uint64_t sequence_ = 0;
  uint64_t unbroken_from_ = 0;
};

TEST_F(KeeperOf, KeepsTheLastValueThatWasSet) {
  publish("/topic/a", "1");
  publish("/topic/a", "2", Retain::kSet);
  publish("/topic/a", "3");
  EXPECT_EQ(recall("/topic/a"), "complete 2");
  publish("/topic/a", "4", Retain::kSet);
  EXPECT_EQ(recall("/topic/a"), "complete 4");
  EXPECT_EQ(tables().retained, 1u);
  EXPECT_EQ(recall("/topic/b"), "complete");
}

TEST_F(KeeperOf, ForgetsTheLastValueWhenTold) {
  publish("/topic/a", "1", Retain::kSet);
  publish("/topic/a", "2", Retain::kRemove);
  EXPECT_EQ(recall("/topic/a"), "complete");
  EXPECT_EQ(tables().retained, 0u);
  EXPECT_EQ(tables().retained_bytes, 0u);
}

TEST_F(KeeperOf, GivesLastValuesOfNamesThatThePatternMatches) {
  publish("/topic/a/1", "1", Retain::kSet);
  publish("/topic/a/2", "2");
  publish("/topic/a/3", "3", Retain::kSet);
  publish("/topic/b/1", "4", Retain::kSet);
  EXPECT_EQ(recall("/topic/a/#"), "complete 1 3");
  EXPECT_NE(owner().last_values("/topic/a/#", true, now_), nullptr);
  EXPECT_EQ(owner().last_values("/topic/c/#", true, now_), nullptr);
}

TEST_F(KeeperOf, TellsNamesByEitherSeparatorAndWithoutALeadingSlash) {
  for (const char* name : {"/topic/a", "topic.a.1", "/topic.a/2", "/topic/ab", "/topic", "/topi"}) {
    publish(name, name, Retain::kSet);
  }
  EXPECT_EQ(recall("/topic/a/#"), "complete /topic/a topic.a.1 /topic.a/2");
  EXPECT_EQ(recall("topic.a.#"), "complete /topic/a topic.a.1 /topic.a/2");
  EXPECT_EQ(recall("/topic.#"), "complete /topic/a topic.a.1 /topic.a/2 /topic/ab /topic");
  EXPECT_EQ(recall("#"), "complete /topic/a topic.a.1 /topic.a/2 /topic/ab /topic /topi");
}

TEST_F(KeeperOf, GivesNothingPrivateToAPattern) {
  options_.history = {{.pattern = "#", .messages = 10}};
  for (const char* route : {"/user/alice/topic/a", "/exchange/direct/a", "/temp-topic/0-1-2/a"}) {
    if (is_open_to_patterns(route)) continue;
    publish(route, route, Retain::kSet);
    EXPECT_EQ(recall(route), std::string("complete ") + route);
  }
  EXPECT_GT(tables().retained, 0u);
  EXPECT_EQ(tables().history, 0u);
  EXPECT_EQ(recall("#"), "complete");
  EXPECT_EQ(recall("#", Place::kFirst), "broken");
}

TEST_F(KeeperOf, KeepsNothingOfAQueue) {
  options_.history = {{.pattern = "#", .messages = 10}};
  Message::Content content;
  content.destination = "/queue/a";
  content.message_id = "";
  content.properties = {.is_for_queue = true, .retain = Retain::kSet};
  Message* message = Message::create(content, hash_text("/queue/a", options_.boot_id));
  (void)owner().publish(*message, now_);
  message->drop_reference();
  EXPECT_EQ(tables().history + tables().retained, 0u);
}

TEST_F(KeeperOf, KeepsAsManyLastValuesAsTheLimitAndNotOneMore) {
  options_.retained_max = 2;
  publish("/topic/a", "1", Retain::kSet);
  publish("/topic/b", "2", Retain::kSet);
  EXPECT_EQ(metrics_.retained_evicted, 0u);
  publish("/topic/c", "3", Retain::kSet);
  EXPECT_EQ(metrics_.retained_evicted, 1u);
  EXPECT_EQ(recall("/topic/#"), "complete 2 3");
}

TEST_F(KeeperOf, KeepsLastValuesUpToTheOctetsOfTheLimit) {
  publish("/topic/a", "1");
  for (const size_t less : {0u, 1u}) {
    owner_ = nullptr;
    options_.retained_bytes_max = 2 * message_bytes_ - less;
    publish("/topic/a", "1", Retain::kSet);
    publish("/topic/b", "2", Retain::kSet);
    EXPECT_EQ(tables().retained, 2u - less);
    EXPECT_EQ(tables().retained_bytes, (2 - less) * message_bytes_);
  }
}

TEST_F(KeeperOf, ForgetsLastValuesAfterTheirTime) {
  options_.retain_time_ms = 100;
  publish("/topic/a", "1", Retain::kSet);
  now_ += 100;
  owner().expire(now_);
  EXPECT_EQ(tables().retained, 1u);
  owner().expire(now_ + 1);
  EXPECT_EQ(tables().retained, 0u);
  EXPECT_EQ(metrics_.retained_evicted, 1u);
}

TEST_F(KeeperOf, KeepsHistoryOfWhatTheFirstMatchingRuleNames) {
  options_.history = {{.pattern = "/topic/a", .messages = 1},
                      {.pattern = "/topic/#", .messages = 2},
                      {.pattern = "/topic/a", .messages = 9}};
  for (const char* name : {"/topic/a", "/topic/b", "/other/c"}) publish_range(name, 1, 3);
  EXPECT_EQ(recall("/topic/a", Place::kFirst), "broken 3");
  EXPECT_EQ(recall("/topic/b", Place::kFirst), "broken 2 3");
  EXPECT_EQ(recall("/other/c", Place::kFirst), "broken");
}

TEST_F(KeeperOf, KeepsAsManyMessagesAsTheRuleSaysAndNotOneMore) {
  options_.history = {{.pattern = "/topic/a", .messages = 3}};
  publish_range("/topic/a", 1, 3);
  EXPECT_EQ(recall("/topic/a", Place::kFirst), "complete 1 2 3");
  publish("/topic/a", "4");
  EXPECT_EQ(recall("/topic/a", Place::kFirst), "broken 2 3 4");
  EXPECT_EQ(tables().history, 3u);
}

TEST_F(KeeperOf, KeepsAsManyOctetsAsTheRuleSaysAndNotOneMore) {
  publish("/topic/a", "1");
  for (const size_t less : {0u, 1u}) {
    owner_ = nullptr;
    options_.history = {
        {.pattern = "/topic/a", .messages = 99, .bytes = 2 * message_bytes_ - less}};
    publish_range("/topic/a", 1, 2);
    EXPECT_EQ(tables().history, 2u - less);
  }
}

TEST_F(KeeperOf, KeepsNothingOfAMessageLargerThanTheRule) {
  options_.history = {{.pattern = "/topic/a", .messages = 99, .bytes = 1'000}};
  publish("/topic/a", "1");
  publish("/topic/a", std::string(1'000, 'x'));
  EXPECT_EQ(recall("/topic/a", Place::kFirst), "broken");
  EXPECT_EQ(tables().history_bytes, 0u);
  publish("/topic/a", "3");
  EXPECT_EQ(from("/topic/a", 3), "complete 3");
}

TEST_F(KeeperOf, KeepsMessagesAsLongAsTheRuleSays) {
  options_.history = {{.pattern = "/topic/a", .messages = 99, .time_ms = 100}};
  publish("/topic/a", "1");
  now_ += 50;
  publish("/topic/a", "2");
  now_ += 50;
  EXPECT_EQ(recall("/topic/a", Place::kFirst), "complete 1 2");
  now_ += 1;
  EXPECT_EQ(recall("/topic/a", Place::kFirst), "broken 2");
  now_ += 50;
  owner().expire(now_);
  EXPECT_EQ(tables().history, 0u);
  EXPECT_EQ(recall("/topic/a", Place::kFirst), "broken");
}

TEST_F(KeeperOf, DropsTheHistoryOfWhoWasPublishedToLeastRecently) {
  options_.history = {{.pattern = "/topic/a/#", .messages = 99},
                      {.pattern = "/topic/b/#", .messages = 99}};
  publish("/topic/a/1", "1");
  options_.history_bytes_max = 3 * message_bytes_;
  owner_ = nullptr;
  publish("/topic/a/1", "1");
  now_ += 1;
  publish("/topic/b/1", "2");
  now_ += 1;
  publish("/topic/a/1", "3");
  EXPECT_EQ(metrics_.history_evicted, 0u);
  now_ += 1;
  publish("/topic/a/1", "4");
  EXPECT_EQ(metrics_.history_evicted, 1u);
  EXPECT_EQ(recall("/topic/b/1", Place::kFirst), "broken");
  EXPECT_EQ(recall("/topic/a/1", Place::kFirst), "complete 1 3 4");
}

TEST_F(KeeperOf, BeginsAtTheSequenceThatIsAskedFor) {
  options_.history = {{.pattern = "/topic/a", .messages = 3}};
  publish_range("/topic/a", 1, 5);
  EXPECT_EQ(from("/topic/a", 4), "complete 4 5");
  EXPECT_EQ(from("/topic/a", 3), "complete 3 4 5");
  EXPECT_EQ(from("/topic/a", 2), "broken 3 4 5");
  EXPECT_EQ(from("/topic/a", 6), "complete");
  EXPECT_EQ(sequence_, 5u);
  EXPECT_EQ(unbroken_from_, 3u);
}

TEST_F(KeeperOf, GivesWhatItHasToWhoNamesAnotherEpoch) {
  options_.history = {{.pattern = "/topic/a", .messages = 3}};
  publish_range("/topic/a", 1, 5);
  EXPECT_EQ(from("/topic/a", 4, "wrong"), "broken 3 4 5");
  EXPECT_EQ(from("/topic/a", 7), "broken 3 4 5");  // nobody was given 6
  EXPECT_EQ(from("/topic/a", 4, epoch_), "complete 4 5");
}

TEST_F(KeeperOf, NamesAnotherEpochOnceTheDestinationWasForgotten) {
  publish("/topic/a");
  (void)recall("/topic/a");
  const std::string before = epoch_;
  now_ += options_.dedup_time_ms + 1;
  owner().expire(now_);
  publish("/topic/a");
  EXPECT_EQ(from("/topic/a", 2, before), "broken");
  EXPECT_NE(epoch_, before);
}

TEST_F(KeeperOf, BeginsAtTheTimeThatIsAskedFor) {
  options_.history = {{.pattern = "/topic/a", .messages = 2}};
  for (int n = 1; n <= 3; ++n) {
    now_ += 10;  // 1 at 1010, 2 at 1020, 3 at 1030
    publish("/topic/a", std::to_string(n));
  }
  EXPECT_EQ(since("/topic/a", 1'030), "complete 3");
  EXPECT_EQ(since("/topic/a", 1'011), "complete 2 3");
  EXPECT_EQ(since("/topic/a", 1'010), "broken 2 3");
  EXPECT_EQ(since("/topic/b", now_), "broken");
  EXPECT_EQ(since("/topic/b", now_ + 1), "complete");
}

TEST_F(KeeperOf, GivesTheNewestThatIsKept) {
  options_.history = {{.pattern = "/topic/a", .messages = 3}};
  EXPECT_EQ(recall("/topic/a", Place::kLast), "complete");
  publish_range("/topic/a", 1, 2);
  EXPECT_EQ(recall("/topic/a", Place::kLast), "complete 2");
  publish("/topic/b", "1", Retain::kSet);
  EXPECT_EQ(recall("/topic/b", Place::kLast), "complete 1");
  publish("/topic/b", "2");
  EXPECT_EQ(recall("/topic/b", Place::kLast), "broken 1");
  EXPECT_EQ(recall("/topic/b", Place::kNext), "complete");
}

TEST_F(KeeperOf, TakesALastValueForHistoryWhereItClosesTheGap) {
  publish_range("/topic/a", 1, 2);
  publish("/topic/a", "3", Retain::kSet);
  EXPECT_EQ(from("/topic/a", 3), "complete 3");
  EXPECT_EQ(from("/topic/a", 2), "broken 3");
  publish("/topic/a", "4");
  EXPECT_EQ(from("/topic/a", 3), "broken 3");
}

TEST_F(KeeperOf, GivesALastValueThatIsOlderThanTheHistoryFirst) {
  options_.history = {{.pattern = "/topic/a", .messages = 2}};
  publish("/topic/a", "1", Retain::kSet);
  publish_range("/topic/a", 2, 3);
  EXPECT_EQ(recall("/topic/a", Place::kFirst), "complete 1 2 3");
  publish("/topic/a", "4");
  EXPECT_EQ(recall("/topic/a", Place::kFirst), "broken 1 3 4");
  EXPECT_EQ(recall("/topic/#", Place::kFirst), "broken 1 3 4");
  publish("/topic/a", "5", Retain::kSet);
  EXPECT_EQ(recall("/topic/a", Place::kFirst), "broken 4 5");
}

TEST_F(KeeperOf, DoesNotForgetADestinationOfWhichItKeepsSomething) {
  publish("/topic/a", "1", Retain::kSet);
  publish("/topic/b", "2");
  now_ += 10 * options_.dedup_time_ms;
  owner().expire(now_);
  EXPECT_EQ(tables().destinations, 1u);
  EXPECT_EQ(recall("/topic/a"), "complete 1");
  publish("/topic/a", "3", Retain::kRemove);
  owner().expire(now_ + options_.dedup_time_ms + 1);
  EXPECT_EQ(tables().destinations, 0u);
}

TEST_F(KeeperOf, DropsWhatIsKeptOfTheLeastUsedWhenThereAreTooManyDestinations) {
  options_.destinations_max = 2;
  options_.history = {{.pattern = "/topic/b", .messages = 2}};
  publish("/topic/a", "1", Retain::kSet);
  publish("/topic/b", "2");
  publish("/topic/a", "3");
  publish("/topic/c", "4");
  EXPECT_EQ(tables().destinations, 2u);
  EXPECT_EQ(metrics_.history_evicted, 1u);
  publish("/topic/d", "5", Retain::kSet);
  publish("/topic/e", "6");
  EXPECT_EQ(tables().destinations, 2u);
  EXPECT_EQ(metrics_.retained_evicted, 1u);
  EXPECT_EQ(recall("/topic/#"), "complete 5");
}

TEST_F(KeeperOf, DropsNothingThatSomebodyFollowsForOtherDestinations) {
  options_.destinations_max = 1;
  options_.history = {{.pattern = "/topic/a", .messages = 2}};
  owner().add_interest("/topic/a", 0, now_);
  publish("/topic/a", "1");
  publish("/topic/b", "2");
  EXPECT_EQ(recall("/topic/a", Place::kFirst), "complete 1");
  EXPECT_EQ(metrics_.history_evicted, 0u);
}

// Against lists that are cut to the bounds: whatever is published, recalled and forgotten.
TEST_F(KeeperOf, BehavesAsAListOfEachDestination) {
  struct Published {
    uint64_t sequence;
    Millis at;
    std::string body;
  };
  struct Model {
    std::vector<Published> history;
    uint64_t last = 0;
  };
  std::mt19937 random(7);
  options_.history = {{.pattern = "/topic/*", .messages = 5, .time_ms = 40}};
  std::map<std::string, Model> models;
  for (int step = 0; step < 20'000; ++step) {
    const std::string name = "/topic/" + std::to_string(random() % 4);
    Model& model = models[name];
    now_ += static_cast<Millis>(random() % 4);
    if (random() % 16 == 0) owner().expire(now_);
    const auto cut = [&] {
      while (!model.history.empty() &&
             (model.history.size() > 5 || now_ - model.history.front().at > 40)) {
        model.history.erase(model.history.begin());
      }
    };
    if (random() % 3 != 0) {
      publish(name, std::to_string(step));
      model.history.push_back({++model.last, now_, std::to_string(step)});
      cut();
      continue;
    }
    cut();
    const uint64_t wanted = model.last + 2 - std::min<uint64_t>(random() % 8, model.last + 1);
    std::string expected;
    const uint64_t first = model.last + 1 - model.history.size();
    const bool is_known = wanted <= model.last + 1;
    for (const Published& one : model.history) {
      if (!is_known || one.sequence >= wanted) expected += " " + one.body;
    }
    ASSERT_EQ(from(name, wanted), (is_known && wanted >= first ? "complete" : "broken") + expected);
  }
}

}  // namespace
}  // namespace stampede::core
