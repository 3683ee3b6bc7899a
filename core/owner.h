#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <tsl/robin_map.h>

#include "core/destination.h"
#include "core/intrusive_list.h"
#include "core/keeper.h"
#include "core/message.h"
#include "core/metrics.h"
#include "core/options.h"
#include "core/pattern_trie.h"
#include "core/recall.h"
#include "core/shard_types.h"

namespace stampede::core {

// Owner is a shard's part as owner of the destinations that hash to it: it orders and numbers what
// is published to them, drops what it knows already, keeps what is to be kept, and knows which
// shards have interest. What it decides is "ordered, numbered, handed on"; to whom and how is the
// shard's business.
//
// Owns:      the destinations, with their duplicate windows and what is kept of them. Thread: owner
//            shard.
// Invariant: a destination's sequence grows by one a message; two messages never get the same
//            message-id, even if a destination was forgotten in between.
class Owner {
 public:
  Owner(ShardId shard, const Options& options, ShardMetrics& metrics);
  ~Owner();

  // Which shards have interest in the message, one bit each, and whether it is a duplicate (then
  // none). Numbers it unless it is a duplicate. Requires: the only reference is the caller's. O(1)
  // but for the first publish to a destination after a pattern came or went.
  struct Verdict {
    uint64_t interested;
    bool is_duplicate;
  };
  [[nodiscard]] Verdict publish(Message& message, Millis now);

  void add_interest(std::string_view name, ShardId shard, Millis now);
  void remove_interest(std::string_view name, ShardId shard, Millis now);
  [[nodiscard]] bool has_interest(std::string_view name, uint64_t hash) const;
  void add_pattern(std::string_view pattern, ShardId shard);
  void remove_pattern(std::string_view pattern, ShardId shard);

  // Forgets at once a destination that nobody will publish to any more, unless it has interest.
  void forget(std::string_view name);
  // Answers the recall. Requires: of a name, that somebody has interest in it.
  void recall(Recall& recall, Millis now);
  // The last value of the name, or those of the names that the pattern matches; null if there is
  // none.
  [[nodiscard]] std::unique_ptr<Recall> last_values(std::string_view name, bool is_pattern,
                                                    Millis now);

  // Forgets destinations without interest that keep nothing, and whose window has passed. Call
  // about once a second.
  void expire(Millis now);

  [[nodiscard]] size_t destination_count() const { return table_.size(); }
  void count_tables(ShardTables& tables) const;

 private:
  struct HashText {
    using is_transparent = void;
    uint64_t seed;
    size_t operator()(std::string_view text) const { return hash_text(text, seed); }
  };
  using Table =
      tsl::robin_map<std::string_view, std::unique_ptr<Destination>, HashText, std::equal_to<>>;

  Destination& find_or_make(std::string_view name, uint64_t hash, Millis now);
  void forget_idle(Destination& destination);
  void keep(Destination& destination, Message& message, Millis now);
  // Destinations of which nothing is kept any more may be forgotten.
  void settle_emptied(Millis now);
  // Puts it at the end of the list that it belongs to, or takes it out; nothing happens while there
  // is interest in it.
  void enlist(Destination& destination);
  void delist(Destination& destination);
  void touch(Destination& destination, Millis now);
  [[nodiscard]] bool is_known(Destination& destination, const Message& message, Millis now);
  [[nodiscard]] uint64_t interest_of(Destination& destination);

  const ShardId shard_;
  const Options& options_;
  ShardMetrics& metrics_;
  std::string boot_text_;  // the beginning of every message-id made here
  Keeper keeper_;
  Table table_;
  // Those without interest, in the order of their last use: of which nothing is kept, and the rest.
  IntrusiveList<Destination, &Destination::by_use> idle_;
  IntrusiveList<Destination, &Destination::by_use> unfollowed_;
  PatternTrie<uint64_t> patterns_;  // which shards subscribed the pattern
  uint64_t pattern_generation_ = 1;
  uint64_t incarnations_ = 0;
  uint64_t interested_ = 0;  // (destination, shard) pairs
};

}  // namespace stampede::core
