#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/selector/selector.h"
#include "tests/core/selector_fixture.h"

namespace stampede::core {
namespace {

using tests::error_of;
using tests::SelectorMessage;

// A bad selector and what its error says behind "selector, column ".
struct Bad {
  std::string_view text;
  std::string_view error;
};

void expect_errors(std::initializer_list<Bad> all) {
  for (const Bad& bad : all) {
    EXPECT_EQ(error_of(bad.text), "selector, column " + std::string(bad.error)) << bad.text;
  }
}

TEST(SelectorErrors, SayWhatWasExpected) {
  expect_errors({
      {"", "1: it is empty: leave it out to get every message"},
      {" \n", "1: it is empty: leave it out to get every message"},
      {"a =", "4: expected a value, found the end"},
      {"a = = 1", "5: expected a value, found '='"},
      {"a == 1", "4: expected a value, found '='"},
      {"a = 1 b", "7: expected an operator, AND, OR or the end, found 'b'"},
      {"a = 1 = 1", "7: expected an operator, AND, OR or the end, found '='"},
      {"a = 1)", "6: expected an operator, AND, OR or the end, found ')'"},
      {"(a = 1", "7: expected an operator, AND, OR or ')', found the end"},
      {"a = 'x' and", "12: expected a value, found the end"},
      {"or b", "1: expected a value, found 'OR'"},
      {"a = 1 AND AND b = 2", "11: expected a value, found 'AND'"},
      {"()", "2: expected a value, found ')'"},
      {"a NOT = 1", "7: expected BETWEEN, IN or LIKE, found '='"},
      {"a = NOT b", "5: expected a value, found 'NOT'"},
      {"a IS 5", "6: expected NULL or NOT NULL, found '5'"},
      {"a IS NOT", "9: expected NULL, found the end"},
      {"a IS TRUE", "6: expected NULL or NOT NULL, found 'TRUE'"},
      {"a BETWEEN 1", "12: expected AND and the upper bound of BETWEEN, found the end"},
      {"a BETWEEN 1 OR 2", "13: expected AND and the upper bound of BETWEEN, found 'OR'"},
      {"a BETWEEN 1 AND", "16: expected a value, found the end"},
      {"a IN 'x'", "6: expected '(' and a list, found the string 'x'"},
      {"a IN ()", "7: expected a string or a number, found ')'"},
      {"a IN ('x',)", "11: expected a string or a number, found ')'"},
      {"a IN ('x' 'y')", "11: expected ',' or ')', found the string 'y'"},
      {"a IN (b)", "7: expected a string or a number, found 'b'"},
      {"a IN (-'x')", "8: expected a string or a number, found the string 'x'"},
      {"a IN (1, TRUE)", "10: expected a string or a number, found 'TRUE'"},
      {"a LIKE", "7: expected a pattern in single quotes, found the end"},
      {"a LIKE b", "8: expected a pattern in single quotes, found 'b'"},
      {"a LIKE 'x' ESCAPE", "18: expected one character in single quotes, found the end"},
      {"a LIKE 'x' ESCAPE ''", "19: expected one character in single quotes, found the string ''"},
      {"a LIKE 'x' ESCAPE 'ab'",
       "19: expected one character in single quotes, found the string 'ab'"},
      {"a = 'x' ESCAPE 'b'", "9: expected an operator, AND, OR or the end, found 'ESCAPE'"},
      {"TRUE FALSE", "6: expected an operator, AND, OR or the end, found 'FALSE'"},
  });
}

TEST(SelectorErrors, NameWhatHasNoMeaning) {
  expect_errors({
      {"a & b", "3: '&' has no meaning in a selector"},
      {"a = 1; b", "6: ';' has no meaning in a selector"},
      {"a % 2 = 1", "3: '%' has no meaning in a selector"},
      {"! a", "1: '!' has no meaning in a selector"},
      {"a = ?", "5: '?' has no meaning in a selector"},
      {"a:b = 1", "2: ':' has no meaning in a selector"},
      {"no_convert_string_expressions:a = 1", "30: ':' has no meaning in a selector"},
      {"a\x01", "2: the octet 0x01 has no meaning in a selector"},
      {"region = ‘eu’", "10: '‘' has no meaning in a selector"},
      {"a = 1", "2: ' ' has no meaning in a selector"},
      {"a = 1　AND b", "6: '　' has no meaning in a selector"},
      {"a ≥ 1", "3: '≥' has no meaning in a selector"},
      {"größe > 1 ＆ b", "11: '＆' has no meaning in a selector"},
      {"a = 'x", "5: the string that begins here does not end"},
      {"a = 'x''", "5: the string that begins here does not end"},
      {"\"a = 1", "1: the quoted name that begins here does not end"},
      {"\"\" = 1", "1: the name of a header is empty"},
  });
  EXPECT_EQ(error_of("a = '\xff'"), "the selector is not UTF-8");
}

TEST(SelectorErrors, NameNumbersThatAreNone) {
  expect_errors({
      {"a = 5x", "6: expected a blank or an operator behind the number, found 'x'"},
      {"a = 0x10", "6: expected a blank or an operator behind the number, found 'x'"},
      {"a = 1_000", "6: expected a blank or an operator behind the number, found '_'"},
      {"a = 1.2.3", "8: expected a blank or an operator behind the number, found '.'"},
      {"a = 1.5L", "8: expected a blank or an operator behind the number, found 'L'"},
      {"a = 5LL", "7: expected a blank or an operator behind the number, found 'L'"},
      {"a = 1e", "5: the exponent of this number has no digits"},
      {"a = 1e+", "5: the exponent of this number has no digits"},
      {"a = 18446744073709551616", "5: this number does not fit into 64 bits"},
      {"a = 1e309", "5: this number does not fit into a double"},
      {"a IN (1, 1e309)", "10: this number does not fit into a double"},
  });
}

TEST(SelectorErrors, SayWhatCannotBeRight) {
  expect_errors({
      {"5", "1: expected a condition, found only a number"},
      {"'a'", "1: expected a condition, found only a string"},
      {"a + 1", "1: expected a condition, found only a number"},
      {"a = 1 AND 'x'", "11: expected a condition, found only a string"},
      {"'x' OR a = 1", "1: expected a condition, found only a string"},
      {"NOT 5", "5: expected a condition, found only a number"},
      {"1 = 'a'", "5: a string never compares with a number"},
      {"(a = 1) = 5", "11: a number never compares with a condition"},
      {"TRUE = 'true'", "8: a string never compares with a condition"},
      {"1 BETWEEN 0 AND 'x'", "17: a string never compares with a number"},
      {"a BETWEEN 0 AND 'x'", "17: a string never compares with a number"},
      {"a + 1 IN ('x')", "11: a string never compares with a number"},
      {"'x' IN ('x', 5)", "14: a number never compares with a string"},
      {"a > TRUE", "5: a condition compares with = and <> only"},
      {"(a = 1) < b", "1: a condition compares with = and <> only"},
      {"a BETWEEN FALSE AND TRUE", "11: a condition compares with = and <> only"},
      {"TRUE IN ('x')", "1: a condition compares with = and <> only"},
      {"'a' + 1 = 2", "1: expected a number to calculate with, found a string"},
      {"a * TRUE = 2", "5: expected a number to calculate with, found a condition"},
      {"-'a' = 2", "2: expected a number to calculate with, found a string"},
      {"5 LIKE '5'", "1: LIKE looks at text, not at a number"},
      {"(a = 1) LIKE '5'", "1: LIKE looks at text, not at a condition"},
      {"5 IS NULL", "1: IS NULL looks at a header or a path, not at a number"},
      {"a + 1 IS NOT NULL", "1: IS NULL looks at a header or a path, not at a number"},
      {"a = NULL", "5: nothing compares with NULL: write IS NULL or IS NOT NULL"},
      {"a LIKE 'x!y' ESCAPE '!'", "8: the pattern has an escape character before what needs none"},
      {"a LIKE 'x!' ESCAPE '!'", "8: the pattern has an escape character before what needs none"},
  });
}

TEST(SelectorErrors, NameWhatIsNotSupported) {
  expect_errors({
      {"abs(a) = 1", "1: there are no functions in a selector"},
      {"a = lower (b)", "5: there are no functions in a selector"},
      {"XPATH '//a'", "1: there is no XPath: the path of a JSON body is written body.name"},
      {"XQUERY '//a'", "1: there is no XPath: the path of a JSON body is written body.name"},
      {"headers.a = 1", "1: only body has a path: a header with such a name goes in double quotes"},
      {"a.5 = 1", "1: only body has a path: a header with such a name goes in double quotes"},
      {"\"body\".a = 1",
       "1: only body has a path: a header with such a name goes in double quotes"},
      {"a[0] = 1", "1: only body has a path: a header with such a name goes in double quotes"},
      {"JMSDeliveryMode = 'PERSISTENT'",
       "1: no message has 'JMSDeliveryMode'; a header of that name goes in double quotes"},
      {"jmsType = 'x' AND JMSRedelivered",
       "19: no message has 'JMSRedelivered'; a header of that name goes in double quotes"},
      {"receipt = 'r'", "1: no message keeps the header 'receipt'"},
      {"\"transaction\" = 't'", "1: no message keeps the header 'transaction'"},
  });
}

TEST(SelectorErrors, NamePathsThatAreNone) {
  expect_errors({
      {"body. = 1", "6: expected the name of a member behind the '.'"},
      {"body.", "6: expected the name of a member behind the '.'"},
      {"body..a = 1", "6: expected the name of a member behind the '.'"},
      {"body.'a' = 1", "6: expected the name of a member behind the '.'"},
      {"body.-a = 1", "6: expected the name of a member behind the '.'"},
      {"body.\"a = 1", "6: the quoted name that begins here does not end"},
      {"body.a[ = 1", "8: expected an index of at most 9 digits and ']'"},
      {"body.a[] = 1", "8: expected an index of at most 9 digits and ']'"},
      {"body.a[-1] = 1", "8: expected an index of at most 9 digits and ']'"},
      {"body.a[1 = 1", "8: expected an index of at most 9 digits and ']'"},
      {"body['a'] = 1", "6: expected an index of at most 9 digits and ']'"},
      {"body[1000000000] = 1", "6: expected an index of at most 9 digits and ']'"},
      {"body .a = 1", "6: '.' has no meaning in a selector"},
      {"body[0]a = 1", "8: expected an operator, AND, OR or the end, found 'a'"},
      {"body(1)", "5: expected an operator, AND, OR or the end, found '('"},
  });
}

TEST(SelectorErrors, CountColumnsInCharacters) {
  expect_errors({{"größe = 'ä' = 1", "13: expected an operator, AND, OR or the end, found '='"},
                 {"a = '漢字' AND", "13: expected a value, found the end"}});
}

TEST(SelectorErrors, RepeatNoMoreThanFitsIntoASentence) {
  const std::string long_name(39, 'x');
  EXPECT_EQ(
      error_of("a " + long_name + "äöü"),
      "selector, column 3: expected an operator, AND, OR or the end, found '" + long_name + "...'");
  EXPECT_EQ(error_of("a 'x\ny'"),
            "selector, column 3: expected an operator, AND, OR or the end, found the string 'x y'");
}

TEST(SelectorErrors, NameTheLimitOfItsText) {
  Options options;
  options.selector_bytes_max = 7;
  EXPECT_TRUE(Selector::parse("a = 'x'", options).has_value());
  EXPECT_EQ(error_of("a = 'xy'", options),
            "the selector has 8 octets, and --max-selector-length allows 7");
}

TEST(SelectorErrors, NameTheLimitOfItsParts) {
  // A list has one part besides its constants, and so does the name before it.
  const auto list = [](size_t items) {
    std::string text = "a IN (1";
    for (size_t n = 1; n < items; ++n) text += ",1";
    return text + ")";
  };
  EXPECT_TRUE(Selector::parse(list(Options::selector_parts_max - 2), {}).has_value());
  EXPECT_NE(error_of(list(Options::selector_parts_max - 1)).find("more than 512 operands"),
            std::string::npos);

  std::string path = "body";
  for (size_t n = 0; n < Options::selector_parts_max - 2; ++n) path += ".a";
  EXPECT_TRUE(Selector::parse(path + " IS NULL", {}).has_value());
  EXPECT_NE(error_of(path + ".a IS NULL").find("more than 512 operands"), std::string::npos);
}

TEST(SelectorErrors, NameTheLimitOfItsDepth) {
  constexpr size_t kDepth = Options::selector_depth_max;
  const auto nested = [](std::string_view open, std::string_view close, size_t depth) {
    std::string text = "a = ";
    for (size_t n = 0; n < depth; ++n) text += open;
    text += "1";
    for (size_t n = 0; n < depth; ++n) text += close;
    return text;
  };
  const std::string error = "more than 64 parentheses, NOTs and signs are nested here";
  for (const auto& [open, close] : {std::pair{"(", ")"}, std::pair{"- ", ""}, std::pair{"+", ""}}) {
    EXPECT_TRUE(Selector::parse(nested(open, close, kDepth), {}).has_value()) << open;
    EXPECT_NE(error_of(nested(open, close, kDepth + 1)).find(error), std::string::npos) << open;
    EXPECT_NE(error_of(nested(open, close, 2'000)).find(error), std::string::npos) << open;
  }
  std::string nots;
  for (size_t n = 0; n < kDepth; ++n) nots += "NOT ";
  EXPECT_TRUE(Selector::parse(nots + "a", {}).has_value());
  EXPECT_NE(error_of(nots + "(a)").find(error), std::string::npos);
}

// Both name the same headers, so that no selector waits for one that Message drops.
TEST(SelectorErrors, ComeForEachHeaderThatNoMessageKeeps) {
  for (const char* name : {"ack", "content-length", "destination", "message-id", "receipt",
                           "redelivered", "subscription", "transaction", "x"}) {
    const SelectorMessage message(std::vector<proto::StompHeader>{{name, "value"}});
    SelectorSubject subject(0);
    subject.begin(*message);
    const auto selector = Selector::parse('"' + std::string(name) + "\" IS NOT NULL", {});
    EXPECT_EQ(selector && (*selector)->matches(subject), selector.has_value()) << name;
    EXPECT_TRUE(selector.has_value() || !message->header(name).has_value()) << name;
  }
}

}  // namespace
}  // namespace stampede::core
