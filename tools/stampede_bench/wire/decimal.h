#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

namespace stampede::bench {

// Plain decimal numbers, as every text protocol here has them.

inline void append_decimal(std::string& out, uint64_t number) {
  char digits[20];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, number);
  out.append(digits, end);
}

// False unless all of `text` is one number that fits.
template <class Integer>
[[nodiscard]] bool parse_decimal(std::string_view text, Integer& number) {
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && stopped == end && !text.empty() && text.front() != '-';
}

}  // namespace stampede::bench
