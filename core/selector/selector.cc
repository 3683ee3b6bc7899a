#include "core/selector/selector.h"

#include <utility>

#include "core/selector/selector_parser.h"

namespace stampede::core {

Result<std::shared_ptr<const Selector>> Selector::parse(std::string_view text,
                                                        const Options& options) {
  Result<SelectorProgram> program = parse_selector(text, options);
  if (!program) return std::unexpected(std::move(program.error()));
  return std::shared_ptr<const Selector>(new Selector(text, std::move(*program)));
}

}  // namespace stampede::core
