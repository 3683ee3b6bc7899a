#include <gtest/gtest.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/selector/json_body.h"
#include "core/selector/selector.h"
#include "tests/core/selector_fixture.h"

namespace stampede::core {
namespace {

using tests::parse_or_fail;
using tests::SelectorMessage;
using tests::truth_of;

constexpr std::string_view kOrder = R"({
  "price": 12.5, "count": 7, "symbol": "ACME", "urgent": true, "late": false, "note": null,
  "items": [{"name": "bolt", "sizes": [1, 2, 3]}, {"name": "nut"}],
  "odd key": {"x": 1, "a\"b": 2, "": 3}, "order-id": "o-1", "and": 4, "2024": 5, "größe": 6,
  "big": 18446744073709551615, "small": -9223372036854775808, "exact": 9007199254740993,
  "digits": "12", "esc\u0061ped": "\u00e4\n", "price2": 1e2
})";

std::string about_order(std::string_view condition) { return truth_of(condition, {}, kOrder); }

TEST(SelectorBody, ComparesMembersByTheirJsonType) {
  EXPECT_EQ(about_order("body.price > 10 AND body.count = 7 AND body.price2 = 100"), "TRUE");
  EXPECT_EQ(about_order("body.symbol = 'ACME'"), "TRUE");
  EXPECT_EQ(about_order("body.symbol LIKE 'A%E' AND body.symbol IN ('X', 'ACME')"), "TRUE");
  EXPECT_EQ(about_order("body.urgent AND NOT body.late AND body.urgent = TRUE"), "TRUE");
  EXPECT_EQ(about_order("body.price * body.count BETWEEN 87 AND 88"), "TRUE");
  EXPECT_EQ(about_order("body.count / 2 = 3.5"), "TRUE");
  EXPECT_EQ(about_order("body.symbol >= 'AB'"), "TRUE");
}

TEST(SelectorBody, DoesNotTurnOneJsonTypeIntoAnother) {
  EXPECT_EQ(about_order("body.digits = 12"), "UNKNOWN");
  EXPECT_EQ(about_order("body.digits > 1"), "UNKNOWN");
  EXPECT_EQ(about_order("body.digits + 1 = 13"), "UNKNOWN");
  EXPECT_EQ(about_order("body.count = '7'"), "UNKNOWN");
  EXPECT_EQ(about_order("body.count LIKE '7'"), "UNKNOWN");
  EXPECT_EQ(about_order("body.urgent = 'true'"), "UNKNOWN");
  EXPECT_EQ(about_order("body.symbol"), "UNKNOWN");
  EXPECT_EQ(about_order("body.count"), "UNKNOWN");
  EXPECT_EQ(about_order("body.urgent > body.late"), "UNKNOWN");
}

TEST(SelectorBody, ComparesWithHeadersByTheTypeOfTheMember) {
  const std::string_view body = R"({"limit": 10, "region": "eu", "flag": true})";
  EXPECT_EQ(truth_of("price > body.limit", {{"price", "11"}}, body), "TRUE");
  EXPECT_EQ(truth_of("region = body.region", {{"region", "eu"}}, body), "TRUE");
  EXPECT_EQ(truth_of("body.flag = f", {{"f", "false"}}, body), "FALSE");
  EXPECT_EQ(truth_of("body.limit = h", {{"h", "eu"}}, body), "UNKNOWN");
}

TEST(SelectorBody, KeepsIntegersExact) {
  EXPECT_EQ(about_order("body.big = 18446744073709551615"), "TRUE");
  EXPECT_EQ(about_order("body.small = -9223372036854775808"), "TRUE");
  EXPECT_EQ(about_order("body.exact = 9007199254740992"), "FALSE");
  EXPECT_EQ(about_order("body.exact > 9007199254740992.0"), "TRUE");
}

TEST(SelectorBody, FollowsPaths) {
  EXPECT_EQ(about_order("body.items[0].name = 'bolt' AND body.items[1].name = 'nut'"), "TRUE");
  EXPECT_EQ(about_order("body.items[0].sizes[2] = 3"), "TRUE");
  EXPECT_EQ(about_order("body.\"odd key\".x = 1"), "TRUE");
  EXPECT_EQ(about_order("body.\"odd key\".\"a\"\"b\" = 2 AND body.\"odd key\".\"\" = 3"), "TRUE");
  EXPECT_EQ(about_order("body.order-id = 'o-1' AND body.and = 4 AND body.2024 = 5"), "TRUE");
  EXPECT_EQ(about_order("body.größe = 6 AND body.escaped = 'ä\n'"), "TRUE");
  EXPECT_EQ(about_order("body.count -1 = 6"), "TRUE");
  EXPECT_EQ(truth_of("body[1][0] = 2", {}, "[1, [2]]"), "TRUE");
}

