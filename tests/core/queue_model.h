#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "core/options.h"
#include "core/queue_types.h"
#include "tests/core/queue_recorder.h"

namespace stampede::tests {

// QueueModel says what a queue has to do, in the plainest way: one list of messages that is never
// taken apart, and after each change a search from its beginning for the first message that
// somebody may be given. It remembers nothing that could be looked up, and no search is cut short.
//
// What it does is written down as QueueRecorder does it, with the tag in front.
class QueueModel {
 public:
  explicit QueueModel(const core::Options& options) : options_(options) {}

  struct Consumer {
    uint32_t number = 0;
    core::ConsumerOptions options;
    std::string characters;  // of its filter; empty: takes all
    uint64_t last_tag = 0;
    bool is_stalled = false;
    std::tuple<int, uint64_t> browsed_to = {-1, 0};
    uint64_t sequence_max = 0;
    bool is_browsed = false;
    std::vector<std::pair<uint64_t, size_t>> shown;  // to a browser: tag and octets, unsettled
  };

  void publish(const std::string& name, const QueueMessageParts& parts, size_t bytes,
               core::Millis now) {
    run(now);
    while (options_.queue_full_policy != core::QueueFullPolicy::kRefuse &&
           (messages_.size() + reserved_messages + 1 > options_.queue_messages_max ||
            total_bytes() + reserved_bytes + bytes > options_.queue_bytes_max)) {
      const auto oldest = std::find_if(messages_.begin(), messages_.end(),
                                       [](const Item& item) { return item.holder == 0; });
      if (oldest == messages_.end()) break;
      if (options_.queue_full_policy == core::QueueFullPolicy::kDeadLetter) {
        say_dead(*oldest, core::DeadReason::kFull);
      } else {
        ++dropped;
      }
      messages_.erase(oldest);
    }
    forget_groups();
    messages_.push_back(
        {.name = name, .parts = parts, .bytes = bytes, .sequence = ++sequence_, .due = false});
    Item& item = messages_.back();
    item.due = parts.due_at <= now;
    if (parts.expires_at <= now) {
      say_dead(item, core::DeadReason::kExpired);
      messages_.pop_back();
    }
    hand_out();
  }

  void add(const Consumer& consumer, core::Millis now) {
    run(now);
    consumers_.push_back(consumer);
    Consumer& added = consumers_.back();
    added.sequence_max = sequence_;
    if (added.options.is_browser) return browse(added);
    if (exclusive_ == 0 && added.options.is_exclusive) {
      exclusive_ = added.number;
      round_.clear();
    }
    wake(added);
    hand_out();
  }

  void remove(uint32_t number, core::Millis now) {
    run(now);
    if (find(number) == nullptr) return;
    settle_where(number, core::Settlement::kRequeue, now, [](const Item&) { return true; });
    std::erase_if(consumers_, [&](const Consumer& one) { return one.number == number; });
    std::erase(round_, number);
    std::erase_if(owners_, [&](const auto& entry) { return entry.second == number; });
    if (exclusive_ == number) {
      exclusive_ = 0;
      for (const Consumer& one : consumers_) {
        if (one.options.is_exclusive && !one.options.is_browser && exclusive_ == 0) {
          exclusive_ = one.number;
        }
      }
      for (const Consumer& one : consumers_) wake(one);
    }
    hand_out();
  }

  size_t settle(uint32_t number, uint64_t tag, core::Settlement how, bool is_cumulative,
                core::Millis now) {
    run(now);
    Consumer* consumer = find(number);
    if (consumer == nullptr || tag > consumer->last_tag) return 0;
    const auto is_meant = [&](uint64_t other) {
      return is_cumulative ? other <= tag : other == tag;
    };
    size_t settled = 0;
    if (consumer->options.is_browser) {
      settled =
          std::erase_if(consumer->shown, [&](const auto& one) { return is_meant(one.first); });
      if (settled > 0) browse(*consumer);
      return settled;
    }
    settled = settle_where(number, how, now, [&](const Item& item) { return is_meant(item.tag); });
    if (settled == 0) return 0;
    consumer->is_stalled = false;
    wake(*consumer);
    hand_out();
    return settled;
  }

  void run(core::Millis now) {
    while (true) {
      Item* first = nullptr;
      for (Item& item : messages_) {
        if (deadline(item) <= now &&
            (first == nullptr || by_deadline(item) < by_deadline(*first))) {
          first = &item;
        }
      }
      if (first == nullptr) break;
      if (first->parts.expires_at <= now) {
        say_dead(*first, core::DeadReason::kExpired);
        messages_.erase(messages_.begin() + (first - messages_.data()));
      } else {
        first->due = true;
      }
    }
    hand_out();
  }

