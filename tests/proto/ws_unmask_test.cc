#include "proto/ws_unmask.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <tuple>
#include <vector>

namespace stampede::proto {
namespace {

using Octets = std::vector<uint8_t>;
using Key = std::array<uint8_t, 4>;

constexpr Key kKey = {0x37, 0xFA, 0x21, 0x3D};  // RFC 6455 section 5.7
constexpr size_t kSizesTried = 200;             // several steps of each implementation

// RFC 6455 section 5.3, octet by octet; masking and unmasking are the same.
Octets naive(const Octets& payload, const Key& key) {
  Octets out = payload;
  for (size_t at = 0; at < out.size(); ++at) out[at] ^= key[at % 4];
  return out;
}

std::string name_of(UnmaskImplementation implementation) {
  return implementation == UnmaskImplementation::kAvx2 ? "Avx2" : "Portable";
}

class WsUnmask : public testing::TestWithParam<UnmaskImplementation> {
 protected:
  void SetUp() override {
    if (!unmasker_is_supported(GetParam())) GTEST_SKIP() << "this CPU does not have it";
    unmask_ = unmasker(GetParam());
  }

  // Both allocations end where the payload does: a sanitizer sees one octet more.
  Octets unmask(const Octets& masked, const Key& key = kKey) {
    Octets out(masked.size());
    is_ascii_ = unmask_(masked.data(), masked.size(), key.data(), out.data());
    return out;
  }

  UnmaskPayload unmask_ = nullptr;
  bool is_ascii_ = false;
};

TEST_P(WsUnmask, ReadsTheExampleOfRfc6455Section57) {
  EXPECT_EQ(unmask({0x7F, 0x9F, 0x4D, 0x51, 0x58}), (Octets{'H', 'e', 'l', 'l', 'o'}));
}

TEST_P(WsUnmask, AgreesWithTheNaiveTwinOnEachSize) {
  std::mt19937 random(53);
  for (size_t size = 0; size <= kSizesTried; ++size) {
    Octets masked(size);
    for (uint8_t& octet : masked) octet = static_cast<uint8_t>(random());
    Key key;
    for (uint8_t& octet : key) octet = static_cast<uint8_t>(random());
    ASSERT_EQ(unmask(masked, key), naive(masked, key)) << size;
  }
}

TEST_P(WsUnmask, TakesAnyAlignment) {
  Octets masked(kSizesTried);
  for (size_t at = 0; at < masked.size(); ++at) masked[at] = static_cast<uint8_t>(at);
  Octets out(kSizesTried);
  for (size_t from = 0; from < 64; ++from) {
    for (size_t to = 0; to < 64; to += 7) {
      const Octets part(masked.begin() + static_cast<ptrdiff_t>(from), masked.begin() + 130);
      std::ignore = unmask_(masked.data() + from, part.size(), kKey.data(), out.data() + to);
      ASSERT_TRUE(std::ranges::equal(naive(part, kKey), std::span(out).subspan(to, part.size())));
    }
  }
}

TEST_P(WsUnmask, SeesEachOctetThatIsNotAscii) {
  for (size_t size = 1; size <= kSizesTried; ++size) {
    const Octets plain(size, 0x7F);
    ASSERT_EQ(unmask(naive(plain, kKey)), plain);
    ASSERT_TRUE(is_ascii_) << size;
    for (size_t place = 0; place < size; ++place) {
      Octets marked = plain;
      marked[place] = 0x80;
      ASSERT_EQ(unmask(naive(marked, kKey)), marked);
      ASSERT_FALSE(is_ascii_) << "octet " << place << " of " << size;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EachImplementation, WsUnmask,
                         testing::Values(UnmaskImplementation::kPortable,
                                         UnmaskImplementation::kAvx2),
                         [](const auto& tested) { return name_of(tested.param); });

TEST(WsUnmaskChoice, EachImplementationIsItsOwnFunction) {
  if (!unmasker_is_supported(UnmaskImplementation::kAvx2)) GTEST_SKIP() << "there is only one";
  EXPECT_NE(unmasker(UnmaskImplementation::kAvx2), unmasker(UnmaskImplementation::kPortable));
}

TEST(WsUnmaskChoice, TakesTheFastestThatTheCpuHas) {
#if defined(__x86_64__)
  const bool has_avx2 = __builtin_cpu_supports("avx2") != 0;
#else
  const bool has_avx2 = false;
#endif
  const auto expected = has_avx2 ? UnmaskImplementation::kAvx2 : UnmaskImplementation::kPortable;
  EXPECT_EQ(best_unmasker(), expected) << "it runs " << name_of(best_unmasker());
  EXPECT_EQ(chosen_unmasker(), unmasker(expected));
}

TEST(WsUnmaskChoice, UnmaskPayloadUnmasks) {
  const Octets plain(100, 'x');
  const Octets masked = naive(plain, kKey);
  Octets out(plain.size());
  EXPECT_TRUE(unmask_payload(masked.data(), masked.size(), kKey.data(), out.data()));
  EXPECT_EQ(out, plain);
}

}  // namespace
}  // namespace stampede::proto
