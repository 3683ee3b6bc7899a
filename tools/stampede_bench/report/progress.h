#pragma once

#include <string>

#include "tools/stampede_bench/report/run_report.h"

namespace stampede::bench {

// "  3 s of 10   1,000,000 deliveries/s   p50 120 us  p99 850 us   cores: load 0.35  server 0.92",
// without its end if `sample` has no server's CPU. `planned_s` 0: the run has no planned end.
[[nodiscard]] std::string progress_line(const ReportSample& sample, double planned_s);

// Progress keeps one line on a terminal up to date while a run goes on. Where the file is no
// terminal it writes nothing, so that logs of a build stay short.
//
// Owns:      nothing; the file descriptor stays open.
// Thread:    one.
class Progress {
 public:
  Progress(int fd, double planned_s);
  ~Progress() { erase(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void show(const ReportSample& sample);
  // Leaves an empty line with the cursor at its beginning, for whatever is to be said next.
  void erase();

 private:
  void write(const std::string& text) const;

  const int fd_;
  const double planned_s_;
  const bool is_terminal_;
  bool is_shown_ = false;
};

}  // namespace stampede::bench
