#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace stampede::core {

struct SelectorToken {
  enum class Kind : uint8_t {
    kEnd,
    kError,       // SelectorScanner::error() says what is wrong at `at`
    kName,        // letters, digits, _ $, and hyphens inside
    kQuotedName,  // "any text": the text between the quotes, each quote in it still doubled
    kString,      // 'any text', likewise
    kInteger,
    kNumber,   // with a fraction, an exponent or the suffix F or D; the suffix is not in the text
    kKeyword,  // AND, OR, ... in any case of letters
    kSymbol,   // = <> != < <= > >= + - * / ( ) ,
  };
  Kind kind = Kind::kEnd;
  size_t at = 0;  // offset of its first octet
  std::string_view text;

  [[nodiscard]] bool is(Kind wanted, std::string_view wanted_text) const {
    return kind == wanted && text == wanted_text;
  }
  [[nodiscard]] bool is_symbol(std::string_view symbol) const { return is(Kind::kSymbol, symbol); }
  // The text of a keyword is in capitals.
  [[nodiscard]] bool is_keyword(std::string_view keyword) const {
    return is(Kind::kKeyword, keyword);
  }
};

// SelectorScanner cuts a selector into tokens, one at a time, as only the parser knows where the
// steps of a path are.
//
// Requires: UTF-8. Lifetime: tokens are views of the text.
class SelectorScanner {
 public:
  explicit SelectorScanner(std::string_view text);

  [[nodiscard]] SelectorToken next();
  // A step of a path, which follows without a blank: kName or kQuotedName for `.key`, kInteger for
  // `[7]`, kEnd if there is none.
  [[nodiscard]] SelectorToken next_step();
  // True if the next token would begin with that octet, with no blank before it.
  [[nodiscard]] bool is_at(char octet) const { return at_ < text_.size() && text_[at_] == octet; }

  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  using Kind = SelectorToken::Kind;

  [[nodiscard]] SelectorToken take(Kind kind, size_t size);
  [[nodiscard]] SelectorToken fail(size_t at, std::string error);
  [[nodiscard]] SelectorToken take_name();
  [[nodiscard]] SelectorToken take_quoted(Kind kind);
  [[nodiscard]] SelectorToken take_number();
  [[nodiscard]] SelectorToken take_symbol();
  [[nodiscard]] bool is_digit_at(size_t at) const;
  [[nodiscard]] size_t after_digits(size_t at) const;
  // Octets of the character there, if it may be in a name; else 0.
  [[nodiscard]] size_t name_character_bytes(size_t at) const;

  const std::string_view text_;
  size_t at_ = 0;
  std::string error_;
};

// The character at that offset in a form that fits into a sentence.
[[nodiscard]] std::string describe_character(std::string_view text, size_t at);

}  // namespace stampede::core
