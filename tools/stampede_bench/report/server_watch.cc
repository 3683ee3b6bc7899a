#include "tools/stampede_bench/report/server_watch.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

namespace stampede::bench {
namespace {

// The fields of /proc/PID/stat that are of use here; proc(5) numbers them.
struct ProcessStat {
  char state = 'X';         // 3
  uint64_t cpu_ticks = 0;   // 14 + 15: user and system, of ended threads too
  uint64_t start_time = 0;  // 22
};

std::optional<ProcessStat> read_stat(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  // Field 2 is the program's name in brackets, which may itself contain blanks and brackets.
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(line.substr(name_end + 1));
  ProcessStat stat;
  fields >> stat.state;
  std::string skipped;
  for (int field = 4; field < 14; ++field) fields >> skipped;
  uint64_t user = 0;
  uint64_t system = 0;
  fields >> user >> system;
  for (int field = 16; field < 22; ++field) fields >> skipped;
  fields >> stat.start_time;
  if (!fields) return std::nullopt;
  stat.cpu_ticks = user + system;
  return stat;
}

int64_t to_ns(const timespec& time) { return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; }

// The CPU clock of a process counts in nanoseconds what the scheduler charged to its threads, as
// the sum of /proc/PID/task/*/schedstat does, but in one call and without losing the threads that
// have ended.
std::optional<int64_t> read_cpu_clock(pid_t pid) {
  clockid_t clock{};
  timespec time{};
  if (clock_getcpuclockid(pid, &clock) != 0) return std::nullopt;
  if (clock_gettime(clock, &time) != 0) return std::nullopt;
  return to_ns(time);
}

}  // namespace

ServerWatch::ServerWatch(pid_t pid)
    : pid_(pid), start_time_(read_stat(pid).value_or(ProcessStat{}).start_time) {}

int64_t ServerWatch::cpu_ns() {
  const std::optional<ProcessStat> stat = read_stat(pid_);
  if (!stat || stat->start_time != start_time_) return cpu_ns_;
  const int64_t from_ticks =
      static_cast<int64_t>(stat->cpu_ticks) * (1'000'000'000 / sysconf(_SC_CLK_TCK));
  cpu_ns_ = std::max(cpu_ns_, read_cpu_clock(pid_).value_or(from_ticks));
  return cpu_ns_;
}

uint64_t ServerWatch::rss_bytes() const {
  if (!is_alive()) return 0;
  std::ifstream file("/proc/" + std::to_string(pid_) + "/statm");
  uint64_t total_pages = 0;
  uint64_t resident_pages = 0;
  if (!(file >> total_pages >> resident_pages)) return 0;
  return resident_pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

bool ServerWatch::is_alive() const {
  const std::optional<ProcessStat> stat = read_stat(pid_);
  return stat && stat->start_time == start_time_ && stat->state != 'Z' && stat->state != 'X';
}

int64_t thread_cpu_ns() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return to_ns(time);
}

}  // namespace stampede::bench
