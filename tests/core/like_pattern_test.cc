#include "core/selector/like_pattern.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace stampede::core {
namespace {

bool is_like(std::string_view text, std::string_view pattern, std::string_view escape = "") {
  const auto encoded = encode_like(pattern, escape);
  EXPECT_TRUE(encoded.has_value()) << pattern;
  return encoded && matches_like(*encoded, text);
}

TEST(LikePattern, WithoutWildcardsIsTheTextItself) {
  EXPECT_TRUE(is_like("abc", "abc"));
  EXPECT_FALSE(is_like("abcd", "abc"));
  EXPECT_FALSE(is_like("ab", "abc"));
  EXPECT_FALSE(is_like("ABC", "abc"));
  EXPECT_TRUE(is_like("", ""));
  EXPECT_FALSE(is_like("a", ""));
}

TEST(LikePattern, TakesAnyTextForAPercentSign) {
  for (const char* pattern : {"%", "%%", "a%", "%d", "%bc%", "a%d", "a%b%c%d", "ab%cd", "%abcd%"}) {
    EXPECT_TRUE(is_like("abcd", pattern)) << pattern;
  }
  for (const char* pattern : {"b%", "%c", "%cb%", "abc%bcd", "a%b%b%d", "abcd%d", "%abcde%"}) {
    EXPECT_FALSE(is_like("abcd", pattern)) << pattern;
  }
  EXPECT_TRUE(is_like("", "%"));
  EXPECT_FALSE(is_like("", "%a%"));
}

TEST(LikePattern, TakesOneCharacterForAnUnderscore) {
  EXPECT_TRUE(is_like("abc", "_b_"));
  EXPECT_FALSE(is_like("abc", "__"));
  EXPECT_FALSE(is_like("abc", "____"));
  EXPECT_TRUE(is_like("aäc", "a_c"));
  EXPECT_TRUE(is_like("a漢😀", "a__"));
  EXPECT_FALSE(is_like("ä", "__"));
  EXPECT_TRUE(is_like("xä漢y", "%_漢_"));
  EXPECT_TRUE(is_like("ääx", "%_x%"));
  EXPECT_FALSE(is_like("x", "%_x%"));
  EXPECT_TRUE(is_like("漢ab", "%_%ab"));
  EXPECT_FALSE(is_like("漢", "%_%_%"));
}

TEST(LikePattern, TakesWhatIsEscapedAsItIs) {
  EXPECT_TRUE(is_like("10%", "10!%", "!"));
  EXPECT_FALSE(is_like("100", "10!%", "!"));
  EXPECT_TRUE(is_like("a_b!", "a!_b!!", "!"));
  EXPECT_FALSE(is_like("axb!", "a!_b!!", "!"));
  EXPECT_TRUE(is_like("%x", "ä%%", "ä"));
  EXPECT_FALSE(is_like("x", "ä%%", "ä"));
  EXPECT_TRUE(is_like("%", "%%", "%"));
  EXPECT_TRUE(is_like("a\\b", "a\\b"));
}

TEST(LikePattern, RefusesAnEscapeThatHasNothingToEscape) {
  EXPECT_FALSE(encode_like("a!b", "!").has_value());
  EXPECT_FALSE(encode_like("a!", "!").has_value());
}

TEST(LikePattern, SearchesPartsOfSixtyFourOctetsWithUnderscores) {
  const std::string part(kLikePartBytesMax - 1, 'a');
  EXPECT_TRUE(is_like("xx" + part + "b" + "y", "%" + part + "_%"));
  EXPECT_TRUE(is_like("xx" + part + "b" + "y", "%_" + part + "%"));
  EXPECT_FALSE(is_like("xx" + part.substr(1), "%" + part + "_%"));
  EXPECT_FALSE(encode_like("%a" + part + "_%", "").has_value());
  EXPECT_TRUE(encode_like("%aa" + part + "%", "").has_value());
  EXPECT_TRUE(is_like("aa" + part + "b" + part + "aa", "aa" + part + "_%" + "_" + part + "a"));
}

TEST(LikePattern, FindsTheSameInShortAndInLongTexts) {
  const std::string part(kLikePartBytesMax - 1, 'a');
  for (const size_t before : {0, 900, 1100, 5000}) {
    const std::string text = std::string(before, 'a') + part + "b";
    EXPECT_TRUE(is_like(text + "c", "%" + part + "b%")) << before;
    EXPECT_TRUE(is_like(text + "c", "%" + part + "b%c")) << before;
    EXPECT_TRUE(is_like(text + "bc", "%a" + part.substr(1) + "bb%c")) << before;
    EXPECT_FALSE(is_like(text + "c", "%" + part + "bb%")) << before;
    EXPECT_FALSE(is_like(text, "%" + part + "%b%b")) << before;
  }
}

TEST(LikePattern, TakesAnyOctetsForAText) {
  EXPECT_TRUE(is_like("\xff\xfe\x80", "%"));
  EXPECT_FALSE(is_like("\xff", "a"));
  EXPECT_TRUE(is_like("\xff\x80", "_"));
  EXPECT_TRUE(is_like("\x80\x80", "_"));
  EXPECT_FALSE(is_like("\xff", "%a%"));
  EXPECT_TRUE(is_like(std::string_view("a\0b", 3), "a_b"));
}

using Characters = std::vector<std::string>;

std::string joined(const Characters& characters) {
  std::string text;
  for (const std::string& character : characters) text += character;
  return text;
}

// By the book, character by character, with all ways to fill a `%`.
bool is_like_in_model(const Characters& text, const Characters& pattern) {
  std::vector<bool> reached(text.size() + 1);
  reached[0] = true;
  for (const std::string& wanted : pattern) {
    std::vector<bool> next(text.size() + 1);
    for (size_t at = 0; at <= text.size(); ++at) {
      if (!reached[at]) continue;
      if (wanted == "%") {
        std::fill(next.begin() + static_cast<ptrdiff_t>(at), next.end(), true);
      } else if (at < text.size() && (wanted == "_" || wanted == text[at])) {
        next[at + 1] = true;
      }
    }
    reached = next;
  }
  return reached[text.size()];
}

TEST(LikePattern, BehavesAsACheckOfAllPossibilities) {
  std::mt19937 random(11);
  const Characters letters = {"a", "b", "ä", "漢", "a"};
  const Characters wildcards = {"%", "_"};
  size_t matches = 0;
  for (int round = 0; round < 100'000; ++round) {
    Characters text(random() % 10);
    for (std::string& character : text) character = letters[random() % letters.size()];
    Characters pattern(random() % 8);
    for (std::string& character : pattern) {
      character = random() % 2 ? letters[random() % letters.size()] : wildcards[random() % 2];
    }
    const bool expected = is_like_in_model(text, pattern);
    ASSERT_EQ(is_like(joined(text), joined(pattern)), expected)
        << joined(text) << " LIKE " << joined(pattern);
    matches += expected;
  }
  EXPECT_GT(matches, 10'000u);
  EXPECT_LT(matches, 90'000u);
}

}  // namespace
}  // namespace stampede::core
