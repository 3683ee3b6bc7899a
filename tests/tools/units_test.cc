#include "tools/stampede/units.h"

#include <gtest/gtest.h>

namespace stampede::tools {
namespace {

TEST(Units, SizesCountIn1024HoweverTheUnitIsSpelled) {
  EXPECT_EQ(parse_size("4096"), 4096u);
  EXPECT_EQ(parse_size("255B"), 255u);
  for (const char* text : {"256K", "256k", "256KB", "256kb", "256KiB", " 256 kib "}) {
    EXPECT_EQ(parse_size(text), 262144u) << text;
  }
  EXPECT_EQ(parse_size("1M"), 1024u * 1024);
  EXPECT_EQ(parse_size("2GB"), 2048ull * 1024 * 1024);
  EXPECT_EQ(parse_size("1TiB"), 1024ull * 1024 * 1024 * 1024);
}

TEST(Units, SizesThatMeanNothingAreRefused) {
  for (const char* text : {"", "K", "-1", "1.5M", "1X", "1KK", "0x10", "18446744073709551616", "16777216T"}) {
    EXPECT_FALSE(parse_size(text)) << text;
  }
}

TEST(Units, DurationsNeedAUnit) {
  EXPECT_EQ(parse_duration("500ms"), 500);
  EXPECT_EQ(parse_duration("10s"), 10'000);
  EXPECT_EQ(parse_duration("2m"), 120'000);
  EXPECT_EQ(parse_duration("1h"), 3'600'000);
  EXPECT_EQ(parse_duration("0"), 0);
  for (const char* text : {"", "10", "s", "-1s", "1.5s", "1d", "10us", "9223372036854775807s"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(Units, MicrosecondsAreForShortTimes) {
  EXPECT_EQ(parse_microseconds("20us"), 20);
  EXPECT_EQ(parse_microseconds("1ms"), 1'000);
  EXPECT_FALSE(parse_microseconds("20"));
}

TEST(Units, WhatIsWrittenReadsBack) {
  for (const uint64_t bytes : {0ull, 1ull, 255ull, 1024ull, 1536ull, 262144ull, 1ull << 30, 1ull << 40}) {
    EXPECT_EQ(parse_size(format_size(bytes)), bytes) << format_size(bytes);
  }
  for (const int64_t time : {0, 1, 999, 1'000, 1'500, 60'000, 90'000, 3'600'000}) {
    EXPECT_EQ(parse_duration(format_duration(time)), time) << format_duration(time);
    EXPECT_EQ(parse_microseconds(format_microseconds(time)), time) << format_microseconds(time);
  }
  for (const double ratio : {0.0, 1.5, 2.0, 12.25}) EXPECT_EQ(parse_ratio(format_ratio(ratio)), ratio);
}

TEST(Units, RatiosAreNumbers) {
  EXPECT_EQ(parse_ratio("1.5"), 1.5);
  for (const char* text : {"", "x", "-1", "nan", "1.5x"}) EXPECT_FALSE(parse_ratio(text)) << text;
}

TEST(Units, CountsAreDigitsOnly) {
  EXPECT_EQ(parse_count("64"), 64u);
  for (const char* text : {"", "-1", "64K", "6 4", "18446744073709551616"}) EXPECT_FALSE(parse_count(text)) << text;
}

TEST(Units, ListsLoseBlanksAndEmptyEntries) {
  EXPECT_EQ(split_list(" a, b ,,c"), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_TRUE(split_list("").empty());
  EXPECT_EQ(join_list({"a", "b"}), "a,b");
}

TEST(Units, CpuListsAreWrittenAsRanges) {
  EXPECT_EQ(format_cpu_list({0, 1, 2, 3, 7}), "0-3,7");
  EXPECT_EQ(format_cpu_list({5}), "5");
  EXPECT_EQ(format_cpu_list({}), "");
}

}  // namespace
}  // namespace stampede::tools
