#pragma once

#include <cstdint>

namespace stampede::net {

struct RingCounters {
  uint64_t enters = 0;
  uint64_t submissions = 0;
  uint64_t completions = 0;
  uint64_t overflows =
      0;  // enters after which the kernel had completions that the CQ had no room for
  uint64_t submit_refused = 0;  // EBUSY, EAGAIN and whatever else an enter may say; tried again
};

}  // namespace stampede::net
