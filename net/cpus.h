#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "proto/base/result.h"

namespace stampede::net {

// The CPUs that this process may run on (affinity mask), ascending.
[[nodiscard]] std::vector<int> usable_cpus();
// How many shards make sense: the usable CPUs, fewer if a cgroup quota (v1 or v2) allows less. At
// least 1.
[[nodiscard]] unsigned usable_cores();
// CPUs' worth of time that the cgroup grants; nothing if there is no quota.
[[nodiscard]] std::optional<double> cgroup_cpu_quota();

// "0-3,6" as {0, 1, 2, 3, 6}.
[[nodiscard]] Result<std::vector<int>> parse_cpu_list(std::string_view text);
// The text of cpu.max ("150000 100000" is 1.5, "max 100000" is no quota).
[[nodiscard]] std::optional<double> parse_cpu_max(std::string_view text);
// The texts of cpu.cfs_quota_us and cpu.cfs_period_us ("-1" is no quota).
[[nodiscard]] std::optional<double> parse_cfs_quota(std::string_view quota,
                                                    std::string_view period);
// This process's path in /proc/self/cgroup: of the hierarchy with `controller`, or of v2 if that is
// empty.
[[nodiscard]] std::optional<std::string_view> parse_cgroup_path(std::string_view proc_self_cgroup,
                                                                std::string_view controller);

}  // namespace stampede::net
