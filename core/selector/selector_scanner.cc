#include "core/selector/selector_scanner.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

namespace stampede::core {

namespace {

constexpr std::array<std::string_view, 11> kKeywords = {
    "AND", "OR", "NOT", "BETWEEN", "IN", "LIKE", "ESCAPE", "IS", "NULL", "TRUE", "FALSE"};

// The longer ones first.
constexpr std::array<std::string_view, 14> kSymbols = {"<>", "!=", "<=", ">=", "=", "<", ">",
                                                       "+",  "-",  "*",  "/",  "(", ")", ","};

// What ActiveMQ and Artemis want before a selector to make it mean what it means here anyway.
constexpr std::array<std::string_view, 2> kPrefixes = {"convert_string_expressions:",
                                                       "hyphenated_props:"};

constexpr size_t kIndexDigitsMax = 9;

constexpr bool is_blank(char octet) {
  return octet == ' ' || octet == '\t' || octet == '\n' || octet == '\r' || octet == '\f';
}
constexpr bool is_digit(char octet) { return octet >= '0' && octet <= '9'; }
constexpr bool is_letter(char octet) {
  const char lower = static_cast<char>(octet | 0x20);
  return (lower >= 'a' && lower <= 'z') || octet == '_' || octet == '$';
}
constexpr bool is_ascii(char octet) { return static_cast<uint8_t>(octet) < 0x80; }
constexpr char upper(char octet) {
  return octet >= 'a' && octet <= 'z' ? static_cast<char>(octet - 0x20) : octet;
}

// Requires: valid UTF-8.
size_t character_bytes(char lead) {
  const auto octet = static_cast<uint8_t>(lead);
  return octet < 0x80 ? 1 : octet < 0xE0 ? 2 : octet < 0xF0 ? 3 : 4;
}

// Quotation marks, dashes, blanks and signs that a word processor or a web page put in the place
// of those of ASCII. Taken for letters they would make a name that no message has. Blocks, by the
// beginning of their UTF-8: U+0080 to U+00BF, U+2000 to U+2FFF, U+3000 to U+303F, U+F000 to U+FFFF.
bool is_punctuation(std::string_view text) {
  return text.starts_with('\xC2') || text.starts_with('\xE2') || text.starts_with("\xE3\x80") ||
         text.starts_with('\xEF');
}

// The keyword that the word is, in capitals; empty if it is none.
std::string_view keyword_of(std::string_view word) {
  const auto* const found =
      std::find_if(kKeywords.begin(), kKeywords.end(), [&](std::string_view keyword) {
        return std::equal(word.begin(), word.end(), keyword.begin(), keyword.end(),
                          [](char a, char b) { return upper(a) == b; });
      });
  return found == kKeywords.end() ? std::string_view() : *found;
}

}  // namespace

SelectorScanner::SelectorScanner(std::string_view text) : text_(text) {
  for (bool is_prefixed = true; is_prefixed;) {
    is_prefixed = false;
    for (const std::string_view prefix : kPrefixes) {
      if (!text_.substr(at_).starts_with(prefix)) continue;
      at_ += prefix.size();
      is_prefixed = true;
    }
  }
}

SelectorToken SelectorScanner::next() {
  while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
  if (at_ == text_.size()) return {.kind = Kind::kEnd, .at = at_, .text = {}};
  const char first = text_[at_];
  if (first == '\'') return take_quoted(Kind::kString);
  if (first == '"') return take_quoted(Kind::kQuotedName);
  if (is_digit(first) || (first == '.' && is_digit_at(at_ + 1))) return take_number();
  if (name_character_bytes(at_) > 0) return take_name();
  return take_symbol();
}

SelectorToken SelectorScanner::next_step() {
  const size_t begin = at_;
  if (is_at('.')) {
    ++at_;
    if (is_at('"')) return take_quoted(Kind::kQuotedName);
    if (at_ == text_.size() || name_character_bytes(at_) == 0) {
      return fail(at_, "expected the name of a member behind the '.'");
    }
    SelectorToken name = take_name();
    // Keywords are names like others here.
    name.text = text_.substr(name.at, at_ - name.at);
    name.kind = Kind::kName;
    return name;
  }
  if (is_at('[')) {
    const size_t end = after_digits(at_ + 1);
    const size_t digits = end - at_ - 1;
    if (digits == 0 || digits > kIndexDigitsMax || end == text_.size() || text_[end] != ']') {
      return fail(at_ + 1, "expected an index of at most 9 digits and ']'");
    }
    at_ = end + 1;
    return {.kind = Kind::kInteger, .at = begin, .text = text_.substr(begin + 1, digits)};
  }
  return {.kind = Kind::kEnd, .at = begin, .text = {}};
}

SelectorToken SelectorScanner::take(Kind kind, size_t size) {
  const SelectorToken token = {.kind = kind, .at = at_, .text = text_.substr(at_, size)};
  at_ += size;
  return token;
}

SelectorToken SelectorScanner::fail(size_t at, std::string error) {
  error_ = std::move(error);
  at_ = text_.size();
  return {.kind = Kind::kError, .at = at, .text = {}};
}

SelectorToken SelectorScanner::take_name() {
  size_t end = at_;
  while (end < text_.size()) {
    // A hyphen belongs to the name if the name goes on behind it.
    const size_t ahead = text_[end] == '-' && end + 1 < text_.size() ? 1 : 0;
    const size_t size = name_character_bytes(end + ahead);
    if (size == 0) break;
    end += ahead + size;
  }
  SelectorToken token = take(Kind::kName, end - at_);
  if (const std::string_view keyword = keyword_of(token.text); !keyword.empty()) {
    token.kind = Kind::kKeyword;
    token.text = keyword;
  }
  return token;
}

SelectorToken SelectorScanner::take_quoted(Kind kind) {
  const size_t begin = at_;
  const char quote = text_[begin];
  for (size_t end = begin + 1; end < text_.size(); ++end) {
    if (text_[end] != quote) continue;
    if (end + 1 < text_.size() && text_[end + 1] == quote) {
      ++end;
      continue;
    }
    at_ = end + 1;
    return {.kind = kind, .at = begin, .text = text_.substr(begin + 1, end - begin - 1)};
  }
  return fail(begin, kind == Kind::kString ? "the string that begins here does not end"
                                           : "the quoted name that begins here does not end");
}

SelectorToken SelectorScanner::take_number() {
  Kind kind = Kind::kInteger;
  size_t end = after_digits(at_);
  if (end < text_.size() && text_[end] == '.') {
    kind = Kind::kNumber;
    end = after_digits(end + 1);
  }
  if (end < text_.size() && upper(text_[end]) == 'E') {
    const bool is_signed =
        end + 1 < text_.size() && (text_[end + 1] == '+' || text_[end + 1] == '-');
    const size_t digits = end + (is_signed ? 2 : 1);
    if (!is_digit_at(digits)) return fail(at_, "the exponent of this number has no digits");
    kind = Kind::kNumber;
    end = after_digits(digits);
  }
  size_t after = end;
  if (end < text_.size()) {
    const char suffix = upper(text_[end]);
    if (suffix == 'F' || suffix == 'D') {
      kind = Kind::kNumber;
      ++after;
    } else if (suffix == 'L' && kind == Kind::kInteger) {
      ++after;
    }
  }
  if (after < text_.size() && (name_character_bytes(after) > 0 || text_[after] == '.')) {
    return fail(after, "expected a blank or an operator behind the number, found " +
                           describe_character(text_, after));
  }
  const SelectorToken token = take(kind, end - at_);
  at_ = after;
  return token;
}

SelectorToken SelectorScanner::take_symbol() {
  for (const std::string_view symbol : kSymbols) {
    if (text_.substr(at_).starts_with(symbol)) return take(Kind::kSymbol, symbol.size());
  }
  return fail(at_, describe_character(text_, at_) + " has no meaning in a selector");
}

bool SelectorScanner::is_digit_at(size_t at) const {
  return at < text_.size() && is_digit(text_[at]);
}

size_t SelectorScanner::after_digits(size_t at) const {
  while (is_digit_at(at)) ++at;
  return at;
}

size_t SelectorScanner::name_character_bytes(size_t at) const {
  const char octet = text_[at];
  if (is_ascii(octet)) return is_letter(octet) || is_digit(octet) ? 1 : 0;
  return is_punctuation(text_.substr(at)) ? 0 : character_bytes(octet);
}

std::string describe_character(std::string_view text, size_t at) {
  const char octet = text[at];
  if (octet > ' ' && octet <= '~') return std::string("'") + octet + "'";
  if (!is_ascii(octet)) return "'" + std::string(text.substr(at, character_bytes(octet))) + "'";
  std::array<char, 16> hex = {};
  std::snprintf(hex.data(), hex.size(), "0x%02X", static_cast<unsigned>(octet));
  return "the octet " + std::string(hex.data());
}

}  // namespace stampede::core
