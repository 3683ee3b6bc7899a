#pragma once

#include <cstdint>
#include <span>

namespace stampede::proto {

[[nodiscard]] bool is_valid_utf8(std::span<const uint8_t> text);

// Utf8Stream checks text that arrives in pieces, and fails at the first octet after which no
// continuation could make it valid (RFC 6455 section 8.1; RFC 3629).
//
// Owns:      up to three octets of an unfinished character; no heap. Thread: home shard.
// Invariant: the verdict does not depend on how the text was cut.
class Utf8Stream {
 public:
  // False: the text is not UTF-8; stays false until reset().
  [[nodiscard]] bool feed(std::span<const uint8_t> piece);
  // True if the text may end here.
  [[nodiscard]] bool at_character_border() const { return pending_size_ == 0 && !failed_; }
  void reset();

 private:
  // Requires: an unfinished character is pending, or `octet` begins one of several octets.
  bool add_to_pending(uint8_t octet);

  uint8_t pending_[3] = {};
  uint8_t pending_size_ = 0;
  bool failed_ = false;
};

}  // namespace stampede::proto
