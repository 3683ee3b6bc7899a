#include "net/memory_size.h"

#include <gtest/gtest.h>

#include <string>

namespace stampede::net {
namespace {

TEST(MemorySize, ReadsTheMachines) {
  EXPECT_EQ(parse_memory_total("MemTotal:       16384 kB\nMemFree: 1 kB\n"), 16384u * 1024);
  EXPECT_EQ(parse_memory_total("MemFree: 1 kB\n"), std::nullopt);
  EXPECT_EQ(parse_memory_total(""), std::nullopt);
}

TEST(MemorySize, ReadsTheControlGroups) {
  EXPECT_EQ(parse_memory_limit("268435456\n"), 268435456u);
  EXPECT_EQ(parse_memory_limit("max\n"), std::nullopt);
  EXPECT_EQ(parse_memory_limit(""), std::nullopt);
  EXPECT_EQ(parse_memory_limit("9223372036854771712\n"), std::nullopt) << "version 1: none";
}

TEST(MemorySize, FindsTheGroupOfVersion2) {
  EXPECT_EQ(parse_unified_group("0::/system.slice/a.service\n"), "/system.slice/a.service");
  EXPECT_EQ(parse_unified_group("12:memory:/x\n0::/\n"), "");
  EXPECT_EQ(parse_unified_group("12:memory:/x\n"), std::nullopt);
}

TEST(MemorySize, IsThereOnThisMachine) {
  EXPECT_GT(usable_memory_bytes(), resident_memory_bytes());
  EXPECT_GT(resident_memory_bytes(), 1'000'000u);
}

}  // namespace
}  // namespace stampede::net