  [[nodiscard]] bool has_room(size_t messages, size_t bytes) const {
    if (options_.queue_full_policy == core::QueueFullPolicy::kRefuse) {
      messages += messages_.size() + reserved_messages;
      bytes += total_bytes() + reserved_bytes;
    }
    return messages <= options_.queue_messages_max && bytes <= options_.queue_bytes_max;
  }
  [[nodiscard]] core::Millis next_deadline() const {
    core::Millis next = core::kNever;
    for (const Item& item : messages_) next = std::min(next, deadline(item));
    return next;
  }
  [[nodiscard]] size_t waiting() const {
    return count([](const Item& item) { return item.holder == 0 && item.due; });
  }
  [[nodiscard]] size_t delayed() const {
    return count([](const Item& item) { return !item.due; });
  }
  [[nodiscard]] size_t unsettled() const {
    return count([](const Item& item) { return item.holder != 0; });
  }
  [[nodiscard]] size_t total_bytes() const {
    size_t bytes = 0;
    for (const Item& item : messages_) bytes += item.bytes;
    return bytes;
  }
  [[nodiscard]] size_t consumers() const { return consumers_.size(); }
  // 0 if there is no such consumer.
  [[nodiscard]] uint64_t last_tag(uint32_t number) {
    const Consumer* consumer = find(number);
    return consumer == nullptr ? 0 : consumer->last_tag;
  }

  std::vector<std::string> words;
  size_t reserved_messages = 0;
  size_t reserved_bytes = 0;
  uint64_t dropped = 0;

 private:
  struct Item {
    std::string name;
    QueueMessageParts parts;
    size_t bytes;
    uint64_t sequence;
    bool due;             // has become due
    uint32_t holder = 0;  // the consumer that it is with
    uint64_t tag = 0;
    uint32_t deliveries = 0;
  };

  // -- What there is to know of a message.

  [[nodiscard]] static std::tuple<int, uint64_t> place(const Item& item) {
    return {9 - std::min<int>(item.parts.priority, 9), item.sequence};
  }
  [[nodiscard]] static core::Millis deadline(const Item& item) {
    if (item.holder != 0) return core::kNever;
    return item.due ? item.parts.expires_at : std::min(item.parts.due_at, item.parts.expires_at);
  }
  [[nodiscard]] static std::tuple<core::Millis, int, uint64_t> by_deadline(const Item& item) {
    return std::tuple_cat(std::make_tuple(deadline(item)), place(item));
  }
  template <typename Is>
  [[nodiscard]] size_t count(Is is) const {
    return static_cast<size_t>(std::count_if(messages_.begin(), messages_.end(), is));
  }
  [[nodiscard]] std::vector<size_t> waiting_in_order() const {
    std::vector<size_t> order;
    for (size_t n = 0; n < messages_.size(); ++n) {
      if (messages_[n].holder == 0 && messages_[n].due) order.push_back(n);
    }
    std::sort(order.begin(), order.end(),
              [&](size_t a, size_t b) { return place(messages_[a]) < place(messages_[b]); });
    return order;
  }

  // -- What there is to know of a consumer.

  [[nodiscard]] Consumer* find(uint32_t number) {
    for (Consumer& one : consumers_) {
      if (one.number == number) return &one;
    }
    return nullptr;
  }
  [[nodiscard]] bool is_active(const Consumer& consumer) const {
    return !consumer.options.is_browser && (exclusive_ == 0 || exclusive_ == consumer.number);
  }
  [[nodiscard]] static bool takes(const Consumer& consumer, const Item& item) {
    if (consumer.options.is_no_local && item.parts.sender == consumer.number) return false;
    return consumer.characters.empty() ||
           item.name.find_first_of(consumer.characters) != std::string::npos;
  }
  [[nodiscard]] std::pair<size_t, size_t> held(const Consumer& consumer) const {
    std::pair<size_t, size_t> all = {0, 0};
    for (const Item& item : messages_) {
      if (item.holder == consumer.number) all = {all.first + 1, all.second + item.name.size()};
    }
    for (const auto& [tag, octets] : consumer.shown) all = {all.first + 1, all.second + octets};
    return all;
  }
  [[nodiscard]] bool has_credit(const Consumer& consumer) const {
    return !consumer.is_stalled && held(consumer).first < consumer.options.credit_messages;
  }
  [[nodiscard]] bool has_room_for(const Consumer& consumer, const Item& item) const {
    const auto [messages, octets] = held(consumer);
    return messages == 0 || octets + item.name.size() <= consumer.options.credit_bytes;
  }

  // -- The rules.

  void wake(const Consumer& consumer) {
    const bool is_in = std::find(round_.begin(), round_.end(), consumer.number) != round_.end();
    if (!is_in && is_active(consumer) && has_credit(consumer)) round_.push_back(consumer.number);
  }

