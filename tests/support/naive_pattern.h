#pragma once

#include <string>
#include <string_view>

#include "core/destination_name.h"

namespace stampede::tests {

// The slow twin of PatternTrie's matching: what the words of destination_name.h say, level by
// level.
inline bool matches_naively(const core::DestinationLevels& pattern, size_t p,
                            const core::DestinationLevels& name, size_t n) {
  if (p == pattern.size()) return n == name.size();
  if (core::is_rest(pattern[p])) return true;
  if (n == name.size()) return false;
  return (core::is_any_level(pattern[p]) || pattern[p] == name[n]) &&
         matches_naively(pattern, p + 1, name, n + 1);
}

inline bool matches_naively(std::string_view pattern, std::string_view name) {
  core::DestinationLevels of_pattern, of_name;
  core::split_levels(pattern, of_pattern);
  core::split_levels(name, of_name);
  return matches_naively(of_pattern, 0, of_name, 0);
}

// One text for all ways to write a pattern.
inline std::string normalised_pattern(std::string_view pattern) {
  core::DestinationLevels levels;
  core::split_levels(pattern, levels);
  std::string out;
  for (const std::string_view level : levels)
    out.append("/").append(core::is_rest(level) ? "#" : level);
  return out;
}

}  // namespace stampede::tests
