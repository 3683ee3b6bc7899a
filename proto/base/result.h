#pragma once

#include <expected>
#include <string>

namespace stampede {

// A set-up step gives a value or one line that says what went wrong and how to mend it.
template <typename T, typename E = std::string>
using Result = std::expected<T, E>;

}  // namespace stampede
