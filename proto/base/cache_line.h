#pragma once

#include <cstddef>

namespace stampede {

// std::hardware_destructive_interference_size changes with compiler flags; the two-line prefetcher
// of x86-64 makes 128 the distance at which two writers stop disturbing each other.
inline constexpr std::size_t kCacheLineBytes = 64;
inline constexpr std::size_t kNoSharingBytes = 128;

}  // namespace stampede
