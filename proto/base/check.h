#pragma once

#include <cstdio>
#include <cstdlib>

namespace stampede {

[[noreturn]] inline void check_failed(const char* file, int line, const char* condition) {
  std::fprintf(stderr, "%s:%d: CHECK failed: %s\n", file, line, condition);
  std::abort();
}

}  // namespace stampede

// CHECK holds in every build and guards borders between rooms; DCHECK is for hot paths and is
// compiled out of release builds.
#define CHECK(condition) \
  ((condition) ? (void)0 : ::stampede::check_failed(__FILE__, __LINE__, #condition))

#ifdef NDEBUG
#define DCHECK(condition) ((void)sizeof(!(condition)))
#else
#define DCHECK(condition) CHECK(condition)
#endif
