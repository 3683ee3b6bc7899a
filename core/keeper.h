#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "core/destination.h"
#include "core/intrusive_list.h"
#include "core/message.h"
#include "core/metrics.h"
#include "core/options.h"
#include "core/pattern_trie.h"
#include "core/recall.h"
#include "core/shard_types.h"

namespace stampede::core {

// Keeper is an owner's memory of what it published: the last value of a topic, and the history of
// those that a rule names. It keeps references of messages, no copies, and not more than the
// options allow.
//
// Owns:      the order in which destinations are forgotten. Thread: owner shard.
// Lifetime:  the destinations hold the messages; each lives while something of it is kept.
// Invariant: a destination that a rule names keeps its newest messages without a gap.
class Keeper {
 public:
  Keeper(const Options& options, ShardMetrics& metrics);

  // The rule that holds for the name; null if none does. O(levels).
  [[nodiscard]] HistoryClass* class_of(std::string_view name);
  // What is to be kept of the message, which is numbered, is. Requires: it is for a topic.
  void keep(Destination& destination, Message& message, Millis now);
  // Drops what is too old. Call about once a second.
  void expire(Millis now);
  // Drops all that is kept of the destination, to make room. Requires: there is something.
  void drop_all(Destination& destination);
  // Destinations that may keep nothing any more (Kept::is_empty).
  [[nodiscard]] std::vector<Destination*> take_emptied() { return std::exchange(emptied_, {}); }

  // Answers for one destination.
  void recall(Destination& destination, Recall& recall, Millis now);
  // Answers for all that keep something and that the recall's pattern matches. O(destinations that
  // keep something).
  void recall_matching(Recall& recall, Millis now);

  [[nodiscard]] bool has_retained() const { return !retained_.empty(); }
  void count_tables(ShardTables& tables) const;

 private:
  void set_retained(Kept& kept, Message& message, Millis now);
  void drop_retained(Kept& kept);
  void add_history(Kept& kept, Message& message, Millis now);
  void drop_oldest(Kept& kept);
  void drop_aged(Kept& kept, Millis now);
  // The rule whose destination was not published to for longest; null if there is no history.
  [[nodiscard]] HistoryClass* least_used();
  void note_if_empty(Kept& kept) {
    if (kept.is_empty()) emptied_.push_back(&kept.of);
  }

  const Options& options_;
  ShardMetrics& metrics_;
  std::vector<HistoryClass> classes_;                 // as the rules
  PatternTrie<size_t> patterns_;                      // the index of the rule, and 1
  IntrusiveList<Kept, &Kept::by_retained> retained_;  // in the order in which they were set
  size_t retained_count_ = 0;
  size_t retained_bytes_ = 0;
  size_t history_count_ = 0;
  size_t history_bytes_ = 0;
  std::vector<Destination*> emptied_;
};

}  // namespace stampede::core
