#include "core/keyed_hash.h"

#include <gtest/gtest.h>

#include <string>

namespace stampede::core {
namespace {

// Octets 0, 1, 2, ... of the reference implementation's vectors.
constexpr HashKey kReferenceKey = {0x0706050403020100, 0x0f0e0d0c0b0a0908};

std::string counted_octets(int size) {
  std::string text;
  for (int n = 0; n < size; ++n) text += static_cast<char>(n);
  return text;
}

TEST(KeyedHash, IsSipHash24) {
  EXPECT_EQ(keyed_hash("", kReferenceKey), 0x726fdb47dd0e0e31u);
  EXPECT_EQ(keyed_hash(counted_octets(1), kReferenceKey), 0x74f839c593dc67fdu);
  EXPECT_EQ(keyed_hash(counted_octets(8), kReferenceKey), 0x93f5f5799a932462u);
  EXPECT_EQ(keyed_hash(counted_octets(15), kReferenceKey), 0xa129ca6149be45e5u);
}

TEST(KeyedHash, DependsOnBothHalvesOfTheKey) {
  EXPECT_NE(keyed_hash("a", {1, 2}), keyed_hash("a", {1, 3}));
  EXPECT_NE(keyed_hash("a", {1, 2}), keyed_hash("a", {0, 2}));
}

}  // namespace
}  // namespace stampede::core
