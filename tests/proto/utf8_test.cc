#include "proto/utf8.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/split_feed.h"

namespace stampede::proto {
namespace {

using tests::for_each_split;
using tests::Pieces;

std::span<const uint8_t> octets(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

bool stream_accepts(const Pieces& pieces) {
  Utf8Stream stream;
  for (const auto piece : pieces) {
    if (!stream.feed(piece)) return false;
  }
  return stream.at_character_border();
}

// The octet at which a stream fed by single octets fails; the size if it does not.
size_t first_bad_octet(std::string_view text) {
  Utf8Stream stream;
  for (size_t at = 0; at < text.size(); ++at) {
    if (!stream.feed(octets(text.substr(at, 1)))) return at;
  }
  return text.size();
}

constexpr std::string_view kGood[] = {
    "",
    "plain",
    std::string_view("\0", 1),
    "\xC2\x80",
    "\xDF\xBF",
    "\xE0\xA0\x80",
    "\xED\x9F\xBF",
    "\xEE\x80\x80",
    "\xEF\xBF\xBF",  // a noncharacter
    "\xF0\x90\x80\x80",
    "\xF4\x8F\xBF\xBF",
    "\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5 and then some more text that fills a block or "
    "two of SIMD",
};

TEST(Utf8, TakesEveryWellFormedText) {
  for (const std::string_view text : kGood) {
    EXPECT_TRUE(is_valid_utf8(octets(text)));
    for_each_split(octets(text), [](const Pieces& pieces) { EXPECT_TRUE(stream_accepts(pieces)); });
  }
}

struct Bad {
  std::string_view text;
  size_t at;
};

TEST(Utf8, FailsAtTheFirstOctetThatNothingCouldMend) {
  const Bad cases[] = {
      {"\x80", 0},         {"ab\xBF", 2},       {"\xC0\x80", 0},     {"\xC1\xBF", 0},
      {"\xC2 ", 1},        {"\xE0\x80\x80", 1}, {"\xE0\x9F\xBF", 1}, {"\xED\xA0\x80", 1},
      {"\xED\xBF\xBF", 1}, {"\xE1\x80 ", 2},    {"\xF0\x80\x80", 1}, {"\xF0\x8F\xBF", 1},
      {"\xF4\x90\x80", 1}, {"\xF5", 0},         {"\xFF", 0},         {"\xF1\x80\x80\xC2", 3},
      {"\xE2\x28\xA1", 1}, {"\xC3\xA9\xA9", 2},
  };
  for (const Bad& bad : cases) {
    EXPECT_FALSE(is_valid_utf8(octets(bad.text)));
    EXPECT_EQ(first_bad_octet(bad.text), bad.at);
    const auto until_bad = octets(bad.text.substr(0, bad.at + 1));
    for_each_split(until_bad, [](const Pieces& pieces) {
      Utf8Stream stream;
      bool good = true;
      for (const auto piece : pieces) good = stream.feed(piece);
      EXPECT_FALSE(good);
    });
  }
}

TEST(Utf8, KeepsAnUnfinishedCharacterOpen) {
  for (const std::string_view text : {"\xC3", "a\xE2\x82", "\xF0\x9F\x98"}) {
    Utf8Stream stream;
    EXPECT_TRUE(stream.feed(octets(text)));
    EXPECT_FALSE(stream.at_character_border());
  }
}

TEST(Utf8, StaysFailedUntilReset) {
  Utf8Stream stream;
  EXPECT_FALSE(stream.feed(octets("\xFF")));
  EXPECT_FALSE(stream.feed(octets("a")));
  EXPECT_FALSE(stream.at_character_border());
  stream.reset();
  EXPECT_TRUE(stream.feed(octets("a")));
  EXPECT_TRUE(stream.at_character_border());
}

// RFC 3629 section 4, written out as its ranges.
bool reference_is_valid(std::string_view text) {
  size_t at = 0;
  const auto in = [&](size_t offset, int low, int high) {
    if (at + offset >= text.size()) return false;
    const int octet = static_cast<uint8_t>(text[at + offset]);
    return octet >= low && octet <= high;
  };
  const auto tail = [&](size_t offset) { return in(offset, 0x80, 0xBF); };
  while (at < text.size()) {
    if (in(0, 0x00, 0x7F)) {
      at += 1;
    } else if (in(0, 0xC2, 0xDF) && tail(1)) {
      at += 2;
    } else if (((in(0, 0xE0, 0xE0) && in(1, 0xA0, 0xBF)) || (in(0, 0xE1, 0xEC) && tail(1)) ||
                (in(0, 0xED, 0xED) && in(1, 0x80, 0x9F)) || (in(0, 0xEE, 0xEF) && tail(1))) &&
               tail(2)) {
      at += 3;
    } else if (((in(0, 0xF0, 0xF0) && in(1, 0x90, 0xBF)) || (in(0, 0xF1, 0xF3) && tail(1)) ||
                (in(0, 0xF4, 0xF4) && in(1, 0x80, 0x8F))) &&
               tail(2) && tail(3)) {
      at += 4;
    } else {
      return false;
    }
  }
  return true;
}

TEST(Utf8, AgreesWithTheGrammarOnRandomText) {
  constexpr uint8_t kOctets[] = {'a',  0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2,
                                 0xDF, 0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF1, 0xF4, 0xF5, 0xFF};
  std::mt19937 random(20240607);
  for (int round = 0; round < 200000; ++round) {
    std::string text;
    for (size_t size = random() % 6; size > 0; --size) {
      text += static_cast<char>(kOctets[random() % std::size(kOctets)]);
    }
    const bool valid = reference_is_valid(text);
    ASSERT_EQ(is_valid_utf8(octets(text)), valid);
    const size_t cut = random() % (text.size() + 1);
    ASSERT_EQ(stream_accepts({octets(text).first(cut), octets(text).subspan(cut)}), valid);
  }
}

}  // namespace
}  // namespace stampede::proto
