#include "net/memory_size.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <sstream>
#include <string>

namespace stampede::net {
namespace {

// Version 1 writes "no limit" as the largest number of pages.
constexpr uint64_t kNoLimit = uint64_t{1} << 60;
constexpr std::string_view kGroups = "/sys/fs/cgroup";

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::optional<uint64_t> first_number(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == text.npos) return std::nullopt;
  uint64_t number = 0;
  const auto parsed = std::from_chars(text.data() + begin, text.data() + text.size(), number);
  if (parsed.ec != std::errc()) return std::nullopt;
  return number;
}

// The least limit of the group and of those around it.
std::optional<uint64_t> unified_limit(std::string_view group) {
  std::optional<uint64_t> least;
  while (true) {
    const auto limit =
        parse_memory_limit(read_file(std::string(kGroups).append(group) + "/memory.max"));
    if (limit) least = std::min(*limit, least.value_or(*limit));
    if (group.empty()) return least;
    group = group.substr(0, group.rfind('/'));
  }
}

}  // namespace

std::optional<uint64_t> parse_memory_total(std::string_view meminfo) {
  constexpr std::string_view kName = "MemTotal:";
  const size_t at = meminfo.find(kName);
  if (at == meminfo.npos) return std::nullopt;
  const auto kilobytes = first_number(meminfo.substr(at + kName.size()));
  if (!kilobytes) return std::nullopt;
  return *kilobytes * 1024;
}

std::optional<uint64_t> parse_memory_limit(std::string_view text) {
  const auto limit = first_number(text);
  return limit && *limit < kNoLimit ? limit : std::nullopt;
}

std::optional<std::string_view> parse_unified_group(std::string_view text) {
  constexpr std::string_view kPrefix = "0::/";
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.starts_with(kPrefix)) {
      const std::string_view group = line.substr(kPrefix.size() - 1);
      return group == "/" ? std::string_view() : group;
    }
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return std::nullopt;
}

uint64_t usable_memory_bytes() {
  uint64_t bytes = parse_memory_total(read_file("/proc/meminfo")).value_or(0);
  const auto keep_least = [&bytes](std::optional<uint64_t> limit) {
    if (limit) bytes = bytes == 0 ? *limit : std::min(bytes, *limit);
  };
  const std::string groups = read_file("/proc/self/cgroup");
  if (const auto group = parse_unified_group(groups)) keep_least(unified_limit(*group));
  // Inside of a container the group's own files are at the root.
  keep_least(parse_memory_limit(read_file(std::string(kGroups) + "/memory.max")));
  keep_least(parse_memory_limit(read_file(std::string(kGroups) + "/memory/memory.limit_in_bytes")));
  return bytes;
}

uint64_t resident_memory_bytes() {
  // Shards ask this while they work, hence without a stream.
  std::array<char, 128> text;
  const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  const ssize_t size = read(fd, text.data(), text.size());
  close(fd);
  const std::string_view fields(text.data(), static_cast<size_t>(std::max<ssize_t>(size, 0)));
  const auto pages = first_number(fields.substr(std::min(fields.find(' '), fields.size())));
  return pages.value_or(0) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace stampede::net