  void hand_out() {
    forget_groups();
    while (hand_out_one()) {
    }
  }

  // An owner keeps its group while there is something of it, and it may be given more or has some.
  void forget_groups() {
    std::erase_if(owners_, [&](const auto& entry) {
      size_t members = 0;
      size_t with_owner = 0;
      for (const Item& item : messages_) {
        if (item.parts.group != entry.first) continue;
        ++members;
        with_owner += item.holder == entry.second ? 1u : 0u;
      }
      return members == 0 || (with_owner == 0 && !is_active(*find(entry.second)));
    });
  }

  bool hand_out_one() {
    for (const size_t n : waiting_in_order()) {
      Item& item = messages_[n];
      // Equals stay in the order of turns.
      std::multimap<int32_t, uint32_t, std::greater<>> turns;
      for (const uint32_t number : round_) turns.emplace(find(number)->options.priority, number);
      for (const auto& [priority, number] : turns) {
        Consumer& consumer = *find(number);
        const auto owner = owners_.find(std::string(item.parts.group));
        if (owner != owners_.end() && owner->second != number) continue;
        if (!takes(consumer, item)) continue;
        if (!has_room_for(consumer, item)) {
          consumer.is_stalled = true;
          std::erase(round_, number);
          continue;
        }
        deliver(item, consumer);
        return true;
      }
    }
    return false;
  }

  void deliver(Item& item, Consumer& consumer) {
    item.holder = consumer.number;
    item.tag = ++consumer.last_tag;
    if (!item.parts.group.empty()) owners_[std::string(item.parts.group)] = consumer.number;
    std::erase(round_, consumer.number);
    wake(consumer);
    say(item.tag, consumer.number, item);
  }

  template <typename IsMeant>
  size_t settle_where(uint32_t number, core::Settlement how, core::Millis now, IsMeant is_meant) {
    std::vector<std::pair<uint64_t, uint64_t>> meant;  // tag, sequence
    for (const Item& item : messages_) {
      if (item.holder == number && is_meant(item)) meant.emplace_back(item.tag, item.sequence);
    }
    std::sort(meant.begin(), meant.end());
    for (const auto& [tag, sequence] : meant) settle_one(sequence, how, now);
    return meant.size();
  }

  void settle_one(uint64_t sequence, core::Settlement how, core::Millis now) {
    const auto item = std::find_if(messages_.begin(), messages_.end(),
                                   [&](const Item& one) { return one.sequence == sequence; });
    item->holder = 0;
    if (how == core::Settlement::kAck) {
      messages_.erase(item);
      return;
    }
    const bool has_failed = how != core::Settlement::kReturn;
    if (has_failed) ++item->deliveries;
    core::DeadReason reason = core::DeadReason::kExpired;
    if (how == core::Settlement::kReject) {
      reason = core::DeadReason::kRejected;
    } else if (has_failed && item->deliveries >= options_.queue_deliveries_max) {
      reason = core::DeadReason::kDeliveryLimit;
    } else if (item->parts.expires_at > now) {
      return;
    }
    say_dead(*item, reason);
    messages_.erase(item);
  }

  void browse(Consumer& browser) {
    if (browser.is_browsed) return;
    for (const size_t n : waiting_in_order()) {
      const Item& item = messages_[n];
      if (place(item) <= browser.browsed_to) continue;
      const bool is_for_it = item.sequence <= browser.sequence_max && takes(browser, item);
      if (is_for_it && (!has_credit(browser) || !has_room_for(browser, item))) return;
      // What comes back to before there later is not shown.
      browser.browsed_to = place(item);
      if (!is_for_it) continue;
      browser.shown.emplace_back(++browser.last_tag, item.name.size());
      say(browser.last_tag, browser.number, item);
    }
    browser.is_browsed = true;
    words.push_back(std::to_string(browser.number) + ":end");
  }

  [[nodiscard]] static std::string failures(const Item& item) {
    return item.deliveries == 0 ? "" : "(" + std::to_string(item.deliveries) + ")";
  }
  void say(uint64_t tag, uint32_t number, const Item& item) {
    words.push_back("#" + std::to_string(tag) + " " + std::to_string(number) + ":" + item.name +
                    failures(item));
  }
  void say_dead(const Item& item, core::DeadReason reason) {
    words.push_back("dead:" + item.name + ":" + std::string(core::to_string(reason)) +
                    failures(item));
  }

  const core::Options& options_;
  std::vector<Item> messages_;              // in the order of publishing
  std::vector<Consumer> consumers_;         // in the order of coming
  std::vector<uint32_t> round_;             // who is ready, in the order of turns
  std::map<std::string, uint32_t> owners_;  // of groups
  uint32_t exclusive_ = 0;
  uint64_t sequence_ = 0;
};

}  // namespace stampede::tests
