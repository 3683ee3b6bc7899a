#include "tools/stampede/allocator.h"

#ifdef STAMPEDE_HAS_MIMALLOC
#include <mimalloc.h>

#include <array>
#include <atomic>
#else
#include <malloc.h>
#endif

namespace stampede::tools {

#ifdef STAMPEDE_HAS_MIMALLOC

namespace {

constexpr std::array kDelays = {mi_option_decommit_delay, mi_option_segment_decommit_delay};

std::atomic<bool> was_short = false;

}  // namespace

// Without a delay mimalloc gives back what is freed from now on; what was freed before it gives
// back when it collects.
void return_memory(bool is_short) {
  static const std::array<long, kDelays.size()> kDefaults = {mi_option_get(kDelays[0]),
                                                             mi_option_get(kDelays[1])};
  // relaxed: each thread may set the options, to the same values.
  if (was_short.exchange(is_short, std::memory_order_relaxed) != is_short) {
    for (size_t n = 0; n < kDelays.size(); ++n) {
      mi_option_set(kDelays[n], is_short ? 0 : kDefaults[n]);
    }
  }
  if (is_short) mi_collect(true);
}

#else

void return_memory(bool is_short) {
  if (is_short) (void)malloc_trim(0);
}

#endif

}  // namespace stampede::tools
