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
  kQueuePattern,   // SUBSCRIBE: a queue's name with a level that would be a pattern in a topic's
  kUnsupported,    // /user/ and the other prefixes that do not mean publish/subscribe
};

enum class DestinationUse : bool { kSend, kSubscribe };

[[nodiscard]] DestinationKind classify_destination(std::string_view name, DestinationUse use,
                                                   const Options& options);

// The levels of a name or pattern, views of it.
using DestinationLevels = std::vector<std::string_view>;
void split_levels(std::string_view name, DestinationLevels& levels);

[[nodiscard]] inline bool is_any_level(std::string_view level) { return level == "*"; }
[[nodiscard]] inline bool is_rest(std::string_view level) {
  return level == "#" || level == ">" || level == "**";
}

// Keyed per process, since destinations are chosen by strangers.
[[nodiscard]] uint64_t hash_text(std::string_view text, uint64_t seed);

[[nodiscard]] inline ShardId owner_shard(uint64_t route_hash, ShardId shards) {
  // The upper half: the tables use the lower one.
  return static_cast<ShardId>((route_hash >> 32) % shards);
}

}  // namespace stampede::core
