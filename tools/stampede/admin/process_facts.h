#pragma once

#include <cstdint>

namespace stampede::tools {

// What the kernel says of this process; 0 where it does not say.
struct ProcessFacts {
  double cpu_seconds = 0;         // user and system, of all threads
  double start_time_seconds = 0;  // since 1970
  uint64_t resident_bytes = 0;
  uint64_t virtual_bytes = 0;
  uint64_t open_descriptors = 0;  // Linux 6.2 and later
  uint64_t descriptors_max = 0;
};

[[nodiscard]] ProcessFacts process_facts();

}  // namespace stampede::tools
