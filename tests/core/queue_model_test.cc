// Promise: whatever is asked of a queue, and in whatever order, it says and counts the same as a
// plain model of it.

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/queue.h"
#include "tests/core/queue_model.h"
#include "tests/core/queue_recorder.h"

namespace stampede::core {
namespace {

using tests::consumer_key;
using tests::QueueMessageParts;
using tests::QueueModel;

// Writes down as the model does.
class TagRecorder : public tests::QueueRecorder {
 public:
  void on_deliver(const ConsumerKey& consumer, Message& message, uint64_t tag,
                  uint32_t earlier_deliveries) override {
    tests::QueueRecorder::on_deliver(consumer, message, tag, earlier_deliveries);
    for (std::string& word : take()) words.push_back("#" + std::to_string(tag) + " " + word);
  }
  void on_browsed(const ConsumerKey& browser) override {
    tests::QueueRecorder::on_browsed(browser);
    for (std::string& word : take()) words.push_back(std::move(word));
  }
  void on_dead(Message& message, DeadReason reason, uint32_t deliveries) override {
    tests::QueueRecorder::on_dead(message, reason, deliveries);
    for (std::string& word : take()) words.push_back(std::move(word));
  }

  std::vector<std::string> words;
};

// How likely what is, for one seed: some queues have filters, some groups, some everything.
struct Habits {
  bool has_filters, has_groups, has_priorities, has_times, has_browsers, has_exclusives, is_tight;
};

class Trial {
 public:
  explicit Trial(uint32_t seed) : random_(seed) {
    habits_ = {.has_filters = one_in(2),
               .has_groups = one_in(2),
               .has_priorities = one_in(2),
               .has_times = one_in(2),
               .has_browsers = one_in(3),
               .has_exclusives = one_in(4),
               .is_tight = one_in(2)};
    options_.queue_messages_max = habits_.is_tight ? 8 : 40;
    options_.queue_bytes_max = habits_.is_tight ? 3'000 : 1'000'000;
    options_.queue_full_policy = static_cast<QueueFullPolicy>(below(3));
    options_.queue_deliveries_max = 1 + below(4);
  }

  // Does one thing to both. False if they are not the same then.
  [[nodiscard]] bool step() {
    now_ += below(3);
    switch (below(12)) {
      case 0:
      case 1:
      case 2:
      case 3:
        publish();
        break;
      case 4:
        add();
        break;
      case 5:
        if (one_in(2)) remove();
        break;
      case 6:
        if (habits_.has_times) pass();
        break;
      case 7:
        reserve();
        break;
      default:
        settle();
    }
    return is_same();
  }
  void end() {
    for (uint32_t number = 1; number <= kConsumersMax; ++number) {
      queue_.remove_consumer(consumer_key(number), now_);
      model_.remove(number, now_);
    }
  }