TEST(SelectorBody, IsNullWhereNothingIs) {
  for (const char* path : {"body.missing", "body.missing.x", "body.items[2]", "body.items.name",
                           "body.price.x", "body[0]", "body.note", "body.items[999999999]"}) {
    EXPECT_EQ(about_order(std::string(path) + " IS NULL"), "TRUE") << path;
    EXPECT_EQ(about_order(std::string(path) + " = 1"), "UNKNOWN") << path;
    EXPECT_EQ(about_order(std::string(path) + " <> 1"), "UNKNOWN") << path;
  }
}

TEST(SelectorBody, ComparesArraysAndObjectsWithNothing) {
  for (const char* path : {"body", "body.items", "body.items[0]"}) {
    EXPECT_EQ(about_order(std::string(path) + " IS NOT NULL"), "TRUE") << path;
    EXPECT_EQ(about_order(std::string(path) + " = " + path), "UNKNOWN") << path;
    EXPECT_EQ(about_order(std::string(path) + " = '[]'"), "UNKNOWN") << path;
    EXPECT_EQ(about_order(std::string(path) + " + 1 > 0"), "UNKNOWN") << path;
    EXPECT_EQ(about_order(path), "UNKNOWN") << path;
  }
}

TEST(SelectorBody, MayBeAScalar) {
  EXPECT_EQ(truth_of("body = 5", {}, "5"), "TRUE");
  EXPECT_EQ(truth_of("body < 0", {}, " -5.5\n"), "TRUE");
  EXPECT_EQ(truth_of("body = 'x'", {}, "\"x\""), "TRUE");
  EXPECT_EQ(truth_of("body", {}, "true"), "TRUE");
  EXPECT_EQ(truth_of("body = FALSE", {}, "false"), "TRUE");
  EXPECT_EQ(truth_of("body IS NULL", {}, "null"), "TRUE");
}

TEST(SelectorBody, IsNullIfItIsNoJson) {
  for (const char* body : {"", "  ", "hello", "nothing", "{", "[1,]", "{\"a\":1}x", "1 2", "'x'",
                           "{\"a\":\"\xff\"}", "<a/>", "{a:1}", "+1", "01", "\xEF\xBB\xBF{}",
                           "{\"a\":99999999999999999999999}", "truely", "[1", "\"x"}) {
    EXPECT_EQ(truth_of("body IS NULL", {}, body), "TRUE") << body;
    EXPECT_EQ(truth_of("body.a = 1", {}, body), "UNKNOWN") << body;
  }
}

