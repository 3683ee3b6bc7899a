#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/options.h"
#include "core/shard_types.h"

namespace stampede::core {

// What a destination's text means. Levels are split on '.' and '/', which are equal to patterns;
// one leading '/' is not a level. In a SUBSCRIBE a level `*` is any one level, and a last level
// `#`, `>` or `**` is the rest, which may be empty. A SEND takes the same octets literally. A
// destination always comes back byte for byte as it was sent.
enum class DestinationKind : uint8_t {
  kTopic,
  kQueue,
  kPattern,  // SUBSCRIBE only, of topics
  kEmpty,
  kTooLong,        // --max-destination-length
  kTooManyLevels,  // --max-destination-levels
  kRestNotLast,    // SUBSCRIBE: a level that means the rest is followed by another
  kExactOnly,      // SUBSCRIBE: a level that would be a pattern, in what goes by its exact name
  kNameMissing,    // a prefix of another than a topic or queue, and no name behind it
  kTooManyParts,   // --max-composite-destinations
  kListAsReply,    // reply-to: a list of destinations
  kUnknownExchange,
  kUnsupported,  // a prefix that other brokers have and this one does not
  kForeign,      // SUBSCRIBE: it is another connection's
};

enum class DestinationUse : bool { kSend, kSubscribe };

// kTopic if the name is within the limits, else what is wrong with it.
[[nodiscard]] DestinationKind check_limits(std::string_view name, const Options& options);

// Of the name of a topic or queue, whose prefix says which; DestinationMap knows the other
// prefixes.
[[nodiscard]] DestinationKind classify_destination(std::string_view name, DestinationUse use,
                                                   const Options& options);

// The levels of a name or pattern, views of it.
using DestinationLevels = std::vector<std::string_view>;
void split_levels(std::string_view name, DestinationLevels& levels);

[[nodiscard]] inline bool is_any_level(std::string_view level) { return level == "*"; }
[[nodiscard]] inline bool is_rest(std::string_view level) {
  return level == "#" || level == ">" || level == "**";
}

// True if a level of the name would be a pattern in a SUBSCRIBE.
[[nodiscard]] bool has_pattern_level(std::string_view name);

// True if the route may match patterns, which are of topics: not what is private to a user or a
// connection, and not a queue or an exchange, which go by their exact name.
[[nodiscard]] bool is_open_to_patterns(std::string_view route);

// Keyed per process, since destinations are chosen by strangers.
[[nodiscard]] uint64_t hash_text(std::string_view text, uint64_t seed);

[[nodiscard]] inline ShardId owner_shard(uint64_t route_hash, ShardId shards) {
  // The upper half: the tables use the lower one.
  return static_cast<ShardId>((route_hash >> 32) % shards);
}

}  // namespace stampede::core
