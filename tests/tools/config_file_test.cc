#include "tools/stampede/config_file.h"

#include <gtest/gtest.h>

namespace stampede::tools {
namespace {

using Values = std::vector<std::string>;

// The values of the only entry of a file.
Values values_of(std::string_view text) {
  const ConfigFile file = parse_config_file(text);
  EXPECT_TRUE(file.errors.empty()) << file.errors.front().text;
  return file.entries.size() == 1 ? file.entries.front().values : Values();
}

std::string error_of(std::string_view text) {
  const ConfigFile file = parse_config_file(text);
  return file.errors.size() == 1 ? file.errors.front().text : "no error, or more than one";
}

TEST(ConfigFile, EntriesKeepTheirLine) {
  const ConfigFile file = parse_config_file("# limits\n\nmax_headers = 8\r\n  shards=2  # two\n");
  ASSERT_TRUE(file.errors.empty());
  ASSERT_EQ(file.entries.size(), 2u);
  EXPECT_EQ(file.entries[0].key, "max_headers");
  EXPECT_EQ(file.entries[0].values, Values{"8"});
  EXPECT_EQ(file.entries[0].line, 3);
  EXPECT_EQ(file.entries[1].key, "shards");
  EXPECT_EQ(file.entries[1].values, Values{"2"});
  EXPECT_EQ(file.entries[1].line, 4);
}

TEST(ConfigFile, ValuesAreBareQuotedOrListed) {
  EXPECT_EQ(values_of("key = a b"), Values{"a b"});
  EXPECT_EQ(values_of("key ="), Values{""});
  EXPECT_EQ(values_of(R"(key = "a # b" # c)"), Values{"a # b"});
  EXPECT_EQ(values_of(R"(key = "a \"b\" \\")"), Values{R"(a "b" \)"});
  EXPECT_EQ(values_of("key = [a, \"b,c\" , d]"), (Values{"a", "b,c", "d"}));
  EXPECT_EQ(values_of("key = []"), Values{});
}

TEST(ConfigFile, ACommentNeedsABlankBefore) {
  EXPECT_EQ(values_of("key = https://a.example/#top"), Values{"https://a.example/#top"});
  EXPECT_EQ(values_of("key = # nothing"), Values{""});
}

TEST(ConfigFile, ErrorsSayWhatIsExpected) {
  EXPECT_EQ(error_of("max_headers 8"), "'max_headers 8' is not of the form key = value");
  EXPECT_EQ(error_of("[limits]"), "'[limits]' is not of the form key = value");
  EXPECT_EQ(error_of(" = 8"), "'= 8' is not of the form key = value");
  EXPECT_EQ(error_of("key = \"a"), "key: the quotation mark is not closed");
  EXPECT_EQ(error_of("key = \"a\" b"), "key: unexpected 'b' behind the value");
  EXPECT_EQ(error_of("key = [a"), "key: the list needs ',' between its entries and ']' at its end, on one line");
  EXPECT_EQ(error_of("key = 1\nkey = 2"), "key: already set in line 1");
}

TEST(ConfigFile, WhatIsQuotedReadsBack) {
  for (const char* value : {"", "a", "a b", "#", "\"", "\\", "a\\\"b", "[x]", "ws://[::1]:0", "a,b"}) {
    const std::string quoted = quote_config_value(value);
    EXPECT_EQ(values_of("key = " + quoted), Values{value});
    EXPECT_EQ(values_of("key = [" + quoted + ", " + quoted + "]"), (Values{value, value}));
  }
}

}  // namespace
}  // namespace stampede::tools
