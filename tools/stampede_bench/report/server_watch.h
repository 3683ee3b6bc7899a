#pragma once

#include <sys/types.h>

#include <cstdint>

namespace stampede::bench {

// ServerWatch tells what another process uses, so that a run can name the cost of a delivery.
//
// Owns:      nothing of the process; a pid that is given anew counts as the end of the one watched.
// Thread:    one.
// Invariant: cpu_ns() never falls, also when threads end or the whole process does.
class ServerWatch {
 public:
  explicit ServerWatch(pid_t pid);

  // CPU time since the process began, user and system, of all threads including those that ended.
  [[nodiscard]] int64_t cpu_ns();
  // Memory of the process that is resident now; 0 once it is gone.
  [[nodiscard]] uint64_t rss_bytes() const;
  // Also false for one that has ended but whose parent has not collected it.
  [[nodiscard]] bool is_alive() const;

 private:
  const pid_t pid_;
  // In clock ticks since boot; tells the process from a later one of the same pid.
  const uint64_t start_time_;
  int64_t cpu_ns_ = 0;
};

// CPU time of the calling thread.
[[nodiscard]] int64_t thread_cpu_ns();

}  // namespace stampede::bench
