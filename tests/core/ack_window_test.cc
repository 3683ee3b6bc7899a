#include "core/ack_window.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <string>

namespace stampede::core {
namespace {

AckWindow window_of(AckMode mode, uint64_t tags, AckCredit credit = {.messages = 100}) {
  AckWindow window(mode, credit);
  for (uint64_t tag = 1; tag <= tags; ++tag) window.add(tag, tag * 10, 5);
  return window;
}

TEST(AckWindow, SettlesAllUpToTheTagInClientMode) {
  AckWindow window = window_of(AckMode::kClient, 5);
  window.settle(3);
  EXPECT_FALSE(window.has(1));
  EXPECT_FALSE(window.has(3));
  EXPECT_TRUE(window.has(4));
  EXPECT_EQ(window.size(), 2u);
}

TEST(AckWindow, SettlesOneInClientIndividualMode) {
  AckWindow window = window_of(AckMode::kClientIndividual, 5);
  window.settle(3);
  EXPECT_TRUE(window.has(2));
  EXPECT_FALSE(window.has(3));
  EXPECT_EQ(window.size(), 4u);
}

TEST(AckWindow, FindsTheOldestDeliveryOfAMessage) {
  AckWindow window(AckMode::kClientIndividual, {.messages = 9});
  window.add(1, 77, 1);
  window.add(2, 78, 1);
  window.add(3, 77, 1);
  EXPECT_EQ(window.find_id(77), 1u);
  window.settle(1);
  EXPECT_EQ(window.find_id(77), 3u);
  EXPECT_EQ(window.find_id(79), std::nullopt);
}

TEST(AckWindow, HasRoomForAsManyMessagesAsItsCredit) {
  AckWindow window = window_of(AckMode::kClientIndividual, 2, {.messages = 3});
  EXPECT_TRUE(window.has_room());
  window.add(3, 0, 1);
  EXPECT_FALSE(window.has_room());
  window.settle(2);
  EXPECT_TRUE(window.has_room());
}

TEST(AckWindow, TakesOneMessageWhateverItsSizeAndNoOtherBeyondTheBytes) {
  AckWindow window(AckMode::kClient, {.messages = 9, .bytes = 0});
  EXPECT_TRUE(window.has_room());
  window.add(1, 0, 1'000);
  EXPECT_FALSE(window.has_room());
  window.settle(1);
  EXPECT_TRUE(window.has_room());
}

// Against a plain map, under random deliveries and acknowledgements.
TEST(AckWindow, AgreesWithAPlainModel) {
  for (const AckMode mode : {AckMode::kClient, AckMode::kClientIndividual}) {
    std::mt19937 random(7);
    AckWindow window(mode, {.messages = 50, .bytes = 400});
    std::map<uint64_t, size_t> model;
    size_t bytes = 0;
    for (uint64_t next = 1; next < 5'000;) {
      ASSERT_EQ(window.has_room(), model.empty() || (model.size() < 50 && bytes < 400));
      if (window.has_room() && random() % 2 == 0) {
        const size_t size = random() % 20;
        window.add(next, next, size);
        model[next++] = size;
        bytes += size;
      } else if (!model.empty()) {
        auto chosen = std::next(model.begin(), static_cast<ptrdiff_t>(random() % model.size()));
        const uint64_t tag = chosen->first;
        window.settle(tag);
        auto from = mode == AckMode::kClient ? model.begin() : chosen;
        for (++chosen; from != chosen; from = model.erase(from)) bytes -= from->second;
        ASSERT_FALSE(window.has(tag));
      }
      ASSERT_EQ(window.size(), model.size());
      ASSERT_TRUE(model.empty() || window.has(model.rbegin()->first));
    }
  }
}

TEST(AckWindow, KnowsWhatOthersOfTheSameOrderWereGivenBefore) {
  const auto order = std::make_shared<AckOrder>();
  AckWindow one(AckMode::kClient, {.messages = 9}, order);
  AckWindow other(AckMode::kClient, {.messages = 9}, order);
  one.add(1, 0, 0);
  other.add(5, 0, 0);
  other.add(7, 0, 0);
  one.add(2, 0, 0);
  other.add(8, 0, 0);
  EXPECT_EQ(other.last_up_to(one.place_of(2)), 7u);
  EXPECT_EQ(other.last_up_to(one.place_of(1)), std::nullopt);
  EXPECT_EQ(one.last_up_to(other.place_of(8)), 2u);
  other.settle(7);
  EXPECT_EQ(other.last_up_to(one.place_of(2)), std::nullopt);
  EXPECT_TRUE(one.is_settled_with(other));
}

TEST(AckWindow, IsSettledWithOthersInClientModeOfOneOrderOnly) {
  const auto order = std::make_shared<AckOrder>();
  const AckWindow one(AckMode::kClient, {}, order);
  EXPECT_FALSE(one.is_settled_with(AckWindow(AckMode::kClient, {}, std::make_shared<AckOrder>())));
  EXPECT_FALSE(one.is_settled_with(AckWindow(AckMode::kClient, {})));
  EXPECT_FALSE(AckWindow(AckMode::kClient, {}).is_settled_with_others());
  EXPECT_FALSE(AckWindow(AckMode::kClientIndividual, {}, order).is_settled_with_others());
}

std::string ack_id(const AckId& id) {
  std::array<char, kAckIdBytesMax> text;
  return {text.data(), put_ack_id(text.data(), id)};
}

TEST(AckId, ComesBackFromItsText) {
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  for (const AckId id : {AckId{1, 0}, AckId{0, 35}, AckId{kMost, kMost}}) {
    const auto parsed = parse_ack_id(ack_id(id));
    ASSERT_TRUE(parsed.has_value());
    EXPECT_EQ(parsed->tag, id.tag);
    EXPECT_EQ(parsed->token, id.token);
  }
  EXPECT_EQ(ack_id({7, 36}), "7-10");
}

TEST(MessageIdHash, IsTheSameOfTheIdAndOfWhatAVersionMakesOfIt) {
  for (const char* shown : {"m\r1\n", "m?1\n", "m?1?"}) {
    EXPECT_EQ(hash_message_id(shown, 7), hash_message_id("m\r1\n", 7)) << shown;
  }
  EXPECT_NE(hash_message_id("m?1", 7), hash_message_id("m?1?", 7));
  EXPECT_NE(hash_message_id("m1", 7), hash_message_id("m1", 8));
}

TEST(AckId, IsNotReadFromOtherText) {
  for (const char* text : {"", "7", "-", "7-", "-7", "7-10-", "x-1", "7 -1", "7-1 ", "+7-1",
                           "18446744073709551616-1", "1-zzzzzzzzzzzzzz"}) {
    EXPECT_FALSE(parse_ack_id(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace stampede::core
