#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/message.h"
#include "core/queue_types.h"
#include "proto/stomp_frame.h"

namespace stampede::tests {

// The consumer with that number. Two by two they have the same client slot, each on its own shard.
[[nodiscard]] inline core::ConsumerKey consumer_key(uint32_t number) {
  return {.home = number % 2, .client = {.slot = number / 2, .generation = 7}, .subscription = 1};
}
[[nodiscard]] inline uint32_t consumer_number(const core::ConsumerKey& key) {
  return key.client.slot * 2 + key.home;
}

// What a test message is; its body is its name.
struct QueueMessageParts {
  std::string_view group = "";
  uint8_t priority = 4;
  core::Millis expires_at = core::kNever;
  core::Millis due_at = 0;
  uint32_t sender = 0;  // the number of a consumer, whose client sends it
};

// One reference is the caller's.
[[nodiscard]] inline core::Message* make_queue_message(std::string_view name,
                                                       const QueueMessageParts& parts = {}) {
  const proto::StompHeader group{.name = "JMSXGroupID", .value = parts.group};
  const core::ConsumerKey sender = consumer_key(parts.sender);
  core::Message::Content content;
  content.destination = "/queue/a";
  if (!parts.group.empty()) content.headers = {&group, 1};
  content.body = {reinterpret_cast<const uint8_t*>(name.data()), name.size()};
  content.origin = {.shard = sender.home, .client = sender.client};
  content.properties = {.expires_at = parts.expires_at,
                        .due_at = parts.due_at,
                        .priority = parts.priority,
                        .has_group = !parts.group.empty()};
  return core::Message::create(content, 1);
}

[[nodiscard]] inline std::string queue_message_name(const core::Message& message) {
  return {reinterpret_cast<const char*>(message.body().data()), message.body().size()};
}

// Takes messages whose name has one of the characters; counts how often it was asked.
class NameFilter : public core::MessageFilter {
 public:
  explicit NameFilter(std::string_view characters) : characters_(characters) {}
  [[nodiscard]] bool takes(const core::Message& message) const override {
    ++looks_;
    return queue_message_name(message).find_first_of(characters_) != std::string::npos;
  }
  [[nodiscard]] size_t looks() const { return looks_; }

 private:
  const std::string characters_;
  mutable size_t looks_ = 0;
};

// QueueRecorder writes down what a queue says, one word each:
//   2:a             consumer 2 was given a
//   2:a(1)          after one delivery of it had failed
//   2:end           browser 2 has seen everything
//   dead:a:expired(1)  a left, and one delivery of it had failed
class QueueRecorder : public core::QueueSink {
 public:
  void on_deliver(const core::ConsumerKey& consumer, core::Message& message, uint64_t tag,
                  uint32_t earlier_deliveries) override {
    const std::string name = queue_message_name(message);
    const uint32_t number = consumer_number(consumer);
    tags_[{number, name}] = tag;
    words_.push_back(std::to_string(number) + ":" + name + failures(earlier_deliveries));
  }
  void on_browsed(const core::ConsumerKey& browser) override {
    words_.push_back(std::to_string(consumer_number(browser)) + ":end");
  }
  void on_dead(core::Message& message, core::DeadReason reason, uint32_t deliveries) override {
    words_.push_back("dead:" + queue_message_name(message) + ":" +
                     std::string(core::to_string(reason)) + failures(deliveries));
  }

  // What was said since the last time.
  [[nodiscard]] std::vector<std::string> take() { return std::exchange(words_, {}); }
  // Of the last delivery of that message to that consumer.
  [[nodiscard]] uint64_t tag(uint32_t consumer, const std::string& name) const {
    return tags_.at({consumer, name});
  }

 private:
  static std::string failures(uint32_t count) {
    return count == 0 ? "" : "(" + std::to_string(count) + ")";
  }

  std::vector<std::string> words_;
  std::map<std::pair<uint32_t, std::string>, uint64_t> tags_;
};

}  // namespace stampede::tests
