#include "net/cpus.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <string>

namespace stampede::net {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::optional<int64_t> parse_integer(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string_view take_until(std::string_view& text, char separator) {
  const size_t end = std::min(text.find(separator), text.size());
  const std::string_view piece = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return piece;
}

// The tightest of the group's own limit and those of its parents: each level may have one.
template <typename ReadQuota>
std::optional<double> tightest(std::string path, const ReadQuota& read_quota) {
  std::optional<double> least;
  while (true) {
    const std::optional<double> quota = read_quota(path);
    if (quota && (!least || *quota < *least)) least = quota;
    if (path.empty()) return least;
    path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
  }
}

std::string without_trailing_slash(std::string_view path) {
  if (path.ends_with('/')) path.remove_suffix(1);
  return std::string(path);
}

}  // namespace

std::vector<int> usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(static_cast<size_t>(cpu), &set)) cpus.push_back(cpu);
    }
  }
  if (cpus.empty()) cpus.push_back(0);
  return cpus;
}

unsigned usable_cores() {
  const auto cpus = static_cast<unsigned>(usable_cpus().size());
  const std::optional<double> quota = cgroup_cpu_quota();
  if (!quota) return cpus;
  // Rounded down: a shard too many would be throttled in the middle of a turn.
  return std::clamp(static_cast<unsigned>(*quota), 1u, cpus);
}

std::optional<double> cgroup_cpu_quota() {
  const std::string groups = read_file("/proc/self/cgroup");
  std::optional<double> quota;
  if (const auto path = parse_cgroup_path(groups, "")) {
    quota = tightest(without_trailing_slash(*path), [](const std::string& group) {
      return parse_cpu_max(read_file("/sys/fs/cgroup" + group + "/cpu.max"));
    });
  }
  if (quota) return quota;
  if (const auto path = parse_cgroup_path(groups, "cpu")) {
    quota = tightest(without_trailing_slash(*path), [](const std::string& group) {
      const std::string directory = "/sys/fs/cgroup/cpu" + group;
      return parse_cfs_quota(read_file(directory + "/cpu.cfs_quota_us"),
                             read_file(directory + "/cpu.cfs_period_us"));
    });
  }
  return quota;
}

Result<std::vector<int>> parse_cpu_list(std::string_view text) {
  std::vector<int> cpus;
  const std::string whole(text);
  while (!text.empty()) {
    std::string_view range = take_until(text, ',');
    const bool is_single = range.find('-') == std::string_view::npos;
    const auto first = parse_integer(take_until(range, '-'));
    const auto last = is_single ? first : parse_integer(range);
    if (!first || !last || *first < 0 || *last < *first || *last >= CPU_SETSIZE) {
      return std::unexpected("'" + whole + "' is no list of CPUs such as 0-3,6");
    }
    for (int64_t cpu = *first; cpu <= *last; ++cpu) cpus.push_back(static_cast<int>(cpu));
  }
  std::ranges::sort(cpus);
  cpus.erase(std::unique(cpus.begin(), cpus.end()), cpus.end());
  if (cpus.empty()) return std::unexpected(std::string("the list of CPUs is empty"));
  return cpus;
}

std::optional<double> parse_cpu_max(std::string_view text) {
  const auto quota = parse_integer(take_until(text, ' '));
  const auto period = parse_integer(text);
  if (!quota || !period || *quota <= 0 || *period <= 0) return std::nullopt;
  return static_cast<double>(*quota) / static_cast<double>(*period);
}

std::optional<double> parse_cfs_quota(std::string_view quota_text, std::string_view period_text) {
  const auto quota = parse_integer(quota_text);
  const auto period = parse_integer(period_text);
  if (!quota || !period || *quota <= 0 || *period <= 0) return std::nullopt;
  return static_cast<double>(*quota) / static_cast<double>(*period);
}

std::optional<std::string_view> parse_cgroup_path(std::string_view text,
                                                  std::string_view controller) {
  while (!text.empty()) {
    std::string_view line = take_until(text, '\n');
    (void)take_until(line, ':');
    std::string_view controllers = take_until(line, ':');
    if (controller.empty() && controllers.empty()) return line;
    while (!controllers.empty()) {
      if (take_until(controllers, ',') == controller && !controller.empty()) return line;
    }
  }
  return std::nullopt;
}

}  // namespace stampede::net
