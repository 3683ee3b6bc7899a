#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "core/options.h"
#include "core/selector/selector_program.h"
#include "core/selector/selector_subject.h"
#include "proto/base/result.h"

namespace stampede::core {

// Selector is the condition that a SUBSCRIBE sets in its header `selector`: the SQL-92 subset of
// JMS 2.0 section 3.8 on headers, and on members of a JSON body (core/selector/README.md).
//
// Thread:    any; it does not change.
class Selector {
 public:
  // The error is one readable sentence with the column.
  [[nodiscard]] static Result<std::shared_ptr<const Selector>> parse(std::string_view text,
                                                                     const Options& options);

  // True only for TRUE: neither FALSE nor UNKNOWN matches.
  //
  // Requires: the subject has a message.
  [[nodiscard]] bool matches(SelectorSubject& subject) const {
    return program_.run(subject).is_true();
  }
  [[nodiscard]] std::string_view text() const { return text_; }

 private:
  Selector(std::string_view text, SelectorProgram program)
      : text_(text), program_(std::move(program)) {}

  const std::string text_;
  const SelectorProgram program_;
};

}  // namespace stampede::core