  [[nodiscard]] bool is_same() {
    EXPECT_EQ(recorder_.words, model_.words);
    EXPECT_EQ(counts(queue_.waiting(), queue_.delayed(), queue_.unsettled(), queue_.bytes(),
                     queue_.consumers(), queue_.dropped()),
              counts(model_.waiting(), model_.delayed(), model_.unsettled(), model_.total_bytes(),
                     model_.consumers(), model_.dropped));
    EXPECT_EQ(queue_.next_deadline(), model_.next_deadline());
    const size_t messages = below(10);
    const size_t bytes = below(4'000);
    EXPECT_EQ(queue_.has_room(messages, bytes), model_.has_room(messages, bytes));
    recorder_.words.clear();
    model_.words.clear();
    return !::testing::Test::HasFailure();
  }

 private:
  static constexpr uint32_t kConsumersMax = 6;
  static constexpr std::array<std::string_view, 3> kGroups = {"g", "h", "i"};

  static std::array<uint64_t, 6> counts(uint64_t waiting, uint64_t delayed, uint64_t unsettled,
                                        uint64_t bytes, uint64_t consumers, uint64_t dropped) {
    return {waiting, delayed, unsettled, bytes, consumers, dropped};
  }
  uint32_t below(uint32_t bound) { return static_cast<uint32_t>(random_() % bound); }
  bool one_in(uint32_t chances) { return below(chances) == 0; }
  uint32_t any_consumer() { return 1 + below(kConsumersMax); }

  void publish() {
    // The first character is what filters go by.
    const std::string name = std::string(1, static_cast<char>('p' + below(4))) +
                             std::to_string(++published_) + std::string(below(3) * 4, '-');
    QueueMessageParts parts;
    if (habits_.has_groups && one_in(2)) parts.group = kGroups[below(kGroups.size())];
    if (habits_.has_priorities) parts.priority = static_cast<uint8_t>(3 + below(8));
    if (habits_.has_times && one_in(3)) parts.expires_at = now_ + below(20);
    if (habits_.has_times && one_in(4)) parts.due_at = now_ + below(20);
    parts.sender = any_consumer();
    Message* message = tests::make_queue_message(name, parts);
    const size_t bytes = message->memory_bytes();
    queue_.run(now_);
    model_.run(now_);
    if (!queue_.has_room(1, bytes)) {
      message->drop_reference();
      return;
    }
    queue_.publish(message, now_);
    model_.publish(name, parts, bytes, now_);
  }

  void add() {
    const uint32_t number = any_consumer();
    if (is_there_[number]) return;
    is_there_[number] = true;
    QueueModel::Consumer consumer;
    consumer.number = number;
    consumer.options.credit_messages = 1 + below(4);
    if (one_in(3)) consumer.options.credit_bytes = below(30);
    if (one_in(3)) consumer.options.priority = static_cast<int32_t>(below(3)) - 1;
    consumer.options.is_exclusive = habits_.has_exclusives && one_in(3);
    consumer.options.is_browser = habits_.has_browsers && one_in(3);
    if (habits_.has_filters && one_in(2)) {
      consumer.options.is_no_local = one_in(3);
      if (one_in(2)) consumer.characters = one_in(2) ? "pq" : "qrs";
    }
    if (!consumer.characters.empty()) {
      consumer.options.filter = std::make_shared<tests::NameFilter>(consumer.characters);
    }
    model_.add(consumer, now_);
    queue_.add_consumer(consumer_key(number), consumer.options, now_);
  }

  void remove() {
    const uint32_t number = any_consumer();
    is_there_[number] = false;
    queue_.remove_consumer(consumer_key(number), now_);
    model_.remove(number, now_);
  }

  void pass() {
    now_ += below(12);
    queue_.run(now_);
    model_.run(now_);
  }

  void reserve() {
    if (model_.reserved_messages > 0) {
      queue_.unreserve(model_.reserved_messages, model_.reserved_bytes);
      model_.reserved_messages = model_.reserved_bytes = 0;
    } else {
      model_.reserved_messages = 1 + below(3);
      model_.reserved_bytes = below(600);
      queue_.reserve(model_.reserved_messages, model_.reserved_bytes);
    }
  }

  void settle() {
    const uint32_t number = any_consumer();
    // One of the last few; sometimes none that there is.
    const uint64_t newest = model_.last_tag(number) + 1;
    const uint64_t tag = newest - std::min<uint64_t>(newest, below(7));
    const auto how = static_cast<Settlement>(one_in(2) ? 0 : below(4));
    const bool is_cumulative = one_in(3);
    const size_t settled = queue_.settle(consumer_key(number), tag, how, is_cumulative, now_);
    EXPECT_EQ(settled, model_.settle(number, tag, how, is_cumulative, now_));
  }

  std::mt19937 random_;
  Habits habits_ = {};
  Options options_;
  TagRecorder recorder_;
  Queue queue_{"/queue/a", options_, recorder_};
  QueueModel model_{options_};
  Millis now_ = 1'000;
  uint32_t published_ = 0;
  std::array<bool, kConsumersMax + 1> is_there_ = {};
};

TEST(Queue, DoesTheSameAsAPlainModel) {
  constexpr uint32_t kSeeds = 5'000;
  constexpr int kSteps = 150;
  for (uint32_t seed = 1; seed <= kSeeds; ++seed) {
    Trial trial(seed);
    for (int step = 0; step < kSteps; ++step) {
      ASSERT_TRUE(trial.step()) << "seed " << seed << ", step " << step;
    }
    trial.end();
    ASSERT_TRUE(trial.is_same()) << "seed " << seed << ", at the end";
  }
}

}  // namespace
}  // namespace stampede::core
