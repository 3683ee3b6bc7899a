#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/selector/selector_scanner.h"

namespace stampede::core {

// SelectorReader stands at one token of a selector and says in a sentence what is wrong there.
//
// Invariant: the first error counts. Behind it each token is a kError, which nothing takes.
class SelectorReader {
 public:
  // Requires: UTF-8.
  explicit SelectorReader(std::string_view text) : text_(text), scanner_(text) { advance(); }

  [[nodiscard]] const SelectorToken& token() const { return token_; }
  void advance();
  // True, and one token on, if it is this one.
  bool take_symbol(std::string_view symbol);
  bool take_keyword(std::string_view keyword);
  // As SelectorScanner has them, right behind the token.
  [[nodiscard]] SelectorToken next_step();
  [[nodiscard]] bool is_at(char octet) const { return scanner_.is_at(octet); }
  // What the token says, without its quotes.
  [[nodiscard]] static std::string text_of(const SelectorToken& token);

  // Each gives false.
  bool fail(size_t at, const std::string& sentence);
  bool fail_expected(std::string_view expected);
  [[nodiscard]] bool has_failed() const { return !error_.empty(); }
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  const std::string_view text_;
  SelectorScanner scanner_;
  SelectorToken token_;
  std::string error_;
};

}  // namespace stampede::core
