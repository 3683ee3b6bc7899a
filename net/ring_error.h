#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace stampede::net {

// Why the kernel refuses a ring, as cause and cure. Thread: set-up only.

// What decides how a refused ring is to be explained.
struct RingSurroundings {
  std::string kernel_release;
  std::optional<int> io_uring_disabled;  // sysctl kernel.io_uring_disabled, since Linux 6.6
  uint64_t memlock_bytes;                // UINT64_MAX: no limit
  std::string missing_flag;  // a set-up flag that this kernel refuses, with the kernel it came in
};
[[nodiscard]] RingSurroundings read_ring_surroundings();
// The errno of a ring's set-up as cause and cure.
[[nodiscard]] std::string explain_ring_error(int error, const RingSurroundings& surroundings);

}  // namespace stampede::net
