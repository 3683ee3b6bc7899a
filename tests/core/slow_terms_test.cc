#include "core/slow_terms.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace stampede::core {
namespace {

using enum SlowPolicy;

SlowTerms terms(SlowPolicy policy, std::string key = "", size_t bytes = 0) {
  return {.policy = policy, .key = std::move(key), .bytes = bytes};
}

TEST(SlowTerms, AreReadAsTheyAreWritten) {
  EXPECT_EQ(*parse_slow_terms("disconnect"), terms(kDisconnect));
  EXPECT_EQ(*parse_slow_terms("drop-old bytes=4096"), terms(kDropOld, "", 4096));
  EXPECT_EQ(*parse_slow_terms("  conflate  key=symbol bytes=64K "),
            terms(kConflate, "symbol", 65536));
  EXPECT_EQ(*parse_slow_terms("drop-new bytes=2m"), terms(kDropNew, "", 2 << 20));
}

TEST(SlowTerms, SayWhatIsWrongWithThem) {
  for (const char* text :
       {"", "drop", "conflate key=", "drop-old key=symbol", "drop-new bytes=", "drop-new bytes=0",
        "drop-new bytes=x", "conflate 7", "drop-old bytes=99999999999999999999",
        "drop-old bytes=99999999999999G", "drop-old /topic/a"}) {
    EXPECT_FALSE(parse_slow_terms(text).has_value()) << text;
  }
  EXPECT_NE(parse_slow_terms("slowly").error().find("drop-old"), std::string::npos);
}

TEST(SlowTerms, OfRulesHaveAPattern) {
  const auto rule = parse_slow_rule("conflate /topic/price.* key=symbol");
  ASSERT_TRUE(rule.has_value());
  EXPECT_EQ(rule->pattern, "/topic/price.*");
  EXPECT_EQ(rule->terms, terms(kConflate, "symbol"));
  EXPECT_EQ(parse_slow_rule("drop-old")->pattern, "");
  EXPECT_FALSE(parse_slow_rule("drop-old /topic/a /topic/b").has_value());
}

TEST(SlowTerms, AreWrittenAsTheyAreRead) {
  for (const char* text : {"disconnect", "conflate /topic/# key=a bytes=10", "drop-new bytes=7"}) {
    EXPECT_EQ(format_slow_rule(*parse_slow_rule(text)), text);
  }
}

TEST(SlowTerms, KnowWhichPatternsCoverADestination) {
  EXPECT_TRUE(covers("", "/topic/a"));
  EXPECT_TRUE(covers("/topic/a", "topic.a"));
  EXPECT_FALSE(covers("/topic/a", "/topic/b"));
  EXPECT_TRUE(covers("/topic/*", "/topic/a"));
  EXPECT_FALSE(covers("/topic/*", "/topic/a.b"));
  EXPECT_TRUE(covers("/topic/#", "/topic/a.b"));
  EXPECT_TRUE(covers("/topic/#", "/topic"));
  EXPECT_FALSE(covers("/topic/a.#", "/topic"));
}

TEST(SlowTerms, KnowWhichPatternsCoverAPattern) {
  EXPECT_TRUE(covers("/topic/*", "/topic/*"));
  EXPECT_FALSE(covers("/topic/a", "/topic/*")) << "it matches more than a";
  EXPECT_FALSE(covers("/topic/*", "/topic/#")) << "it matches more levels";
  EXPECT_TRUE(covers("/topic/>", "/topic/#"));
  EXPECT_TRUE(covers("/topic/**", "/topic/*.b"));
  EXPECT_FALSE(covers("/topic/*.*", "/topic/a.#"));
}

TEST(SlowTerms, AreThoseOfTheFirstRuleThatCovers) {
  const std::vector<SlowConsumerRule> rules = {{"/topic/price.eur", terms(kDropNew)},
                                               {"/topic/price.*", terms(kConflate, "symbol")},
                                               {"", terms(kDropOld)}};
  EXPECT_EQ(slow_terms_of("/topic/price.eur", rules), terms(kDropNew));
  EXPECT_EQ(slow_terms_of("/topic/price.usd", rules), terms(kConflate, "symbol"));
  EXPECT_EQ(slow_terms_of("/topic/price.*", rules), terms(kConflate, "symbol"));
  EXPECT_EQ(slow_terms_of("/topic/x", rules), terms(kDropOld));
  EXPECT_EQ(slow_terms_of("/topic/x", {}), terms(kDisconnect));
}

TEST(SlowTerms, MayOnlyBeLowered) {
  const auto may = [](SlowPolicy ruled, SlowPolicy asked) {
    return lower_slow_terms(terms(ruled, "", 100), terms(asked)).has_value();
  };
  for (const SlowPolicy policy : {kDisconnect, kConflate, kDropOld, kDropNew}) {
    EXPECT_TRUE(may(policy, policy));
    EXPECT_TRUE(may(policy, kDisconnect));
    EXPECT_TRUE(may(kDropOld, policy));
    EXPECT_TRUE(may(kDropNew, policy));
  }
  EXPECT_FALSE(may(kDisconnect, kConflate));
  EXPECT_FALSE(may(kDisconnect, kDropOld));
  EXPECT_FALSE(may(kConflate, kDropOld));
  EXPECT_FALSE(may(kConflate, kDropNew));
}

TEST(SlowTerms, KeepTheBoundThatIsLess) {
  EXPECT_EQ(lower_slow_terms(terms(kDropOld, "", 100), terms(kDropOld))->bytes, 100u);
  EXPECT_EQ(lower_slow_terms(terms(kDropOld, "", 100), terms(kDropOld, "", 99))->bytes, 99u);
  EXPECT_EQ(lower_slow_terms(terms(kDropOld, "", 100), terms(kDropOld, "", 101))->bytes, 100u);
}

TEST(SlowTerms, KeepTheKeyOfTheRule) {
  EXPECT_EQ(lower_slow_terms(terms(kConflate, "a"), terms(kConflate))->key, "a");
  EXPECT_TRUE(lower_slow_terms(terms(kConflate, "a"), terms(kConflate, "a")).has_value());
  EXPECT_FALSE(lower_slow_terms(terms(kConflate, "a"), terms(kConflate, "b")).has_value());
  EXPECT_FALSE(lower_slow_terms(terms(kConflate), terms(kConflate, "b")).has_value());
  EXPECT_EQ(lower_slow_terms(terms(kDropOld), terms(kConflate, "b"))->key, "b");
}

}  // namespace
}  // namespace stampede::core
