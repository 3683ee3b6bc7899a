#include "tools/stampede/admin/process_facts.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

#include "net/clock.h"

namespace stampede::tools {
namespace {

std::string read_file(const char* path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The fields of /proc/self/stat from the third on: the second, a name, may hold blanks (proc(5)).
void read_stat(ProcessFacts& facts) {
  const std::string text = read_file("/proc/self/stat");
  const size_t name_end = text.rfind(')');
  if (name_end == text.npos) return;
  std::istringstream fields(text.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 22; ++field) fields >> skipped;
  uint64_t started_ticks = 0;
  uint64_t resident_pages = 0;
  fields >> started_ticks >> facts.virtual_bytes >> resident_pages;
  facts.resident_bytes = resident_pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  timespec since_boot = {};
  clock_gettime(CLOCK_BOOTTIME, &since_boot);
  const double age = static_cast<double>(since_boot.tv_sec) -
                     static_cast<double>(started_ticks) / static_cast<double>(sysconf(_SC_CLK_TCK));
  facts.start_time_seconds = static_cast<double>(net::realtime_ns() / 1'000'000'000) - age;
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

ProcessFacts process_facts() {
  ProcessFacts facts;
  read_stat(facts);
  rusage usage = {};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    facts.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  }
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) facts.descriptors_max = limit.rlim_cur;
  // The size of this folder is how many there are, without a walk over all of them.
  struct stat folder = {};
  if (stat("/proc/self/fd", &folder) == 0) {
    facts.open_descriptors = static_cast<uint64_t>(folder.st_size);
  }
  return facts;
}

}  // namespace stampede::tools
