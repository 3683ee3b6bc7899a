#include "proto/stomp_scanner.h"

#include <initializer_list>

#include "proto/base/check.h"

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

namespace stampede::proto {

#if defined(__x86_64__)
StompMarks classify_avx2(const uint8_t* block);  // stomp_scanner_avx2.cc
#endif

namespace {

// The plain twin: what the masks mean, one octet at a time.
StompMarks classify_scalar(const uint8_t* block) {
  StompMarks marks{};
  for (unsigned n = 0; n < 64; ++n) {
    const uint8_t octet = block[n];
    marks.line_feed |= uint64_t{octet == '\n'} << n;
    marks.carriage_return |= uint64_t{octet == '\r'} << n;
    marks.colon |= uint64_t{octet == ':'} << n;
    marks.backslash |= uint64_t{octet == '\\'} << n;
    marks.nul |= uint64_t{octet == '\0'} << n;
  }
  return marks;
}

#if defined(__x86_64__)

struct Block128 {
  __m128i quarter[4];
};

uint64_t equal_mask(const Block128& block, char octet) {
  const __m128i wanted = _mm_set1_epi8(octet);
  uint64_t mask = 0;
  for (unsigned n = 0; n < 4; ++n) {
    const int bits = _mm_movemask_epi8(_mm_cmpeq_epi8(block.quarter[n], wanted));
    mask |= static_cast<uint64_t>(static_cast<uint32_t>(bits)) << (16 * n);
  }
  return mask;
}

// PERF: SSE2 is part of x86-64, so this one always runs. Four loads, then twenty independent
// compare and movemask pairs; the core is bound by the movemask port, about one a cycle.
StompMarks classify_sse2(const uint8_t* block) {
  Block128 octets;
  for (unsigned n = 0; n < 4; ++n) {
    octets.quarter[n] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 16 * n));
  }
  return StompMarks{
      .line_feed = equal_mask(octets, '\n'),
      .carriage_return = equal_mask(octets, '\r'),
      .colon = equal_mask(octets, ':'),
      .backslash = equal_mask(octets, '\\'),
      .nul = equal_mask(octets, '\0'),
  };
}

#endif

// Set before main() and constant from then on, so that a call costs one load and one indirect jump
// that is always predicted.
const ClassifyBlock kClassifyBest = scanner(best_scanner());

}  // namespace

bool scanner_is_supported(ScannerImplementation implementation) {
  switch (implementation) {
    case ScannerImplementation::kScalar:
      return true;
#if defined(__x86_64__)
    case ScannerImplementation::kSse2:
      return true;
    case ScannerImplementation::kAvx2:
      // Needed as this may run in a static initialiser, before libgcc has looked at the CPU.
      __builtin_cpu_init();
      return __builtin_cpu_supports("avx2") != 0;
#else
    case ScannerImplementation::kSse2:
    case ScannerImplementation::kAvx2:
      return false;
#endif
  }
  return false;
}

ClassifyBlock scanner(ScannerImplementation implementation) {
  CHECK(scanner_is_supported(implementation));
#if defined(__x86_64__)
  if (implementation == ScannerImplementation::kAvx2) return classify_avx2;
  if (implementation == ScannerImplementation::kSse2) return classify_sse2;
#endif
  return classify_scalar;
}

ScannerImplementation best_scanner() {
  for (const auto candidate : {ScannerImplementation::kAvx2, ScannerImplementation::kSse2}) {
    if (scanner_is_supported(candidate)) return candidate;
  }
  return ScannerImplementation::kScalar;
}

ClassifyBlock chosen_scanner() { return kClassifyBest; }

StompMarks classify_block(const uint8_t* block) { return kClassifyBest(block); }

}  // namespace stampede::proto
