#pragma once

#include <cstdint>

namespace stampede::proto {

// Which of 64 octets are the five that the STOMP grammar gives meaning to: bit n is octet n.
struct StompMarks {
  uint64_t line_feed;
  uint64_t carriage_return;
  uint64_t colon;
  uint64_t backslash;
  uint64_t nul;
};

enum class ScannerImplementation : uint8_t { kScalar, kSse2, kAvx2 };

// Classifies exactly 64 octets at `block` (any alignment; all 64 must be readable). Thread: any (no
// state).
using ClassifyBlock = StompMarks (*)(const uint8_t* block);

[[nodiscard]] bool scanner_is_supported(ScannerImplementation implementation);
// Requires: scanner_is_supported(implementation).
[[nodiscard]] ClassifyBlock scanner(ScannerImplementation implementation);
// The fastest one that this CPU runs, chosen once at start-up.
[[nodiscard]] ScannerImplementation best_scanner();
// The function that classify_block() runs. Neither is for static initialisers.
[[nodiscard]] ClassifyBlock chosen_scanner();
[[nodiscard]] StompMarks classify_block(const uint8_t* block);

}  // namespace stampede::proto
