#include "core/conflated_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/core/make_message.h"

namespace stampede::core {
namespace {

class Table : public ::testing::Test {
 protected:
  ~Table() override {
    table_.clear();
    for (Message* message : made_) message->drop_reference();
  }
  Message& message(std::string_view destination, std::string_view body = "x") {
    made_.push_back(tests::make_message({.destination = destination, .body = body}));
    return *made_.back();
  }
  void put(uint64_t frame, std::string_view destination, std::string_view key = "",
           size_t bytes_max = SIZE_MAX) {
    table_.put(message(destination), key, frame, frame, bytes_max);
  }
  std::vector<uint64_t> frames_from(uint64_t frame) const {
    std::vector<uint64_t> frames;
    while (const auto* entry = table_.first_from(frame)) {
      frames.push_back(entry->first);
      frame = entry->first + 1;
    }
    return frames;
  }
  using Frames = std::vector<uint64_t>;

  ConflatedTable table_{7};
  std::vector<Message*> made_;
};

TEST_F(Table, KeepsTheNewestOfADestination) {
  put(0, "/topic/a");
  put(1, "/topic/a");
  put(2, "/topic/a");
  EXPECT_EQ(frames_from(0), Frames{2});
}

TEST_F(Table, KeepsDestinationsAndKeysApartInTheOrderOfTheLog) {
  put(0, "/topic/a", "1");
  put(1, "/topic/a", "2");
  put(2, "/topic/b", "1");
  put(3, "/topic/a", "1");
  put(4, "/topic/a");
  EXPECT_EQ(frames_from(0), (Frames{1, 2, 3, 4}));
}

TEST_F(Table, IsReadFromAnyFrameOn) {
  put(3, "/topic/a");
  put(7, "/topic/b");
  EXPECT_EQ(frames_from(3), (Frames{3, 7}));
  EXPECT_EQ(frames_from(4), Frames{7});
  EXPECT_EQ(frames_from(8), Frames{});
}

TEST_F(Table, LetsTheOldestGoOneOctetPastItsLimit) {
  put(0, "/topic/a");
  put(1, "/topic/b");
  const size_t two = table_.bytes();
  put(2, "/topic/c", "", two * 3 / 2);
  EXPECT_EQ(table_.size(), 3u);
  put(3, "/topic/d", "", two * 3 / 2);
  EXPECT_EQ(frames_from(0), (Frames{1, 2, 3}));
  put(4, "/topic/e", "", two * 2 - 1);
  EXPECT_EQ(frames_from(0), (Frames{2, 3, 4}));
  EXPECT_LE(table_.bytes(), two * 2 - 1);
}

TEST_F(Table, KeepsTheNewestHoweverLarge) {
  put(0, "/topic/a");
  put(1, "/topic/b", "", 1);
  EXPECT_EQ(frames_from(0), Frames{1});
}

TEST_F(Table, GivesBackWhatItHeld) {
  const int64_t before = Message::live_count();
  Message* const only = tests::make_message({.destination = "/topic/z"});
  table_.put(*only, "", 0, 0, SIZE_MAX);
  only->drop_reference();
  EXPECT_EQ(Message::live_count(), before + (Message::is_counted ? 1 : 0));
  put(1, "/topic/z");
  EXPECT_EQ(Message::live_count(), before + (Message::is_counted ? 1 : 0));
  table_.clear();
  EXPECT_EQ(table_.bytes(), 0u);
  EXPECT_EQ(table_.size(), 0u);
}

TEST_F(Table, IsWhatAPlainMapSays) {
  std::mt19937 random(11);
  std::map<std::pair<std::string, std::string>, uint64_t> model;
  for (uint64_t frame = 0; frame < 5'000; ++frame) {
    const std::string destination = "/topic/" + std::to_string(random() % 8);
    const std::string key = random() % 3 == 0 ? "" : std::to_string(random() % 20);
    put(frame, destination, key);
    model[{destination, key}] = frame;
  }
  std::vector<uint64_t> expected;
  for (const auto& [key, frame] : model) expected.push_back(frame);
  std::ranges::sort(expected);
  EXPECT_EQ(frames_from(0), expected);
}

}  // namespace
}  // namespace stampede::core
