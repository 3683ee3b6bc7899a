#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace stampede::core {

using HashKey = std::array<uint64_t, 2>;

// SipHash-2-4 of the text. Who does not know the key cannot tell the hash of a text from chance,
// however many hashes of other texts he has seen; hash_text() does not promise that.
[[nodiscard]] uint64_t keyed_hash(std::string_view text, const HashKey& key);

}  // namespace stampede::core
