#include "tools/stampede_bench/report/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>

#include "tools/stampede_bench/report/quantity.h"

namespace stampede::bench {
namespace {

// Back to the first column, and nothing to the right of it.
constexpr const char* kEraseLine = "\r\x1b[K";

size_t columns_of(int fd) {
  winsize size{};
  const bool is_known = ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return is_known ? size.ws_col : 80;
}

std::string core_share(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", share);
  return text;
}

}  // namespace

std::string progress_line(const ReportSample& sample, double planned_s) {
  char time[64];
  if (planned_s > 0) {
    std::snprintf(time, sizeof time, "%3.0f s of %.0f", sample.at_s, planned_s);
  } else {
    std::snprintf(time, sizeof time, "%3.0f s", sample.at_s);
  }
  const double rate =
      sample.seconds > 0 ? static_cast<double>(sample.delivered) / sample.seconds : 0;
  std::string line = time;
  line += "   " + format_count(static_cast<uint64_t>(rate)) + " deliveries/s";
  line += "   p50 " + format_nanoseconds(static_cast<double>(sample.latency_p50_ns));
  line += "  p99 " + format_nanoseconds(static_cast<double>(sample.latency_p99_ns));
  line += "   cores: load " + core_share(sample.load_cpu);
  if (sample.server_cpu > 0) line += "  server " + core_share(sample.server_cpu);
  return line;
}

Progress::Progress(int fd, double planned_s)
    : fd_(fd), planned_s_(planned_s), is_terminal_(isatty(fd) == 1) {}

void Progress::show(const ReportSample& sample) {
  if (!is_terminal_) return;
  // A line that wraps could not be erased.
  const std::string line = progress_line(sample, planned_s_).substr(0, columns_of(fd_) - 1);
  write(kEraseLine + line);
  is_shown_ = true;
}

void Progress::erase() {
  if (!is_shown_) return;
  write(kEraseLine);
  is_shown_ = false;
}

void Progress::write(const std::string& text) const {
  // A terminal that went away is no reason to end the run.
  [[maybe_unused]] const ssize_t written = ::write(fd_, text.data(), text.size());
}

}  // namespace stampede::bench
