#pragma once

#include <cstddef>
#include <cstdint>

namespace stampede::proto {

enum class UnmaskImplementation : uint8_t { kPortable, kAvx2 };

// Copies `size` octets from `masked` to `out`, each XORed with its octet of the masking key (RFC
// 6455 section 5.3): key[0] is that of the first. True if what came out is all ASCII. Requires: the
// two do not overlap. Thread: any (no state).
using UnmaskPayload = bool (*)(const uint8_t* masked, size_t size, const uint8_t key[4],
                               uint8_t* out);

[[nodiscard]] bool unmasker_is_supported(UnmaskImplementation implementation);
// Requires: unmasker_is_supported(implementation).
[[nodiscard]] UnmaskPayload unmasker(UnmaskImplementation implementation);
// The fastest one that this CPU runs, chosen once at start-up.
[[nodiscard]] UnmaskImplementation best_unmasker();
// The function that unmask_payload() runs. Neither is for static initialisers.
[[nodiscard]] UnmaskPayload chosen_unmasker();
bool unmask_payload(const uint8_t* masked, size_t size, const uint8_t key[4], uint8_t* out);

}  // namespace stampede::proto
