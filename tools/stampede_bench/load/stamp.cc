#include "tools/stampede_bench/load/stamp.h"

#include <array>
#include <cstring>

#include "proto/base/check.h"

namespace stampede::bench {
namespace {

constexpr std::string_view kLetters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr uint8_t kNoLetter = 0x80;
constexpr size_t kPublisherLetters = 4;
constexpr size_t kNumberLetters = 8;
constexpr size_t kCheckLetter = kPublisherLetters + kNumberLetters;
static_assert(kCheckLetter + 1 == kStampBytes);

// The value of each letter; kNoLetter for every other octet.
constexpr std::array<uint8_t, 256> make_values() {
  std::array<uint8_t, 256> values = {};
  values.fill(kNoLetter);
  for (size_t index = 0; index < kLetters.size(); ++index)
    values[static_cast<uint8_t>(kLetters[index])] = static_cast<uint8_t>(index);
  return values;
}
constexpr std::array<uint8_t, 256> kValues = make_values();

void put_letters(char* at, uint64_t value, size_t letters) {
  for (size_t index = letters; index-- > 0; value >>= 6) at[index] = kLetters[value & 63];
}

// The exclusive or of all letters' values.
uint64_t check_value(uint64_t publisher, uint64_t number) {
  uint64_t value = publisher ^ number;
  value ^= value >> 24;
  value ^= value >> 12;
  value ^= value >> 6;
  return value & 63;
}

// Adds kNoLetter to `marks` if one of the octets is no letter.
uint64_t take_letters(const char* at, size_t letters, unsigned& marks) {
  uint64_t value = 0;
  for (size_t index = 0; index < letters; ++index) {
    const uint8_t letter = kValues[static_cast<uint8_t>(at[index])];
    marks |= letter;
    value = value << 6 | (letter & 63U);
  }
  return value;
}

}  // namespace

BodyText::BodyText(size_t size) : text_(size, kLetters[0]) {
  CHECK(size >= kStampBytes);
  for (size_t index = kStampBytes; index < size; ++index)
    text_[index] = static_cast<char>('a' + index % 26);
}

std::string_view BodyText::make(const Stamp& stamp) {
  put_letters(text_.data(), stamp.publisher, kPublisherLetters);
  put_letters(text_.data() + kPublisherLetters, stamp.number, kNumberLetters);
  text_[kCheckLetter] = kLetters[check_value(stamp.publisher, stamp.number)];
  return text_;
}

std::optional<Stamp> BodyText::check(std::string_view body) const {
  if (body.size() != text_.size()) return std::nullopt;
  if (std::memcmp(body.data() + kStampBytes, text_.data() + kStampBytes,
                  body.size() - kStampBytes) != 0)
    return std::nullopt;
  unsigned marks = 0;
  const uint64_t publisher = take_letters(body.data(), kPublisherLetters, marks);
  const uint64_t number = take_letters(body.data() + kPublisherLetters, kNumberLetters, marks);
  const uint64_t check = take_letters(body.data() + kCheckLetter, 1, marks);
  if ((marks & kNoLetter) != 0 || check != check_value(publisher, number)) return std::nullopt;
  return Stamp{static_cast<uint32_t>(publisher), number};
}

}  // namespace stampede::bench