TEST(SelectorBody, IsNullIfItIsNestedTooDeep) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_EQ(truth_of("body IS NULL", {}, nested(1000)), "FALSE");
  EXPECT_EQ(truth_of("body IS NULL", {}, nested(100'000)), "TRUE");
}

TEST(SelectorBody, IsNoTextForLikeBeyondItsLimit) {
  const std::string text(Options::selector_like_bytes_max, 'x');
  EXPECT_EQ(truth_of("body LIKE '%x'", {}, "\"" + text + "\""), "TRUE");
  EXPECT_EQ(truth_of("body LIKE '%x'", {}, "\"x" + text + "\""), "UNKNOWN");
}

TEST(SelectorBody, LooksAtTheFirstOfEqualKeys) {
  EXPECT_EQ(truth_of("body.a = 1", {}, R"({"a":1,"a":2})"), "TRUE");
}

TEST(SelectorBody, IsLookedIntoUpToItsLimit) {
  const std::string body = R"({"a":1})";
  const SelectorMessage message({}, body);
  const auto selector = parse_or_fail("body.a = 1");
  SelectorSubject roomy(body.size());
  roomy.begin(*message);
  EXPECT_TRUE(selector->matches(roomy));
  SelectorSubject narrow(body.size() - 1);
  narrow.begin(*message);
  EXPECT_FALSE(selector->matches(narrow));
  EXPECT_TRUE(parse_or_fail("body IS NULL")->matches(narrow));
  EXPECT_EQ(narrow.bodies_parsed(), 0u);
}

TEST(SelectorBody, IsParsedOnceHoweverManySelectorsLook) {
  const SelectorMessage message({{"h", "1"}}, kOrder);
  SelectorSubject subject(10'000);
  for (int n = 0; n < 3; ++n) {
    subject.begin(*message);
    EXPECT_TRUE(parse_or_fail("body.price > 10 AND body.count = 7")->matches(subject));
    EXPECT_TRUE(parse_or_fail("body.items[1].name = 'nut'")->matches(subject));
  }
  EXPECT_EQ(subject.bodies_parsed(), 1u);
  subject.end();
  subject.begin(*message);
  EXPECT_TRUE(parse_or_fail("body.symbol = 'ACME'")->matches(subject));
  EXPECT_EQ(subject.bodies_parsed(), 2u);
}

TEST(SelectorBody, IsParsedOnceEvenIfItIsNoJson) {
  const SelectorMessage message({}, "{\"a\":");
  SelectorSubject subject(10'000);
  subject.begin(*message);
  for (int n = 0; n < 3; ++n) EXPECT_FALSE(parse_or_fail("body.a = 1")->matches(subject));
  EXPECT_EQ(subject.bodies_parsed(), 1u);
}

TEST(SelectorBody, IsNotParsedIfNoSelectorNeedsIt) {
  const SelectorMessage message({{"h", "1"}}, kOrder);
  SelectorSubject subject(10'000);
  subject.begin(*message);
  EXPECT_TRUE(parse_or_fail("h = 1 AND content-length > 5")->matches(subject));
  EXPECT_FALSE(parse_or_fail("h = 2 AND body.price > 10")->matches(subject));
  EXPECT_TRUE(parse_or_fail("h = 1 OR body.price > 10")->matches(subject));
  EXPECT_EQ(subject.bodies_parsed(), 0u);
}

TEST(SelectorBody, IsNotParsedIfItBeginsLikeNoJson) {
  for (const char* body : {"", "hello", "<a/>", " \t\r\n", "nix", "\x01"}) {
    const SelectorMessage message({}, body);
    SelectorSubject subject(10'000);
    subject.begin(*message);
    EXPECT_TRUE(parse_or_fail("body IS NULL")->matches(subject));
    EXPECT_EQ(subject.bodies_parsed(), 0u) << body;
  }
}

// Whatever was parsed before in the same buffers, what follows is read as if it were the first.
TEST(SelectorBody, IsReadAfterAnyOther) {
  const std::vector<std::string> bodies = {std::string(kOrder),
                                           "{\"a\":1}",
                                           "[1",
                                           "{\"a\":",
                                           "7",
                                           "{\"a\":\"" + std::string(5'000, 'x') + "\"}",
                                           "tru",
                                           "[[[[",
                                           "{\"a\":12"};
  const auto selector = parse_or_fail("body.a = 1 OR body = 7");
  SelectorSubject reused(100'000);
  for (const std::string& before : bodies) {
    for (const std::string& body : bodies) {
      const SelectorMessage first({}, before);
      reused.begin(*first);
      (void)selector->matches(reused);
      reused.end();
      const SelectorMessage message({}, body);
      reused.begin(*message);
      SelectorSubject fresh(100'000);
      fresh.begin(*message);
      EXPECT_EQ(selector->matches(reused), selector->matches(fresh)) << before << " " << body;
      reused.end();
    }
  }
}

TEST(JsonBody, IsNullBeforeAnythingIsParsed) {
  JsonBody body;
  EXPECT_TRUE(body.find({}).is_null());
  body.clear();
  EXPECT_TRUE(body.find({}).is_null());
}

TEST(JsonBody, ForgetsADocumentForOneThatIsNone) {
  const auto octets = [](std::string_view text) {
    return std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  };
  JsonBody body;
  EXPECT_TRUE(body.parse(octets("5")));
  EXPECT_EQ(body.find({}).number(), 5);
  EXPECT_FALSE(body.parse(octets("x")));
  EXPECT_TRUE(body.find({}).is_null());
}

}  // namespace
}  // namespace stampede::core
