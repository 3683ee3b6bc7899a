#include "tools/stampede/log_line.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <random>

namespace stampede::tools {
namespace {

TEST(LogLine, PairsBecomeMembers) {
  EXPECT_EQ(json_members("close shard=0 peer=127.0.0.1:4000 detail=\"end of stream\""),
            R"("msg":"close","shard":0,"peer":"127.0.0.1:4000","detail":"end of stream")");
  EXPECT_EQ(json_members("two words n=1"), R"("msg":"two words","n":1)");
  EXPECT_EQ(json_members("n=1"), R"("msg":"","n":1)");
  EXPECT_EQ(json_members("empty a= b=\"\""), R"("msg":"empty","a":"","b":"")");
}

TEST(LogLine, OtherLinesAreAllMessage) {
  EXPECT_EQ(json_members("no pairs at all"), R"("msg":"no pairs at all")");
  EXPECT_EQ(json_members("a=1 and then words"), R"("msg":"a=1 and then words")");
  EXPECT_EQ(json_members("open a=\"x"), R"("msg":"open a=\"x")");
  EXPECT_EQ(json_members(""), R"("msg":"")");
}

TEST(LogLine, OnlyPlainNumbersAreNumbers) {
  EXPECT_EQ(json_members("n=0"), R"("msg":"","n":0)");
  EXPECT_EQ(json_members("n=007"), R"("msg":"","n":"007")");
  EXPECT_EQ(json_members("n=1234567890123456"), R"("msg":"","n":"1234567890123456")");
  EXPECT_EQ(json_members("n=1.5"), R"("msg":"","n":"1.5")");
}

TEST(LogLine, EscapesOfTheLineStayReadable) {
  EXPECT_EQ(json_members(R"(close detail="say \"hi\" \\ \x1b")"), R"("msg":"close","detail":"say \"hi\" \\ \\x1b")");
}

TEST(LogLine, AnyOctetsGiveValidJson) {
  // Octets that mean something to one of the two forms come often.
  constexpr std::string_view kLetters = "ab=\"\\ \n\x01\x7f\xc3\xff{}:,n1";
  std::mt19937 random(1);
  simdjson::dom::parser parser;
  for (int round = 0; round < 20'000; ++round) {
    std::string line;
    for (size_t length = random() % 24; line.size() < length;) line += kLetters[random() % kLetters.size()];
    const std::string json = "{" + json_members(line) + "}";
    const std::string_view message = parser.parse(simdjson::padded_string(json))["msg"];
    ASSERT_LE(message.size(), json.size());
  }
}

}  // namespace
}  // namespace stampede::tools
