#pragma once

#include <time.h>

#include <cstdint>

#include "core/shard_types.h"

namespace stampede::net {

// The clock that deadlines live by; setting the time of day does not move it.
[[nodiscard]] inline int64_t monotonic_ns() noexcept {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

// The time of day, since 1970.
[[nodiscard]] inline int64_t realtime_ns() noexcept {
  timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

[[nodiscard]] constexpr core::Millis to_millis(int64_t ns) { return ns / 1'000'000; }

}  // namespace stampede::net
