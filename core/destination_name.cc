#include "core/destination_name.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>

namespace stampede::core {

namespace {

// Prefixes to which the brokers that people come from give a meaning other than publish/subscribe.
// Taking them for topics would lose messages in silence.
constexpr std::array<std::string_view, 9> kOtherPrefixes = {
    "/temp-queue/", "/temp-topic/",        "/user/",
    "/exchange/",   "/amq/queue/",         "/reply-queue/",
    "/dsub/",       "/remote-temp-queue/", "/remote-temp-topic/",
};

constexpr std::string_view kQueuePrefix = "/queue/";

constexpr bool is_separator(char octet) { return octet == '.' || octet == '/'; }

size_t count_levels(std::string_view name) {
  if (name.starts_with('/')) name.remove_prefix(1);
  return 1 + static_cast<size_t>(std::count_if(name.begin(), name.end(), is_separator));
}

// Calls visit(level, is_last) for each level.
template <typename Visit>
void for_each_level(std::string_view name, Visit&& visit) {
  if (name.starts_with('/')) name.remove_prefix(1);
  while (true) {
    const size_t end = name.find_first_of("./");
    if (end == std::string_view::npos) break;
    visit(name.substr(0, end), false);
    name.remove_prefix(end + 1);
  }
  visit(name, true);
}

}  // namespace

DestinationKind classify_destination(std::string_view name, DestinationUse use,
                                     const Options& options) {
  if (name.empty()) return DestinationKind::kEmpty;
  if (name.size() > options.destination_bytes_max) return DestinationKind::kTooLong;
  if (count_levels(name) > options.destination_levels_max) return DestinationKind::kTooManyLevels;
  for (std::string_view prefix : kOtherPrefixes) {
    if (name.starts_with(prefix)) return DestinationKind::kUnsupported;
  }
  const bool is_queue = name.starts_with(kQueuePrefix);
  if (use == DestinationUse::kSend) {
    return is_queue ? DestinationKind::kQueue : DestinationKind::kTopic;
  }

  DestinationKind kind = DestinationKind::kTopic;
  for_each_level(name, [&](std::string_view level, bool is_last) {
    if (is_rest(level) && !is_last) kind = DestinationKind::kRestNotLast;
    if (kind == DestinationKind::kTopic && (is_any_level(level) || is_rest(level))) {
      kind = DestinationKind::kPattern;
    }
  });
  if (!is_queue) return kind;
  return kind == DestinationKind::kTopic ? DestinationKind::kQueue : DestinationKind::kQueuePattern;
}

void split_levels(std::string_view name, DestinationLevels& levels) {
  levels.clear();
  for_each_level(name, [&](std::string_view level, bool) { levels.push_back(level); });
}

uint64_t hash_text(std::string_view text, uint64_t seed) {
  return XXH3_64bits_withSeed(text.data(), text.size(), seed);
}

}  // namespace stampede::core
