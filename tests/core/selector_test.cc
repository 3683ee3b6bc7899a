#include "core/selector/selector.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "tests/core/selector_fixture.h"

namespace stampede::core {
namespace {

using tests::parse_or_fail;
using tests::SelectorMessage;
using tests::truth_of;
using Headers = std::vector<proto::StompHeader>;

const Headers kOrder = {{"region", "eu"},    {"price", "12.5"}, {"count", "7"},
                        {"urgent", "true"},  {"empty", ""},     {"content-type", "a/b"},
                        {"my header", "x"},  {"und", "1"},      {"größe", "40"},
                        {"body", "a header"}};

std::string about_order(std::string_view condition) { return truth_of(condition, kOrder); }

TEST(Selector, ComparesHeadersAsText) {
  EXPECT_EQ(about_order("region = 'eu'"), "TRUE");
  EXPECT_EQ(about_order("region = 'EU'"), "FALSE");
  EXPECT_EQ(about_order("region <> 'us'"), "TRUE");
  EXPECT_EQ(about_order("'eu' != region"), "FALSE");
  EXPECT_EQ(about_order("count = '7'"), "TRUE");
  EXPECT_EQ(about_order("count = '7.0'"), "FALSE");
  EXPECT_EQ(about_order("empty = ''"), "TRUE");
}

TEST(Selector, ComparesAHeaderAsANumberWithANumber) {
  EXPECT_EQ(about_order("count > 4"), "TRUE");
  EXPECT_EQ(about_order("count < 10"), "TRUE");
  EXPECT_EQ(about_order("count = 7.0"), "TRUE");
  EXPECT_EQ(about_order("7 <> count"), "FALSE");
  EXPECT_EQ(about_order("price >= 12.5"), "TRUE");
  EXPECT_EQ(about_order("price <= 12"), "FALSE");
}

TEST(Selector, DoesNotKnowAboutTextThatIsNoNumber) {
  for (const char* text :
       {"eu", "", " 7", "7 ", "7x", "0x10", "1e", "--7", "inf", "nan", "1e999"}) {
    EXPECT_EQ(truth_of("h > 4", {{"h", text}}), "UNKNOWN") << text;
    EXPECT_EQ(truth_of("h = 4", {{"h", text}}), "UNKNOWN") << text;
    EXPECT_EQ(truth_of("h <> 4", {{"h", text}}), "UNKNOWN") << text;
  }
}

TEST(Selector, TakesTheWholeTextOfAHeaderForANumber) {
  for (const char* text : {"10", "+10", "010", "10.", "1e1", "1.0E+1", "100e-1", "10.0"}) {
    EXPECT_EQ(truth_of("h = 10", {{"h", text}}), "TRUE") << text;
  }
  EXPECT_EQ(truth_of("h = -0.5", {{"h", "-.5"}}), "TRUE");
}

TEST(Selector, ComparesAHeaderAsABooleanWithABoolean) {
  EXPECT_EQ(about_order("urgent = TRUE"), "TRUE");
  EXPECT_EQ(about_order("urgent <> TRUE"), "FALSE");
  EXPECT_EQ(about_order("FALSE = urgent"), "FALSE");
  EXPECT_EQ(truth_of("h = FALSE", {{"h", "False"}}), "TRUE");
  EXPECT_EQ(about_order("region = TRUE"), "UNKNOWN");
  EXPECT_EQ(about_order("count <> FALSE"), "UNKNOWN");
  EXPECT_EQ(about_order("urgent = (count = 7)"), "TRUE");
  EXPECT_EQ(about_order("(count = 8) = (missing = 1)"), "UNKNOWN");
}

TEST(Selector, TakesAHeaderForACondition) {
  EXPECT_EQ(about_order("urgent"), "TRUE");
  EXPECT_EQ(about_order("NOT urgent"), "FALSE");
  EXPECT_EQ(about_order("(urgent) AND region = 'eu'"), "TRUE");
  EXPECT_EQ(truth_of("a OR b", {{"a", "false"}, {"b", "true"}}), "TRUE");
  EXPECT_EQ(about_order("region"), "UNKNOWN");
  EXPECT_EQ(about_order("count"), "UNKNOWN");
  EXPECT_EQ(about_order("missing"), "UNKNOWN");
  EXPECT_EQ(about_order("TRUE"), "TRUE");
  EXPECT_EQ(about_order("FALSE"), "FALSE");
}

TEST(Selector, OrdersTextByItsOctets) {
  EXPECT_EQ(truth_of("at >= '2024-01-31'", {{"at", "2024-02-01"}}), "TRUE");
  EXPECT_EQ(truth_of("at BETWEEN 'a' AND 'c'", {{"at", "b"}}), "TRUE");
  EXPECT_EQ(truth_of("at < 'z'", {{"at", "ä"}}), "FALSE");
}

TEST(Selector, OrdersTwoHeadersAsNumbersIfBothAre) {
  EXPECT_EQ(truth_of("a < b", {{"a", "9"}, {"b", "10"}}), "TRUE");
  EXPECT_EQ(truth_of("a < b", {{"a", "9"}, {"b", "10x"}}), "FALSE");
  EXPECT_EQ(truth_of("a = b", {{"a", "1"}, {"b", "1"}}), "TRUE");
  EXPECT_EQ(truth_of("a = b", {{"a", "1"}, {"b", "1.0"}}), "FALSE");
}

TEST(Selector, KnowsThreeTruths) {
  const auto truth = [](std::string condition) {
    // u is not there, so that a condition on it is UNKNOWN.
    return truth_of(condition, {{"t", "true"}, {"f", "false"}});
  };
  const std::vector<std::string> kOf = {"TRUE", "FALSE", "UNKNOWN"};
  const std::vector<std::string> kNames = {"t", "f", "u"};
  const auto rank = [](const std::string& value) {
    return value == "FALSE" ? 0 : value == "UNKNOWN" ? 1 : 2;
  };
  for (size_t a = 0; a < 3; ++a) {
    for (size_t b = 0; b < 3; ++b) {
      const bool is_less = rank(kOf[a]) < rank(kOf[b]);
      EXPECT_EQ(truth(kNames[a] + " AND " + kNames[b]), is_less ? kOf[a] : kOf[b]);
      EXPECT_EQ(truth(kNames[a] + " OR " + kNames[b]), is_less ? kOf[b] : kOf[a]);
    }
  }
  EXPECT_EQ(truth("NOT u"), "UNKNOWN");
  EXPECT_EQ(truth("NOT t"), "FALSE");
  EXPECT_EQ(truth("NOT f"), "TRUE");
}

TEST(Selector, BindsNotBeforeAndBeforeOr) {
  EXPECT_EQ(truth_of("TRUE OR FALSE AND FALSE"), "TRUE");
  EXPECT_EQ(truth_of("(TRUE OR FALSE) AND FALSE"), "FALSE");
  EXPECT_EQ(truth_of("NOT FALSE AND FALSE"), "FALSE");
  EXPECT_EQ(truth_of("NOT (FALSE AND FALSE)"), "TRUE");
  EXPECT_EQ(truth_of("NOT NOT TRUE"), "TRUE");
  EXPECT_EQ(about_order("NOT count = 7"), "FALSE");
  EXPECT_EQ(truth_of("FALSE AND TRUE OR TRUE AND TRUE"), "TRUE");
}

TEST(Selector, Calculates) {
  EXPECT_EQ(truth_of("1 + 2 * 3 = 7"), "TRUE");
  EXPECT_EQ(truth_of("(1 + 2) * 3 = 9"), "TRUE");
  EXPECT_EQ(truth_of("10 - 3 - 2 = 5"), "TRUE");
  EXPECT_EQ(truth_of("8 / 4 / 2 = 1"), "TRUE");
  EXPECT_EQ(truth_of("7 / 2 = 3.5"), "TRUE");
  EXPECT_EQ(truth_of("-2 + 5 = +3"), "TRUE");
  EXPECT_EQ(truth_of("- - 2 = 2"), "TRUE");
  EXPECT_EQ(truth_of("2--2=4"), "TRUE");
  EXPECT_EQ(about_order("price * count = 87.5"), "TRUE");
  EXPECT_EQ(about_order("-count = -7"), "TRUE");
  EXPECT_EQ(about_order("+count = +empty"), "UNKNOWN");
}

TEST(Selector, MakesANumberOfAHeaderBehindASign) {
  EXPECT_EQ(truth_of("+a = b", {{"a", "7"}, {"b", "7.0"}}), "TRUE");
  EXPECT_EQ(truth_of("a = b", {{"a", "7"}, {"b", "7.0"}}), "FALSE");
}

TEST(Selector, DoesNotKnowWhatCannotBeCalculated) {
  EXPECT_EQ(truth_of("1 / 0 = 1"), "UNKNOWN");
  EXPECT_EQ(truth_of("1.0 / 0.0 > 0"), "UNKNOWN");
  EXPECT_EQ(truth_of("0 / 0 <> 1"), "UNKNOWN");
  EXPECT_EQ(truth_of("1e308 * 10 > 0"), "UNKNOWN");
  EXPECT_EQ(about_order("region + 1 > 0"), "UNKNOWN");
  EXPECT_EQ(about_order("missing + 1 > 0"), "UNKNOWN");
  EXPECT_EQ(about_order("urgent * 2 = 2"), "UNKNOWN");
}

TEST(Selector, KeepsIntegersExact) {
  EXPECT_EQ(truth_of("9007199254740993 = 9007199254740992"), "FALSE");
  EXPECT_EQ(truth_of("h = 9007199254740992.0", {{"h", "9007199254740993"}}), "FALSE");
  EXPECT_EQ(truth_of("9007199254740992.0 < h", {{"h", "9007199254740993"}}), "TRUE");
  EXPECT_EQ(truth_of("9223372036854775807 + 1 = 9223372036854775808"), "TRUE");
  EXPECT_EQ(truth_of("-9223372036854775808 - 1 < -9223372036854775808"), "FALSE")
      << "goes on as a double";
  EXPECT_EQ(truth_of("18446744073709551615 > 18446744073709551614"), "TRUE");
  EXPECT_EQ(truth_of("18446744073709551615 < 18446744073709551616.0"), "TRUE");
  EXPECT_EQ(truth_of("-1 < 18446744073709551615"), "TRUE");
  EXPECT_EQ(truth_of("-1 > -1e300 AND 1 < 1e300 AND 1 < 1.5 AND -1 > -1.5"), "TRUE");
  EXPECT_EQ(truth_of("18446744073709551615 * 18446744073709551615 > 3.4e38"), "TRUE");
  EXPECT_EQ(truth_of("-9223372036854775808 / -1 = 9223372036854775808"), "TRUE");
}

TEST(Selector, ReadsTheNumbersOfJava) {
  EXPECT_EQ(truth_of("57L = 57 AND 57l = 57"), "TRUE");
  EXPECT_EQ(truth_of("57.5F = 57.5 AND 57D = 57 AND 5e1d = 50"), "TRUE");
  EXPECT_EQ(truth_of("7. = 7 AND .5 = 0.5 AND 1E3 = 1000 AND -57.9E2 = -5790"), "TRUE");
  EXPECT_EQ(truth_of("1e+2=100 AND 1e-2 = .01"), "TRUE");
  EXPECT_EQ(truth_of("9007199254740993D = 9007199254740992"), "TRUE");
}

TEST(Selector, LooksBetween) {
  EXPECT_EQ(about_order("count BETWEEN 7 AND 9"), "TRUE");
  EXPECT_EQ(about_order("count BETWEEN 5 AND 7"), "TRUE");
  EXPECT_EQ(about_order("count BETWEEN 8 AND 9"), "FALSE");
  EXPECT_EQ(about_order("count NOT BETWEEN 8 AND 9"), "TRUE");
  EXPECT_EQ(about_order("count BETWEEN 2 + 5 AND 3 * 3 AND urgent"), "TRUE");
  EXPECT_EQ(about_order("count BETWEEN missing AND 9"), "UNKNOWN");
  EXPECT_EQ(about_order("count BETWEEN missing AND 6"), "FALSE");
  EXPECT_EQ(about_order("8 NOT BETWEEN count AND price"), "FALSE");
}

TEST(Selector, LooksIntoLists) {
  EXPECT_EQ(about_order("region IN ('us', 'eu')"), "TRUE");
  EXPECT_EQ(about_order("region IN ('us')"), "FALSE");
  EXPECT_EQ(about_order("region NOT IN ('us', 'jp')"), "TRUE");
  EXPECT_EQ(about_order("missing IN ('us')"), "UNKNOWN");
  EXPECT_EQ(about_order("missing NOT IN ('us')"), "UNKNOWN");
  EXPECT_EQ(about_order("count IN (-1, +7)"), "TRUE");
  EXPECT_EQ(about_order("-count IN (1, -7)"), "TRUE");
  EXPECT_EQ(about_order("count + 1 IN (8.0)"), "TRUE");
  EXPECT_EQ(about_order("region IN (1, 'eu')"), "TRUE");
  EXPECT_EQ(about_order("region IN (1, 'us')"), "UNKNOWN");
  EXPECT_EQ(about_order("region IN ('it''s', 'eu') AND urgent"), "TRUE");
}

TEST(Selector, LooksForPatterns) {
  EXPECT_EQ(truth_of("h LIKE '12%3'", {{"h", "12993"}}), "TRUE");
  EXPECT_EQ(truth_of("h LIKE '12%3'", {{"h", "1234"}}), "FALSE");
  EXPECT_EQ(truth_of("h LIKE 'l_se'", {{"h", "lose"}}), "TRUE");
  EXPECT_EQ(truth_of("h LIKE 'l_se'", {{"h", "loose"}}), "FALSE");
  EXPECT_EQ(truth_of("h LIKE '\\_%' ESCAPE '\\'", {{"h", "_foo"}}), "TRUE");
  EXPECT_EQ(truth_of("h LIKE '\\_%' ESCAPE '\\'", {{"h", "bar"}}), "FALSE");
  EXPECT_EQ(truth_of("h NOT LIKE '12%3'", {{"h", "1234"}}), "TRUE");
  EXPECT_EQ(truth_of("h LIKE '%'"), "UNKNOWN");
  EXPECT_EQ(truth_of("h NOT LIKE '%'"), "UNKNOWN");
  EXPECT_EQ(truth_of("'it''s' LIKE '%''_'"), "TRUE");
}

TEST(Selector, AsksWhetherAHeaderIsThere) {
  EXPECT_EQ(about_order("region IS NULL"), "FALSE");
  EXPECT_EQ(about_order("region IS NOT NULL"), "TRUE");
  EXPECT_EQ(about_order("missing IS NULL"), "TRUE");
  EXPECT_EQ(about_order("missing IS NOT NULL"), "FALSE");
  EXPECT_EQ(about_order("empty IS NOT NULL"), "TRUE");
  EXPECT_EQ(about_order("(region) is not null"), "TRUE");
}

TEST(Selector, TakesHyphensIntoNames) {
  EXPECT_EQ(about_order("content-type = 'a/b'"), "TRUE");
  EXPECT_EQ(about_order("content-type='a/b'"), "TRUE");
  EXPECT_EQ(truth_of("a-1 = 'x'", {{"a-1", "x"}}), "TRUE");
  EXPECT_EQ(truth_of("a - b = 3 AND a -b = 3 AND a- b = 3", {{"a", "5"}, {"b", "2"}}), "TRUE");
  EXPECT_EQ(truth_of("a-b = 3", {{"a", "5"}, {"b", "2"}}), "UNKNOWN");
  EXPECT_EQ(truth_of("5-3=2"), "TRUE");
}

TEST(Selector, TakesAnyNameInDoubleQuotes) {
  EXPECT_EQ(about_order("\"my header\" = 'x'"), "TRUE");
  EXPECT_EQ(truth_of("\"a\"\"b\" = '1'", {{"a\"b", "1"}}), "TRUE");
  EXPECT_EQ(truth_of("\"and\" = '1' AND \"x.y\" = '2'", {{"and", "1"}, {"x.y", "2"}}), "TRUE");
  EXPECT_EQ(about_order("\"body\" = 'a header'"), "TRUE");
  EXPECT_EQ(truth_of("\"JMSType\" = 'literal'", {{"JMSType", "literal"}, {"type", "t"}}), "TRUE");
}

TEST(Selector, TakesTheLettersOfAllLanguagesIntoNames) {
  EXPECT_EQ(about_order("größe > 30"), "TRUE");
  EXPECT_EQ(truth_of("$a_1 = '1' AND 名前 = '2'", {{"$a_1", "1"}, {"名前", "2"}}), "TRUE");
}

TEST(Selector, TakesKeywordsInAnyCaseAndNamesInTheirOwn) {
  EXPECT_EQ(about_order("region like 'e_' And Not count Between 8 aNd 9 oR false"), "TRUE");
  EXPECT_EQ(about_order("Region IS NULL"), "TRUE");
  EXPECT_EQ(about_order("und = '1'"), "TRUE");
}

TEST(Selector, NeedsNoBlanksAndTakesAnyOfThem) {
  EXPECT_EQ(about_order("region='eu'AND(count>4)OR\"my header\"IN('x')"), "TRUE");
  EXPECT_EQ(about_order("\t region\n=\r 'eu' \f"), "TRUE");
}

TEST(Selector, FindsTheHeadersThatStompHasForNamesOfJms) {
  const Headers headers = {{"correlation-id", "c"}, {"type", "t"},      {"expires", "99"},
                           {"reply-to", "/q/r"},    {"timestamp", "5"}, {"JMSXGroupID", "g"},
                           {"priority", "6"},       {"JMS_vendor", "v"}};
  EXPECT_EQ(truth_of("JMSCorrelationID = 'c' AND JMSType = 't' AND JMSExpiration > 98", headers),
            "TRUE");
  EXPECT_EQ(truth_of("JMSReplyTo = '/q/r' AND JMSTimestamp < 6 AND JMSXGroupID = 'g'", headers),
            "TRUE");
  EXPECT_EQ(truth_of("JMSPriority = 6 AND priority > 5 AND JMS_vendor = 'v'", headers), "TRUE");
  EXPECT_EQ(truth_of("JMSDestination = '/topic/prices'", headers), "TRUE");
}

TEST(Selector, GivesAMessageWithoutPriorityThatOfJms) {
  EXPECT_EQ(truth_of("JMSPriority = 4"), "TRUE");
  EXPECT_EQ(truth_of("priority = 4"), "UNKNOWN");
}

TEST(Selector, FindsWhatAMessageHasApartFromItsHeaders) {
  EXPECT_EQ(truth_of("destination LIKE '/topic/%' AND \"destination\" = '/topic/prices'"), "TRUE");
  EXPECT_EQ(truth_of("message-id = 'made-7' AND JMSMessageID = 'made-7'"), "TRUE");
  EXPECT_EQ(truth_of("content-length BETWEEN 5 AND 5", {}, "hello"), "TRUE");

  const SelectorMessage message({}, "", "of-the-client");
  SelectorSubject subject(0);
  subject.begin(*message);
  EXPECT_TRUE(parse_or_fail("message-id = 'of-the-client'")->matches(subject));
}

TEST(Selector, LooksAtTheFirstOfRepeatedHeaders) {
  EXPECT_EQ(truth_of("h = '1'", {{"h", "1"}, {"h", "2"}}), "TRUE");
}

TEST(Selector, LooksAtUnescapedHeaders) {
  EXPECT_EQ(truth_of("h = 'a:b\nc' AND \"x:y\" = 'z'", {{"h", "a:b\nc"}, {"x:y", "z"}}), "TRUE");
}

TEST(Selector, TakesThePrefixesOfActiveMqAndArtemis) {
  const SelectorMessage message(kOrder);
  SelectorSubject subject(0);
  subject.begin(*message);
  EXPECT_TRUE(parse_or_fail("convert_string_expressions:count > 4")->matches(subject));
  EXPECT_TRUE(parse_or_fail("hyphenated_props:content-type = 'a/b'")->matches(subject));
  const auto both = parse_or_fail("hyphenated_props:convert_string_expressions:count > 4");
  EXPECT_TRUE(both->matches(subject));
}

TEST(Selector, HoldsWhatWaitsForTheInnermostOperand) {
  std::string condition = "1 = 1";
  for (int level = 0; level < 60; ++level) condition = "FALSE OR TRUE AND TRUE=(" + condition + ")";
  EXPECT_EQ(truth_of(condition), "TRUE");
  std::string sum = "1";
  for (int level = 0; level < 60; ++level) sum = "2 - 1 * (" + sum + ")";
  EXPECT_EQ(truth_of("FALSE OR TRUE AND 1 BETWEEN 1 AND " + sum), "TRUE");
}

TEST(Selector, GivesItsTextBack) { EXPECT_EQ(parse_or_fail(" a  = 'b' ")->text(), " a  = 'b' "); }

TEST(Selector, DoesNotDependOnTheTextThatItWasMadeOf) {
  std::string text = "region = 'eu' AND \"my header\" LIKE 'x' AND region IN ('eu')";
  const auto selector = parse_or_fail(text);
  std::fill(text.begin(), text.end(), '#');
  const SelectorMessage message(kOrder);
  SelectorSubject subject(0);
  subject.begin(*message);
  EXPECT_TRUE(selector->matches(subject));
}

TEST(SelectorSubject, ForgetsOneMessageForTheNext) {
  const SelectorMessage first(Headers{{"a", "1"}});
  const SelectorMessage second(Headers{{"a", "2"}});
  const auto selector = parse_or_fail("a = '1'");
  SelectorSubject subject(0);
  subject.begin(*first);
  EXPECT_TRUE(selector->matches(subject));
  subject.begin(*second);
  EXPECT_FALSE(selector->matches(subject));
}

// As of another one in its place.
TEST(SelectorSubject, ForgetsAMessageThatHasAnotherNumber) {
  const SelectorMessage message({}, "{}");
  const auto selector = parse_or_fail("body IS NOT NULL");
  SelectorSubject subject(100);
  subject.begin(*message);
  EXPECT_TRUE(selector->matches(subject));
  message->set_number(8, "b");
  subject.begin(*message);
  EXPECT_TRUE(selector->matches(subject));
  EXPECT_EQ(subject.bodies_parsed(), 2u);
}

}  // namespace
}  // namespace stampede::core
