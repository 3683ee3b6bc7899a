#include "net/cpus.h"

#include <gtest/gtest.h>

namespace stampede::net {
namespace {

TEST(Cpus, ListTakesNumbersAndRanges) {
  EXPECT_EQ(*parse_cpu_list("0"), (std::vector<int>{0}));
  EXPECT_EQ(*parse_cpu_list("6,0-3,2"), (std::vector<int>{0, 1, 2, 3, 6}));
}

TEST(Cpus, ListRefusesWhatIsNone) {
  for (const char* text : {"", "a", "1-", "-1", "3-1", "1,,2", "99999", "1-2-3"}) {
    EXPECT_FALSE(parse_cpu_list(text).has_value()) << text;
  }
}

TEST(Cpus, ReadsCpuMax) {
  EXPECT_EQ(parse_cpu_max("150000 100000\n"), 1.5);
  EXPECT_EQ(parse_cpu_max("max 100000\n"), std::nullopt);
  EXPECT_EQ(parse_cpu_max(""), std::nullopt);
  EXPECT_EQ(parse_cpu_max("100000"), std::nullopt);
}

TEST(Cpus, ReadsCfsQuota) {
  EXPECT_EQ(parse_cfs_quota("50000\n", "100000\n"), 0.5);
  EXPECT_EQ(parse_cfs_quota("-1\n", "100000\n"), std::nullopt);
  EXPECT_EQ(parse_cfs_quota("", ""), std::nullopt);
}

TEST(Cpus, FindsItsCgroup) {
  constexpr std::string_view kVersion2 = "0::/system.slice/stampede.service\n";
  constexpr std::string_view kVersion1 =
      "5:memory:/m\n3:cpuset:/s\n2:cpu,cpuacct:/docker/abc\n0::/\n";
  EXPECT_EQ(parse_cgroup_path(kVersion2, ""), "/system.slice/stampede.service");
  EXPECT_EQ(parse_cgroup_path(kVersion2, "cpu"), std::nullopt);
  EXPECT_EQ(parse_cgroup_path(kVersion1, "cpu"), "/docker/abc");
  EXPECT_EQ(parse_cgroup_path(kVersion1, ""), "/");
}

TEST(Cpus, ThereIsAtLeastOne) {
  EXPECT_GE(usable_cpus().size(), 1u);
  EXPECT_GE(usable_cores(), 1u);
  EXPECT_LE(usable_cores(), usable_cpus().size());
}

}  // namespace
}  // namespace stampede::net
