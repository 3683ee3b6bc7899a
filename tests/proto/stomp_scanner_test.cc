#include "proto/stomp_scanner.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace stampede::proto {
namespace {

using Block = std::array<uint8_t, 64>;

// The meaning of the masks, written without any of the code under test.
StompMarks naive_marks(const uint8_t* block) {
  StompMarks marks{};
  for (unsigned n = 0; n < 64; ++n) {
    const uint64_t bit = uint64_t{1} << n;
    switch (block[n]) {
      case 0x0A:
        marks.line_feed |= bit;
        break;
      case 0x0D:
        marks.carriage_return |= bit;
        break;
      case 0x3A:
        marks.colon |= bit;
        break;
      case 0x5C:
        marks.backslash |= bit;
        break;
      case 0x00:
        marks.nul |= bit;
        break;
      default:
        break;
    }
  }
  return marks;
}

void expect_same_marks(const StompMarks& marks, const StompMarks& expected) {
  EXPECT_EQ(marks.line_feed, expected.line_feed);
  EXPECT_EQ(marks.carriage_return, expected.carriage_return);
  EXPECT_EQ(marks.colon, expected.colon);
  EXPECT_EQ(marks.backslash, expected.backslash);
  EXPECT_EQ(marks.nul, expected.nul);
}

std::string name_of(ScannerImplementation implementation) {
  switch (implementation) {
    case ScannerImplementation::kScalar:
      return "Scalar";
    case ScannerImplementation::kSse2:
      return "Sse2";
    case ScannerImplementation::kAvx2:
      return "Avx2";
  }
  return "";
}

class StompScanner : public testing::TestWithParam<ScannerImplementation> {
 protected:
  void SetUp() override {
    if (!scanner_is_supported(GetParam())) GTEST_SKIP() << "this CPU does not have it";
    classify_ = scanner(GetParam());
  }

  ClassifyBlock classify_ = nullptr;
};

TEST_P(StompScanner, MarksEachOctetValueInEachPlace) {
  for (unsigned value = 0; value < 256; ++value) {
    for (unsigned place = 0; place < 64; ++place) {
      Block block;
      block.fill('a');
      block[place] = static_cast<uint8_t>(value);
      expect_same_marks(classify_(block.data()), naive_marks(block.data()));
      ASSERT_FALSE(HasFailure()) << "value " << value << " in place " << place;
    }
  }
}

TEST_P(StompScanner, AgreesWithTheNaiveTwinOnRandomBlocksAtAnyAlignment) {
  constexpr std::array<uint8_t, 8> kFrequent = {'\n', '\r', ':', '\\', '\0', 'a', 0x8A, 0xFF};
  std::mt19937 random(20240521);
  std::vector<uint8_t> octets(64 + 64);
  for (int round = 0; round < 20000; ++round) {
    for (uint8_t& octet : octets) {
      const auto number = static_cast<uint32_t>(random());
      octet = (number & 1) != 0 ? kFrequent[(number >> 1) % kFrequent.size()]
                                : static_cast<uint8_t>(number >> 24);
    }
    const uint8_t* const block = octets.data() + random() % 64;
    expect_same_marks(classify_(block), naive_marks(block));
    ASSERT_FALSE(HasFailure()) << "round " << round;
  }
}

TEST_P(StompScanner, ReadsExactly64Octets) {
  // The allocation ends where the block does: a sanitizer sees one octet more.
  const std::vector<uint8_t> block(64, ':');
  EXPECT_EQ(classify_(block.data()).colon, ~uint64_t{0});
}

INSTANTIATE_TEST_SUITE_P(EachImplementation, StompScanner,
                         testing::Values(ScannerImplementation::kScalar,
                                         ScannerImplementation::kSse2,
                                         ScannerImplementation::kAvx2),
                         [](const auto& tested) { return name_of(tested.param); });

TEST(StompScannerChoice, EachImplementationIsItsOwnFunction) {
  const ClassifyBlock scalar = scanner(ScannerImplementation::kScalar);
#if defined(__x86_64__)
  ASSERT_TRUE(scanner_is_supported(ScannerImplementation::kSse2));
  EXPECT_NE(scanner(ScannerImplementation::kSse2), scalar);
#endif
  if (scanner_is_supported(ScannerImplementation::kAvx2)) {
    EXPECT_NE(scanner(ScannerImplementation::kAvx2), scanner(ScannerImplementation::kSse2));
    EXPECT_NE(scanner(ScannerImplementation::kAvx2), scalar);
  }
}

TEST(StompScannerChoice, TakesTheFastestThatTheCpuHas) {
#if defined(__x86_64__)
  const bool has_avx2 = __builtin_cpu_supports("avx2") != 0;
  const auto expected = has_avx2 ? ScannerImplementation::kAvx2 : ScannerImplementation::kSse2;
#else
  const auto expected = ScannerImplementation::kScalar;
#endif
  EXPECT_EQ(best_scanner(), expected) << "it runs " << name_of(best_scanner());
  EXPECT_EQ(chosen_scanner(), scanner(expected));
}

TEST(StompScannerChoice, ClassifyBlockGivesTheMarks) {
  Block block;
  block.fill(':');
  block[63] = '\n';
  expect_same_marks(classify_block(block.data()), naive_marks(block.data()));
}

}  // namespace
}  // namespace stampede::proto
