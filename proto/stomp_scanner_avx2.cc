#include "proto/stomp_scanner.h"

#if defined(__x86_64__)

#include <immintrin.h>

// AVX2 is asked for function by function: with a flag for the whole file, inline functions of
// shared headers could be compiled here with AVX2 and then chosen by the linker for every caller.
#define STAMPEDE_AVX2 __attribute__((target("avx2")))

namespace stampede::proto {

StompMarks classify_avx2(const uint8_t* block);

namespace {

struct Block256 {
  __m256i low;
  __m256i high;
};

STAMPEDE_AVX2 uint64_t equal_mask(const Block256& block, char octet) {
  const __m256i wanted = _mm256_set1_epi8(octet);
  const int low = _mm256_movemask_epi8(_mm256_cmpeq_epi8(block.low, wanted));
  const int high = _mm256_movemask_epi8(_mm256_cmpeq_epi8(block.high, wanted));
  return static_cast<uint64_t>(static_cast<uint32_t>(low)) |
         static_cast<uint64_t>(static_cast<uint32_t>(high)) << 32;
}

}  // namespace

// PERF: two loads (the block is rarely aligned; at most one of them crosses a cache line), then ten
// independent compare and movemask pairs: half the work of the SSE2 twin for the same masks.
STAMPEDE_AVX2 StompMarks classify_avx2(const uint8_t* block) {
  const Block256 octets{
      .low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block)),
      .high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block + 32)),
  };
  return StompMarks{
      .line_feed = equal_mask(octets, '\n'),
      .carriage_return = equal_mask(octets, '\r'),
      .colon = equal_mask(octets, ':'),
      .backslash = equal_mask(octets, '\\'),
      .nul = equal_mask(octets, '\0'),
  };
}

}  // namespace stampede::proto

#endif
