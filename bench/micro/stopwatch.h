#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>
#include <ctime>
#include <string>

namespace stampede::bench {

// Stopwatch adds up the CPU time that this thread spends in one stage of an iteration, so that what
// else the machine does is not in it. A look at that clock is a system call, some 300 ns: a stage
// should hold a hundred operations or more.
class Stopwatch {
 public:
  template <typename Work>
  void time(Work&& work) {
    const int64_t start = now_ns();
    work();
    total_ns_ += now_ns() - start;
  }

  [[nodiscard]] double seconds() const { return static_cast<double>(total_ns_) * 1e-9; }

  // A column "<what>_ns": the stage's time by the items it worked on, over all iterations.
  void report(benchmark::State& state, const std::string& what, int64_t items) const {
    state.counters[what + "_ns"] = seconds() * 1e9 / static_cast<double>(items);
  }

 private:
  static int64_t now_ns() {
    timespec time = {};
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  }

  int64_t total_ns_ = 0;
};

}  // namespace stampede::bench
