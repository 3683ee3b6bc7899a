#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace stampede::net {

// Memory that this process may use: the machine's, or that of its control group if that is less. 0:
// not known.
[[nodiscard]] uint64_t usable_memory_bytes();

// Resident memory of this process; 0: not known.
[[nodiscard]] uint64_t resident_memory_bytes();

// MemTotal of /proc/meminfo.
[[nodiscard]] std::optional<uint64_t> parse_memory_total(std::string_view meminfo);
// A limit file of a control group; nullopt if it is "max", or so large that it means none.
[[nodiscard]] std::optional<uint64_t> parse_memory_limit(std::string_view text);
// Of /proc/self/cgroup: where the process is in the one hierarchy of version 2, "/a/b".
[[nodiscard]] std::optional<std::string_view> parse_unified_group(std::string_view text);

}  // namespace stampede::net
