#pragma once

#include <string_view>

#include "core/selector/selector_program.h"
#include "proto/base/result.h"

namespace stampede::core {

// What a name in a selector stands for.
struct SelectorName {
  SelectorOp op = SelectorOp::kHeader;
  std::string_view header;  // if op is kHeader; a view of the name or of a constant
};

// The header of that name; those that a message has apart from its headers are found too. The error
// is a sentence.
[[nodiscard]] Result<SelectorName> find_header(std::string_view name);

// The same for a name without quotes, where a name of JMS means the header that STOMP has for it.
[[nodiscard]] Result<SelectorName> find_unquoted_name(std::string_view name);

}  // namespace stampede::core
