#include "core/pattern_trie.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/support/naive_pattern.h"

namespace stampede::core {
namespace {

using Texts = std::multiset<std::string>;

Texts matches(PatternTrie<std::string>& trie, std::string_view name) {
  Texts texts;
  trie.match(name, [&](const std::string& text) { texts.insert(text); });
  return texts;
}

PatternTrie<std::string> trie_of(std::initializer_list<const char*> patterns) {
  PatternTrie<std::string> trie(1);
  for (const char* pattern : patterns) trie.insert(pattern) = pattern;
  return trie;
}

TEST(PatternTrie, MatchesAnyOneLevel) {
  auto trie = trie_of({"a.*", "*.b", "*.*", "*"});
  EXPECT_EQ(matches(trie, "a.b"), (Texts{"a.*", "*.b", "*.*"}));
  EXPECT_EQ(matches(trie, "a"), Texts{"*"});
  EXPECT_EQ(matches(trie, "a.b.c"), Texts{});
  EXPECT_EQ(matches(trie, "a."), (Texts{"a.*", "*.*"}));
}

TEST(PatternTrie, MatchesTheRestEvenIfItIsEmpty) {
  auto trie = trie_of({"a.#", "#", "a.b.>", "*.**"});
  EXPECT_EQ(matches(trie, "a"), (Texts{"a.#", "#", "*.**"}));
  EXPECT_EQ(matches(trie, "a.b"), (Texts{"a.#", "#", "a.b.>", "*.**"}));
  EXPECT_EQ(matches(trie, "a.b.c.d"), (Texts{"a.#", "#", "a.b.>", "*.**"}));
  EXPECT_EQ(matches(trie, "b"), (Texts{"#", "*.**"}));
}

TEST(PatternTrie, MakesNoDifferenceBetweenSeparators) {
  auto trie = trie_of({"/topic/*"});
  EXPECT_EQ(matches(trie, "topic.a"), Texts{"/topic/*"});
  EXPECT_EQ(matches(trie, "/topic.a"), Texts{"/topic/*"});
  EXPECT_EQ(*trie.find("topic.*"), "/topic/*");
  EXPECT_EQ(&trie.insert("topic.*"), trie.find("/topic/*"));
  EXPECT_EQ(trie.size(), 1u);
}

TEST(PatternTrie, TakesWildcardsInANameLiterally) {
  auto trie = trie_of({"a.*", "a.b"});
  EXPECT_EQ(matches(trie, "a.*"), Texts{"a.*"});
  EXPECT_EQ(matches(trie, "a.#"), Texts{"a.*"});
  EXPECT_EQ(matches(trie, "*.b"), Texts{});
}

TEST(PatternTrie, MatchesNothingThatIsNotATopic) {
  auto trie = trie_of({"#", "*.*.*", "/user/#", "*.a"});
  for (const char* route : {"/user/bob/x", "/temp-queue/t/x", "/temp-topic/t/x", "/queue/a",
                            "/exchange/amq.direct/a", "/exchange/amq.fanout"}) {
    EXPECT_EQ(matches(trie, route), Texts{}) << route;
  }
  EXPECT_EQ(matches(trie, "user/bob/x"), (Texts{"#", "*.*.*", "/user/#"}));
}

TEST(PatternTrie, ErasesOnlyWhatItIsToldTo) {
  auto trie = trie_of({"a.*", "a.*.c", "a.#"});
  trie.erase("a.*");
  EXPECT_EQ(trie.find("a.*"), nullptr);
  EXPECT_EQ(trie.size(), 2u);
  EXPECT_EQ(matches(trie, "a.b"), Texts{"a.#"});
  EXPECT_EQ(matches(trie, "a.b.c"), (Texts{"a.#", "a.*.c"}));
  trie.erase("a.*.c");
  trie.erase("a.#");
  EXPECT_EQ(trie.size(), 0u);
}

TEST(PatternTrie, ErasingWhatIsNotThereChangesNothing) {
  auto trie = trie_of({"a.*.c"});
  for (const char* pattern : {"a", "a.*", "a.*.c.d", "b", "#", "*"}) trie.erase(pattern);
  EXPECT_EQ(trie.size(), 1u);
  EXPECT_EQ(matches(trie, "a.b.c"), Texts{"a.*.c"});
}

TEST(PatternTrie, KeepsAValueInPlaceWhileOthersComeAndGo) {
  PatternTrie<std::string> trie(1);
  std::string* const value = &trie.insert("a.*");
  for (int n = 0; n < 1000; ++n) trie.insert("a." + std::to_string(n) + ".*");
  for (int n = 0; n < 1000; ++n) trie.erase("a." + std::to_string(n) + ".*");
  EXPECT_EQ(trie.find("a.*"), value);
}

// -- Against a matcher that is plain recursion over the levels.

class Chance {
 public:
  explicit Chance(uint32_t seed) : random_(seed) {}
  size_t below(size_t bound) { return random_() % bound; }
  std::string name() { return text({"a", "b", "ab", "", "*"}, false); }
  std::string pattern() { return text({"a", "b", "ab", "", "*", "*"}, true); }

 private:
  std::string text(const std::vector<std::string>& levels, bool may_have_rest) {
    std::string out = below(3) == 0 ? "/" : "";
    for (size_t n = below(4); n > 0; --n)
      out += levels[below(levels.size())] + (below(2) == 0 ? "." : "/");
    constexpr std::string_view kRests[] = {"#", ">", "**"};
    out += may_have_rest && below(3) == 0 ? std::string(kRests[below(3)])
                                          : levels[below(levels.size())];
    return out;
  }
  std::mt19937 random_;
};

TEST(PatternTrie, AgreesWithANaiveMatcherWhateverComesAndGoes) {
  for (uint32_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    Chance chance(seed);
    PatternTrie<std::string> trie(seed);
    std::map<std::string, std::string> model;  // normalised -> value
    for (int n = 0; n < 400; ++n) {
      const std::string pattern = chance.pattern();
      if (chance.below(5) < 3) {
        const std::string value = tests::normalised_pattern(pattern);
        std::string& there = trie.insert(pattern);
        ASSERT_EQ(there.empty(), !model.contains(value));
        there = model[value] = value;
      } else {
        trie.erase(pattern);
        model.erase(tests::normalised_pattern(pattern));
      }
      ASSERT_EQ(trie.size(), model.size());
      const std::string name = chance.name();
      Texts expected;
      for (const auto& [key, value] : model) {
        if (tests::matches_naively(key, name)) expected.insert(value);
      }
      ASSERT_EQ(matches(trie, name), expected) << name;
    }
    for (const auto& [key, value] : model) trie.erase(key);
    size_t left = 0;
    trie.for_each([&](const std::string&) { ++left; });
    EXPECT_EQ(left, 0u);
    EXPECT_EQ(trie.size(), 0u);
    EXPECT_EQ(matches(trie, "a.b"), Texts{});
  }
}

}  // namespace
}  // namespace stampede::core
