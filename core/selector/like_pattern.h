#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "proto/base/result.h"

// Patterns of LIKE: `%` is any text, `_` is any one character of UTF-8.
//
// A hostile subscriber picks the pattern and a hostile publisher the text, so a match takes time in
// proportion to their sizes, whatever they are: the parts between two `%` are searched for from
// left to right, each behind the one before, and each search is linear.

namespace stampede::core {

// A part between two `%` that holds `_` has one bit of a word for each octet.
inline constexpr size_t kLikePartBytesMax = 64;

// `pattern` with its wildcards told apart from the text, for matches_like(). The character
// `escape` (empty: none) takes its meaning from a wildcard or escape behind it. The error is a
// sentence without subject.
//
// Requires: UTF-8.
[[nodiscard]] Result<std::string> encode_like(std::string_view pattern, std::string_view escape);

// Requires: `pattern` is of encode_like(). The text may be anything; octets that continue a
// character belong to what is before them.
[[nodiscard]] bool matches_like(std::string_view pattern, std::string_view text);

}  // namespace stampede::core
