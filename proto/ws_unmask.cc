#include "proto/ws_unmask.h"

#include <cstring>

#include "proto/base/check.h"

namespace stampede::proto {

#if defined(__x86_64__)
bool unmask_avx2(const uint8_t* masked, size_t size, const uint8_t key[4],
                 uint8_t* out);  // ws_unmask_avx2.cc
#endif

// The plain twin, and what the other leaves short payloads to.
bool unmask_portable(const uint8_t* masked, size_t size, const uint8_t key[4], uint8_t* out);

namespace {

constexpr uint64_t kNotAscii = 0x8080808080808080;

// The key of the eight octets that begin `phase` octets behind one that key[0] belongs to. As key
// and payload become words in the same way, the machine's order of octets does not matter.
uint64_t key_word(const uint8_t key[4], size_t phase) {
  uint8_t octets[sizeof(uint64_t)];
  for (size_t n = 0; n < sizeof octets; ++n) octets[n] = key[(phase + n) % 4];
  uint64_t word = 0;
  std::memcpy(&word, octets, sizeof word);
  return word;
}

// Gives the unmasked octets, which it also stores.
uint64_t unmask_word(const uint8_t* masked, uint64_t mask, uint8_t* out) {
  uint64_t word = 0;
  std::memcpy(&word, masked, sizeof word);
  word ^= mask;
  std::memcpy(out, &word, sizeof word);
  return word;
}

// Set before main() and constant from then on, so that a call costs one load and one indirect jump
// that is always predicted.
const UnmaskPayload kUnmaskBest = unmasker(best_unmasker());

}  // namespace

// PERF: eight octets a step. The last step ends with the payload, and does again some of what the
// one before it did.
bool unmask_portable(const uint8_t* masked, size_t size, const uint8_t key[4], uint8_t* out) {
  constexpr size_t kStep = sizeof(uint64_t);
  uint64_t seen = 0;
  if (size < kStep) {
    for (size_t at = 0; at < size; ++at) {
      out[at] = static_cast<uint8_t>(masked[at] ^ key[at % 4]);
      seen |= out[at];
    }
    return (seen & kNotAscii) == 0;
  }
  const uint64_t mask = key_word(key, 0);
  const size_t last = size - kStep;
  for (size_t at = 0; at < last; at += kStep) seen |= unmask_word(masked + at, mask, out + at);
  seen |= unmask_word(masked + last, key_word(key, last % 4), out + last);
  return (seen & kNotAscii) == 0;
}

bool unmasker_is_supported(UnmaskImplementation implementation) {
  switch (implementation) {
    case UnmaskImplementation::kPortable:
      return true;
    case UnmaskImplementation::kAvx2:
#if defined(__x86_64__)
      // Needed as this may run in a static initialiser, before libgcc has looked at the CPU.
      __builtin_cpu_init();
      return __builtin_cpu_supports("avx2") != 0;
#else
      return false;
#endif
  }
  return false;
}

UnmaskPayload unmasker(UnmaskImplementation implementation) {
  CHECK(unmasker_is_supported(implementation));
#if defined(__x86_64__)
  if (implementation == UnmaskImplementation::kAvx2) return unmask_avx2;
#endif
  return unmask_portable;
}

UnmaskImplementation best_unmasker() {
  return unmasker_is_supported(UnmaskImplementation::kAvx2) ? UnmaskImplementation::kAvx2
                                                            : UnmaskImplementation::kPortable;
}

UnmaskPayload chosen_unmasker() { return kUnmaskBest; }

bool unmask_payload(const uint8_t* masked, size_t size, const uint8_t key[4], uint8_t* out) {
  return kUnmaskBest(masked, size, key, out);
}

}  // namespace stampede::proto
