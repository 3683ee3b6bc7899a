#include "core/keeper.h"

#include <algorithm>
#include <memory>
#include <span>

namespace stampede::core {

void KeptMessages::push_back(Message& message, Millis at) {
  message.add_references(1);
  entries_.push_back({&message, at});
  bytes_ += message.memory_bytes();
}

void KeptMessages::pop_front() {
  Message& message = *entries_[first_++].message;
  bytes_ -= message.memory_bytes();
  message.drop_reference();
  if (first_ * 2 < entries_.size()) return;
  entries_.erase(entries_.begin(), entries_.begin() + static_cast<ptrdiff_t>(first_));
  first_ = 0;
}

Keeper::Keeper(const Options& options, ShardMetrics& metrics)
    : options_(options), metrics_(metrics), patterns_(options.boot_id) {
  for (const HistoryRule& rule : options.history) {
    classes_.emplace_back(rule);
    size_t& number = patterns_.insert(rule.pattern);
    if (number == 0) number = classes_.size();
  }
}

HistoryClass* Keeper::class_of(std::string_view name) {
  size_t first = SIZE_MAX;
  patterns_.match(name, [&](size_t number) { first = std::min(first, number); });
  return first == SIZE_MAX ? nullptr : &classes_[first - 1];
}

void Keeper::keep(Destination& destination, Message& message, Millis now) {
  const Retain retain = message.properties().retain;
  if (destination.kept == nullptr) {
    if (destination.history == nullptr && retain != Retain::kSet) return;
    destination.kept = std::make_unique<Kept>(destination);
  }
  Kept& kept = *destination.kept;
  if (destination.history != nullptr) add_history(kept, message, now);
  if (retain == Retain::kSet) set_retained(kept, message, now);
  if (retain == Retain::kRemove) drop_retained(kept);
  note_if_empty(kept);
}

// -- Last values.

void Keeper::set_retained(Kept& kept, Message& message, Millis now) {
  drop_retained(kept);
  message.add_references(1);
  kept.retained = {&message, now};
  retained_.push_back(kept);
  ++retained_count_;
  retained_bytes_ += message.memory_bytes();
  while (retained_count_ > options_.retained_max || retained_bytes_ > options_.retained_bytes_max) {
    Kept& oldest = *retained_.front();
    ++metrics_.retained_evicted;
    drop_retained(oldest);
    note_if_empty(oldest);
  }
}

void Keeper::drop_retained(Kept& kept) {
  if (kept.retained.message == nullptr) return;
  retained_.remove(kept);
  --retained_count_;
  retained_bytes_ -= kept.retained.message->memory_bytes();
  kept.retained.message->drop_reference();
  kept.retained = {};
}

// -- History.

void Keeper::add_history(Kept& kept, Message& message, Millis now) {
  HistoryClass& of_rule = *kept.of.history;
  if (kept.history.size() > 0) of_rule.used.remove(kept);
  of_rule.used.push_back(kept);
  kept.history.push_back(message, now);
  ++history_count_;
  history_bytes_ += message.memory_bytes();
  drop_aged(kept, now);
  while (kept.history.size() > of_rule.rule.messages || kept.history.bytes() > of_rule.rule.bytes) {
    drop_oldest(kept);
  }
  while (history_bytes_ > options_.history_bytes_max) {
    Kept& longest_unused = *least_used()->used.front();
    ++metrics_.history_evicted;
    drop_oldest(longest_unused);
    note_if_empty(longest_unused);
  }
}

void Keeper::drop_oldest(Kept& kept) {
  const KeptMessage oldest = kept.history.front();
  kept.of.lost_until = oldest.at;
  --history_count_;
  history_bytes_ -= oldest.message->memory_bytes();
  kept.history.pop_front();
  if (kept.history.size() == 0) kept.of.history->used.remove(kept);
}

void Keeper::drop_aged(Kept& kept, Millis now) {
  while (kept.history.size() > 0 && now - kept.history.front().at > kept.of.history->rule.time_ms) {
    drop_oldest(kept);
  }
}

HistoryClass* Keeper::least_used() {
  HistoryClass* found = nullptr;
  Millis used_at = kNever;
  for (HistoryClass& one : classes_) {
    if (one.used.empty()) continue;
    const Millis at = one.used.front()->history.all().back().at;
    if (found != nullptr && at >= used_at) continue;
    found = &one;
    used_at = at;
  }
  return found;
}

// -- Forgetting.

void Keeper::expire(Millis now) {
  if (options_.retain_time_ms > 0) {
    while (!retained_.empty() && now - retained_.front()->retained.at > options_.retain_time_ms) {
      Kept& oldest = *retained_.front();
      ++metrics_.retained_evicted;
      drop_retained(oldest);
      note_if_empty(oldest);
    }
  }
  // Who was published to since then is looked at with the next message, or when it is asked for.
  for (HistoryClass& one : classes_) {
    while (!one.used.empty()) {
      Kept& kept = *one.used.front();
      if (now - kept.history.all().back().at <= one.rule.time_ms) break;
      while (kept.history.size() > 0) drop_oldest(kept);
      note_if_empty(kept);
    }
  }
}

void Keeper::drop_all(Destination& destination) {
  Kept& kept = *destination.kept;
  metrics_.history_evicted += kept.history.size();
  while (kept.history.size() > 0) drop_oldest(kept);
  if (kept.retained.message != nullptr) ++metrics_.retained_evicted;
  drop_retained(kept);
  note_if_empty(kept);
}

// -- Recalling.

namespace {

// What one destination keeps, in its order: the last value if it is older than all history, then
// the history.
class KeptInOrder {
 public:
  explicit KeptInOrder(const Destination& destination) {
    if (destination.kept == nullptr) return;
    const Kept& kept = *destination.kept;
    history_ = kept.history.all();
    const bool is_apart = kept.retained.message != nullptr &&
                          (history_.empty() || kept.retained.message->sequence() <
                                                   history_.front().message->sequence());
    if (is_apart) apart_ = kept.retained;
  }

