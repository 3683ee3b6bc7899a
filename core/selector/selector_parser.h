#pragma once

#include <string_view>

#include "core/options.h"
#include "core/selector/selector_program.h"
#include "proto/base/result.h"

namespace stampede::core {

// The text of a selector as a program (grammar: core/selector/README.md). The error is one sentence
// that names the column, counted in characters from 1, and what was expected there or which flag
// sets the limit.
[[nodiscard]] Result<SelectorProgram> parse_selector(std::string_view text, const Options& options);

}  // namespace stampede::core
