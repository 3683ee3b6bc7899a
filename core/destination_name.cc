#include "core/destination_name.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>

namespace stampede::core {

namespace {

// Of routes that are no topic's.
constexpr std::array<std::string_view, 5> kClosedPrefixes = {
    "/queue/", "/user/", "/temp-queue/", "/temp-topic/", "/exchange/",
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

DestinationKind check_limits(std::string_view name, const Options& options) {
  if (name.empty()) return DestinationKind::kEmpty;
  if (name.size() > options.destination_bytes_max) return DestinationKind::kTooLong;
  if (count_levels(name) > options.destination_levels_max) return DestinationKind::kTooManyLevels;
  return DestinationKind::kTopic;
}

DestinationKind classify_destination(std::string_view name, DestinationUse use,
                                     const Options& options) {
  const DestinationKind checked = check_limits(name, options);
  if (checked != DestinationKind::kTopic) return checked;
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
  return kind == DestinationKind::kTopic ? DestinationKind::kQueue : DestinationKind::kExactOnly;
}

bool has_pattern_level(std::string_view name) {
  bool found = false;
  for_each_level(
      name, [&](std::string_view level, bool) { found |= is_any_level(level) || is_rest(level); });
  return found;
}

bool is_open_to_patterns(std::string_view route) {
  return std::ranges::none_of(kClosedPrefixes,
                              [&](std::string_view prefix) { return route.starts_with(prefix); });
}

void split_levels(std::string_view name, DestinationLevels& levels) {
  levels.clear();
  for_each_level(name, [&](std::string_view level, bool) { levels.push_back(level); });
}

uint64_t hash_text(std::string_view text, uint64_t seed) {
  return XXH3_64bits_withSeed(text.data(), text.size(), seed);
}

}  // namespace stampede::core
