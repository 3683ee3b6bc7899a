#include "core/destination_name.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace stampede::core {
namespace {

using enum DestinationKind;
using enum DestinationUse;

DestinationKind classify(std::string_view name, DestinationUse use) {
  return classify_destination(name, use, Options{});
}

DestinationLevels levels(std::string_view name) {
  DestinationLevels levels = {"left", "over"};
  split_levels(name, levels);
  return levels;
}

TEST(DestinationName, IsATopicUnlessSaidOtherwise) {
  for (const char* name : {"/topic/a", "topic.a", "a", "/", ".", "//", "/topic/", "\xc3\xa4",
                           "queue/a", "/queue", "/queues/a", "a/queue/b"}) {
    EXPECT_EQ(classify(name, kSend), kTopic) << name;
    EXPECT_EQ(classify(name, kSubscribe), kTopic) << name;
  }
}

TEST(DestinationName, IsAPatternOnlyToSubscribers) {
  for (const char* name :
       {"*", "#", ">", "**", "/topic/*", "a.*.b", "a/#", "a.>", "a/b/**", "*.#", "/*"}) {
    EXPECT_EQ(classify(name, kSubscribe), kPattern) << name;
    EXPECT_EQ(classify(name, kSend), kTopic) << name;
  }
}

TEST(DestinationName, TakesWildcardsInsideALevelLiterally) {
  for (const char* name : {"a*", "/topic/a#", "*a.b", "***", "##", ">>", "/topic/#x/y"}) {
    EXPECT_EQ(classify(name, kSubscribe), kTopic) << name;
  }
}

TEST(DestinationName, WantsTheRestToBeLast) {
  for (const char* name : {"#.a", "a/>/b", "**/a", "#.#", "#.", "a.#/"}) {
    EXPECT_EQ(classify(name, kSubscribe), kRestNotLast) << name;
    EXPECT_EQ(classify(name, kSend), kTopic) << name;
  }
  EXPECT_EQ(classify("*.#.*", kSubscribe), kRestNotLast);
}

TEST(DestinationName, TellsQueuesFromTopics) {
  for (const char* name : {"/queue/a", "/queue/a/b.c", "/queue/"}) {
    EXPECT_EQ(classify(name, kSend), kQueue) << name;
    EXPECT_EQ(classify(name, kSubscribe), kQueue) << name;
  }
  EXPECT_EQ(classify("/queue", kSend), kTopic);
  EXPECT_EQ(classify("queue/a", kSend), kTopic);
}

TEST(DestinationName, HasNoPatternsOfQueues) {
  for (const char* name : {"/queue/*", "/queue/a.#", "/queue/>"}) {
    EXPECT_EQ(classify(name, kSend), kQueue) << name;
    EXPECT_EQ(classify(name, kSubscribe), kExactOnly) << name;
  }
}

TEST(DestinationName, RefusesTheEmptyName) {
  EXPECT_EQ(classify("", kSend), kEmpty);
  EXPECT_EQ(classify("", kSubscribe), kEmpty);
}

TEST(DestinationName, MayBeAsLongAsTheLimitAndNotOneMore) {
  const Options options;
  EXPECT_EQ(classify(std::string(options.destination_bytes_max, 'x'), kSend), kTopic);
  EXPECT_EQ(classify(std::string(options.destination_bytes_max + 1, 'x'), kSend), kTooLong);
  EXPECT_EQ(classify(std::string(100'000, '/'), kSubscribe), kTooLong);
}

TEST(DestinationName, MayHaveAsManyLevelsAsTheLimitAndNotOneMore) {
  std::string name = "a";
  for (size_t n = 1; n < Options{}.destination_levels_max; ++n) name += n % 2 ? "/b" : ".b";
  EXPECT_EQ(classify(name, kSend), kTopic);
  EXPECT_EQ(classify("/" + name, kSend), kTopic) << "a leading '/' is not a level";
  EXPECT_EQ(classify(name + ".c", kSend), kTooManyLevels);
  EXPECT_EQ(classify("." + name, kSend), kTooManyLevels);
}

TEST(DestinationName, KnowsLevelsThatWouldBeAPattern) {
  for (const char* name : {"/a/*", "a.#.b", ">", "/x/**"})
    EXPECT_TRUE(has_pattern_level(name)) << name;
  for (const char* name : {"/a/b*", "", "/", "a.##"}) EXPECT_FALSE(has_pattern_level(name)) << name;
}

TEST(DestinationName, SplitsOnDotsAndSlashes) {
  EXPECT_EQ(levels("/topic/a.b"), (DestinationLevels{"topic", "a", "b"}));
  EXPECT_EQ(levels("topic.a/b"), (DestinationLevels{"topic", "a", "b"}));
  EXPECT_EQ(levels("a"), (DestinationLevels{"a"}));
  EXPECT_EQ(levels("/"), (DestinationLevels{""}));
  EXPECT_EQ(levels("//a/"), (DestinationLevels{"", "a", ""}));
  EXPECT_EQ(levels(".a"), (DestinationLevels{"", "a"}));
}

TEST(DestinationName, HashesDependOnTheSeed) {
  EXPECT_EQ(hash_text("/topic/a", 1), hash_text("/topic/a", 1));
  EXPECT_NE(hash_text("/topic/a", 1), hash_text("/topic/a", 2));
}

TEST(DestinationName, IsSpreadOverTheShards) {
  constexpr ShardId kShards = 5;
  size_t count[kShards] = {};
  for (int n = 0; n < 10'000; ++n) {
    const ShardId owner = owner_shard(hash_text("/topic/" + std::to_string(n), 1), kShards);
    ASSERT_LT(owner, kShards);
    ++count[owner];
  }
  for (const size_t of_shard : count) EXPECT_NEAR(static_cast<double>(of_shard), 2000, 300);
}

}  // namespace
}  // namespace stampede::core
