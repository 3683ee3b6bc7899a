// Destinations of strangers: what they mean, and which patterns match them. What must hold:
//   - a destination that is refused is refused whatever was asked before, and one that is served
//     has a route within bounds; who may not subscribe gets no private route;
//   - the trie of patterns finds what a naive matcher finds, whatever comes and goes.
//
// Input: lines. The first octet of each says what happens to the rest of it: `+` a pattern comes,
// `-` it goes, `s` SEND, `S` SUBSCRIBE, `r` reply-to; anything else is a name to be matched.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "core/destination_map.h"
#include "core/pattern_trie.h"
#include "proto/base/check.h"
#include "tests/support/naive_pattern.h"

namespace {

using namespace stampede::core;

struct World {
  Options options;
  DestinationMap map{options};
  PatternTrie<std::string> trie{1};
  std::map<std::string, std::string> patterns;  // normalised -> the trie's value
};

const DestinationSession kAlice = {.home = 0, .client_id = 7, .user_name = "alice"};
const DestinationSession kNobody = {.home = 1, .client_id = 9};

void check_map(World& world, std::string_view text, DestinationUse use,
               const DestinationSession& session) {
  const auto parts = world.map.map(text, use, session);
  if (!parts) {
    CHECK(parts.error() != DestinationKind::kTopic && parts.error() != DestinationKind::kQueue &&
          parts.error() != DestinationKind::kPattern);
    return;
  }
  CHECK(!parts->empty() && parts->size() <= world.options.composite_destinations_max);
  std::set<std::string_view> routes;
  for (const MappedDestination& part : *parts) {
    CHECK(!part.route.empty() && routes.insert(part.route).second);
    CHECK(use == DestinationUse::kSubscribe || part.kind != DestinationKind::kPattern);
    // An escape triples an octet, and a private prefix is short.
    CHECK(part.route.size() <= 3 * (text.size() + session.user_name.size()) + 128);
    const bool is_whole = part.text.data() == text.data() && part.text.size() == text.size();
    CHECK(!is_whole || parts->size() == 1);
  }
}

void check_match(World& world, std::string_view name) {
  std::multiset<std::string> found, expected;
  world.trie.match(name, [&](const std::string& pattern) { found.insert(pattern); });
  if (is_open_to_patterns(name)) {
    for (const auto& [key, value] : world.patterns)
      if (stampede::tests::matches_naively(key, name)) expected.insert(value);
  }
  CHECK(found == expected);
}

void take_line(World& world, std::string_view line) {
  if (line.empty()) return;
  const std::string rest(line.substr(1));
  switch (line.front()) {
    case '+':
      if (classify_destination(rest, DestinationUse::kSubscribe, world.options) !=
          DestinationKind::kPattern)
        return;
      world.trie.insert(rest) = stampede::tests::normalised_pattern(rest);
      world.patterns[stampede::tests::normalised_pattern(rest)] =
          stampede::tests::normalised_pattern(rest);
      break;
    case '-':
      if (!world.patterns.contains(stampede::tests::normalised_pattern(rest))) return;
      world.trie.erase(rest);
      world.patterns.erase(stampede::tests::normalised_pattern(rest));
      break;
    case 's':
    case 'S': {
      const auto use = line.front() == 's' ? DestinationUse::kSend : DestinationUse::kSubscribe;
      check_map(world, rest, use, kAlice);
      check_map(world, rest, use, kNobody);
      break;
    }
    case 'r':
      if (!DestinationMap::names_temporary(rest)) return;
      if (const auto reply = world.map.map_reply_to(rest, kAlice)) {
        const std::string name(reply->public_name), route(reply->destination.route);
        CHECK(is_temporary_route(route));
        // Anybody may send to that name, and it is the same place; nobody else may subscribe it.
        const auto sent = world.map.map(name, DestinationUse::kSend, kNobody);
        CHECK(sent && sent->size() == 1 && sent->front().route == route);
        CHECK(!world.map.map(name, DestinationUse::kSubscribe, kNobody));
      }
      break;
    default:
      check_match(world, line);
  }
  CHECK(world.trie.size() == world.patterns.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  World world;
  std::string_view input(reinterpret_cast<const char*>(data), size);
  while (!input.empty()) {
    const size_t end = std::min(input.find('\n'), input.size());
    take_line(world, input.substr(0, end));
    input.remove_prefix(std::min(end + 1, input.size()));
  }
  return 0;
}
