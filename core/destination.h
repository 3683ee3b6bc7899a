#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/dedup_window.h"
#include "core/intrusive_list.h"
#include "core/message.h"
#include "core/options.h"
#include "core/shard_types.h"

namespace stampede::core {

struct Destination;

struct KeptMessage {
  Message* message = nullptr;
  Millis at = 0;  // when it was published
};

// KeptMessages is the newest messages of one destination, oldest first, without a gap.
//
// Owns:      a reference of each. Thread: owner shard.
class KeptMessages {
 public:
  KeptMessages() = default;
  ~KeptMessages() {
    while (size() > 0) pop_front();
  }
  KeptMessages(const KeptMessages&) = delete;
  KeptMessages& operator=(const KeptMessages&) = delete;

  void push_back(Message& message, Millis at);
  void pop_front();
  [[nodiscard]] std::span<const KeptMessage> all() const {
    return std::span(entries_).subspan(first_);
  }
  [[nodiscard]] size_t size() const { return entries_.size() - first_; }
  [[nodiscard]] size_t bytes() const { return bytes_; }
  [[nodiscard]] const KeptMessage& front() const { return entries_[first_]; }

 private:
  std::vector<KeptMessage> entries_;
  size_t first_ = 0;  // entries before it are gone; they are removed many at a time
  size_t bytes_ = 0;
};

// Kept is what an owner keeps of one destination besides its number. Only Keeper changes it.
//
// Owns:      its messages. Thread: owner shard. Lifetime: while there is something in it.
struct Kept {
  explicit Kept(Destination& kept_of) : of(kept_of) {}
  ~Kept() {
    if (retained.message != nullptr) retained.message->drop_reference();
  }
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;

  [[nodiscard]] bool is_empty() const { return retained.message == nullptr && history.size() == 0; }

  Destination& of;
  KeptMessage retained;  // message null: there is no last value
  KeptMessages history;
  ListLink<Kept> by_retained;  // in a list while it has a last value
  ListLink<Kept> by_history;   // in a list while it has history
};

// The destinations that one history rule holds for and that have history, in the order in which
// they were published to last.
struct HistoryClass {
  explicit HistoryClass(const HistoryRule& of_rule) : rule(of_rule) {}

  const HistoryRule& rule;
  IntrusiveList<Kept, &Kept::by_history> used;
};

// Destination is an owner's record of one name.
struct Destination {
  std::string name;
  std::string id_prefix;  // of message-ids, with the trailing '-'
  uint64_t sequence = 0;
  uint64_t interest = 0;          // shards with a subscriber of exactly this name
  uint64_t pattern_interest = 0;  // valid for pattern_generation
  uint64_t pattern_generation = 0;
  std::unique_ptr<DedupWindow> window;  // made by the first id that a client gives
  HistoryClass* history = nullptr;      // null: no rule holds for it
  Millis last_used = 0;
  uint64_t hash = 0;
  std::unique_ptr<Kept> kept;    // null: there is nothing
  Millis lost_until = 0;         // with a rule: what was published after that is kept
  ListLink<Destination> by_use;  // in a list of the owner's while there is no interest

  [[nodiscard]] bool is_idle() const { return interest == 0 && kept == nullptr; }
  // The incarnation in which `sequence` counts.
  [[nodiscard]] std::string_view epoch() const {
    return std::string_view(id_prefix).substr(0, id_prefix.size() - 1);
  }
};

}  // namespace stampede::core
