#pragma once

#include <string>
#include <string_view>

#include "proto/stomp_types.h"

namespace stampede::proto {

// True if the text reads the same in every STOMP version: no LF, CR, colon, backslash or NUL.
[[nodiscard]] bool is_plain_header_text(std::string_view text);

// Appends `text` as a header name or value of the given version (STOMP 1.2, "Value Encoding"). 1.1
// has no escape for CR and 1.0 none at all: returns false and appends nothing if the text cannot be
// written there without forging a header line; the caller leaves that header out. NUL can never be
// written. In a 1.0 value a colon is an ordinary octet; in a 1.0 name it cannot be written.
enum class HeaderPart : bool { kName, kValue };
[[nodiscard]] bool append_escaped(std::string& out, std::string_view text, StompVersion version,
                                  HeaderPart part);

// True if every escape sequence in the text is one that the version knows. A backslash at the end
// is none. In 1.0 a backslash is an ordinary octet.
[[nodiscard]] bool is_well_escaped(std::string_view text, StompVersion version);

// Undoes the escaping of `version`; appends to `out`. False, and nothing appended, unless
// is_well_escaped().
[[nodiscard]] bool append_unescaped(std::string& out, std::string_view text, StompVersion version);

}  // namespace stampede::proto
