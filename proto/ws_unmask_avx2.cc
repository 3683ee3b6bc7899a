#include "proto/ws_unmask.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <bit>
#include <cstring>

// AVX2 is asked for function by function, for the reason given in stomp_scanner_avx2.cc.
#define STAMPEDE_AVX2 __attribute__((target("avx2")))

namespace stampede::proto {

bool unmask_avx2(const uint8_t* masked, size_t size, const uint8_t key[4], uint8_t* out);
bool unmask_portable(const uint8_t* masked, size_t size, const uint8_t key[4],
                     uint8_t* out);  // ws_unmask.cc

namespace {

constexpr size_t kStep = sizeof(__m256i);

// Gives the unmasked octets, which it also stores.
STAMPEDE_AVX2 __m256i unmask_step(const uint8_t* masked, uint32_t mask, uint8_t* out) {
  const __m256i octets = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(masked));
  const __m256i unmasked = _mm256_xor_si256(octets, _mm256_set1_epi32(static_cast<int>(mask)));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), unmasked);
  return unmasked;
}

}  // namespace

// PERF: 32 octets a step: a load, an XOR, a store. The last step ends with the payload, and does
// again some of what the one before it did.
STAMPEDE_AVX2 bool unmask_avx2(const uint8_t* masked, size_t size, const uint8_t key[4],
                               uint8_t* out) {
  if (size < kStep) return unmask_portable(masked, size, key, out);
  uint32_t mask = 0;
  std::memcpy(&mask, key, sizeof mask);
  const size_t last = size - kStep;
  // The octet at `last` has another of the key's octets; x86 has the first one lowest in the word.
  const uint32_t last_mask = std::rotr(mask, static_cast<int>(8 * (last % 4)));
  __m256i seen = unmask_step(masked + last, last_mask, out + last);
  for (size_t at = 0; at < last; at += kStep) {
    seen = _mm256_or_si256(seen, unmask_step(masked + at, mask, out + at));
  }
  return _mm256_movemask_epi8(seen) == 0;
}

}  // namespace stampede::proto

#endif
