#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace stampede::bench {

// Which publish a body belongs to, written at its front.
struct Stamp {
  uint32_t publisher = 0;  // below 2^24
  uint64_t number = 0;     // of this publisher, from 0; below 2^48
};

// Four letters for the publisher, eight for the number, and one that follows from these twelve, so
// that none of them can be altered alone.
inline constexpr size_t kStampBytes = 13;

// BodyText makes bodies of one size that say what they are and can be checked to the last octet.
// Printable ASCII without NUL, so that every dialect and every broker passes them on.
//
// Owns:      the text of one body. Thread: copied to each that needs it.
class BodyText {
 public:
  // Requires: size >= kStampBytes.
  explicit BodyText(size_t size);

  // Valid until the next call.
  [[nodiscard]] std::string_view make(const Stamp& stamp);
  // Nothing if it is not a body that make() wrote.
  [[nodiscard]] std::optional<Stamp> check(std::string_view body) const;

 private:
  std::string text_;
};

}  // namespace stampede::bench
