#include "proto/utf8.h"

#include <simdjson.h>

#include <algorithm>
#include <cstddef>

namespace stampede::proto {
namespace {

constexpr bool is_continuation(uint8_t octet) { return (octet & 0xC0) == 0x80; }

// Octets of the character that `lead` begins; 0 if no character begins with it (RFC 3629 section 4:
// C0 and C1 could only be overlong, F5 and above lie behind U+10FFFF).
constexpr size_t character_bytes(uint8_t lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xC2) return 0;
  if (lead < 0xE0) return 2;
  if (lead < 0xF0) return 3;
  return lead < 0xF5 ? 4 : 0;
}

// The second octet alone decides about overlong forms, surrogates and what lies behind U+10FFFF.
constexpr bool may_follow(uint8_t lead, uint8_t second) {
  switch (lead) {
    case 0xE0:
      return second >= 0xA0 && second <= 0xBF;
    case 0xED:
      return second >= 0x80 && second <= 0x9F;
    case 0xF0:
      return second >= 0x90 && second <= 0xBF;
    case 0xF4:
      return second >= 0x80 && second <= 0x8F;
    default:
      return is_continuation(second);
  }
}

// How many octets at the end of `text` begin a character without finishing it. Nothing else
// about the text is checked.
size_t unfinished_tail_bytes(std::span<const uint8_t> text) {
  const size_t reach = std::min<size_t>(text.size(), 3);
  for (size_t back = 1; back <= reach; ++back) {
    const uint8_t octet = text[text.size() - back];
    if (is_continuation(octet)) continue;
    return character_bytes(octet) > back ? back : 0;
  }
  return 0;
}

}  // namespace

bool is_valid_utf8(std::span<const uint8_t> text) {
  return text.empty() ||
         simdjson::validate_utf8(reinterpret_cast<const char*>(text.data()), text.size());
}

bool Utf8Stream::feed(std::span<const uint8_t> piece) {
  while (!failed_ && pending_size_ > 0 && !piece.empty()) {
    failed_ = !add_to_pending(piece.front());
    piece = piece.subspan(1);
  }
  if (failed_) return false;

  const size_t tail_bytes = unfinished_tail_bytes(piece);
  failed_ = !is_valid_utf8(piece.first(piece.size() - tail_bytes));
  for (const uint8_t octet : piece.last(tail_bytes)) {
    failed_ = failed_ || !add_to_pending(octet);
  }
  return !failed_;
}

void Utf8Stream::reset() {
  pending_size_ = 0;
  failed_ = false;
}

bool Utf8Stream::add_to_pending(uint8_t octet) {
  if (pending_size_ == 0 && character_bytes(octet) == 0) return false;
  if (pending_size_ == 1 && !may_follow(pending_[0], octet)) return false;
  if (pending_size_ > 1 && !is_continuation(octet)) return false;
  const bool is_last = pending_size_ + size_t{1} == character_bytes(pending_[0]);
  if (pending_size_ > 0 && is_last) {
    pending_size_ = 0;
  } else {
    pending_[pending_size_++] = octet;
  }
  return true;
}

}  // namespace stampede::proto