  template <typename Visit>
  void for_each(Visit&& visit) const {
    if (apart_.message != nullptr) visit(apart_);
    for (const KeptMessage& one : history_) visit(one);
  }
  [[nodiscard]] const Message* newest() const {
    return history_.empty() ? apart_.message : history_.back().message;
  }
  // From it on up to `last`, which was given last, none is missing.
  [[nodiscard]] uint64_t unbroken_from(uint64_t last) const {
    const uint64_t first = last + 1 - history_.size();
    const bool continues = apart_.message != nullptr && apart_.message->sequence() + 1 == first;
    return continues ? first - 1 : first;
  }

 private:
  KeptMessage apart_;
  std::span<const KeptMessage> history_;
};

}  // namespace

void Keeper::recall(Destination& destination, Recall& recall, Millis now) {
  using enum RecallFrom::Place;
  if (destination.kept != nullptr && destination.history != nullptr) {
    drop_aged(*destination.kept, now);
    note_if_empty(*destination.kept);
  }
  const KeptInOrder kept(destination);
  const RecallFrom& from = recall.from;
  const uint64_t last = destination.sequence;
  const uint64_t unbroken_from = kept.unbroken_from(last);
  const auto add_from = [&](uint64_t sequence) {
    kept.for_each([&](const KeptMessage& one) {
      if (one.message->sequence() >= sequence) recall.add(*one.message);
    });
  };
  switch (from.place) {
    case kRetained:
      if (destination.kept != nullptr && destination.kept->retained.message != nullptr) {
        recall.add(*destination.kept->retained.message);
      }
      break;
    case kNext:
      break;
    case kFirst:
      add_from(0);
      recall.is_complete = unbroken_from == 1;
      break;
    case kLast: {
      const Message* const newest = kept.newest();
      if (newest != nullptr) add_from(newest->sequence());
      recall.is_complete = (newest == nullptr ? 0 : newest->sequence()) == last;
      break;
    }
    case kSequence: {
      // A sequence that was not given yet is of another incarnation, whatever the client says.
      const bool is_known =
          (from.epoch.empty() || from.epoch == destination.epoch()) && from.sequence <= last + 1;
      add_from(is_known ? from.sequence : 0);
      recall.is_complete = is_known && from.sequence >= unbroken_from;
      break;
    }
    case kTime:
      kept.for_each([&](const KeptMessage& one) {
        if (one.at >= from.time) recall.add(*one.message);
      });
      recall.is_complete = (destination.history != nullptr ? destination.lost_until
                                                           : destination.last_used) < from.time;
      break;
  }
  if (recall.is_pattern) {
    recall.is_complete = from.place == kRetained || from.place == kNext;
    return;
  }
  recall.epoch = destination.epoch();
  recall.sequence = last;
  recall.unbroken_from = unbroken_from;
}

namespace {

// What every name begins with that the pattern matches, without the separator behind it.
std::string_view beginning_of(std::string_view pattern) {
  std::string_view beginning = pattern.substr(0, pattern.find_first_of("*#>"));
  if (beginning.starts_with('/')) beginning.remove_prefix(1);
  if (!beginning.empty()) beginning.remove_suffix(1);
  return beginning;
}

// Separators are equal to patterns, and a leading slash is nothing.
bool begins_with(std::string_view name, std::string_view beginning) {
  if (name.starts_with('/')) name.remove_prefix(1);
  if (name.size() < beginning.size()) return false;
  const auto is_separator = [](char octet) { return octet == '.' || octet == '/'; };
  return std::equal(beginning.begin(), beginning.end(), name.begin(), [&](char one, char other) {
    return one == other || (is_separator(one) && is_separator(other));
  });
}

}  // namespace

// PERF: most names are told by how they begin; a walk of the trie costs several times as much.
void Keeper::recall_matching(Recall& recall, Millis now) {
  using enum RecallFrom::Place;
  recall.is_complete = recall.from.place == kRetained || recall.from.place == kNext;
  PatternTrie<bool> pattern(options_.boot_id);
  pattern.insert(recall.name) = true;
  const std::string_view beginning = beginning_of(recall.name);
  const auto add_if_matching = [&](Kept& kept) {
    if (!begins_with(kept.of.name, beginning)) return;
    pattern.match(kept.of.name, [&](bool) { this->recall(kept.of, recall, now); });
  };
  for (Kept* kept = retained_.front(); kept != nullptr;) {
    Kept* const next = retained_.next(*kept);
    // Who has history as well comes with it.
    if (recall.from.place == kRetained || kept->history.size() == 0) add_if_matching(*kept);
    kept = next;
  }
  if (recall.from.place == kRetained) return;
  for (HistoryClass& one : classes_) {
    for (Kept* kept = one.used.front(); kept != nullptr;) {
      // It may be too old by now, and go.
      Kept* const next = one.used.next(*kept);
      add_if_matching(*kept);
      kept = next;
    }
  }
}

void Keeper::count_tables(ShardTables& tables) const {
  tables.retained += retained_count_;
  tables.retained_bytes += retained_bytes_;
  tables.history += history_count_;
  tables.history_bytes += history_bytes_;
}

}  // namespace stampede::core
