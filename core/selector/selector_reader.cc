#include "core/selector/selector_reader.h"

#include <algorithm>
#include <cstdint>

namespace stampede::core {

namespace {

using Kind = SelectorToken::Kind;

constexpr size_t kFoundBytesMax = 40;  // of what a sentence repeats

constexpr bool is_continuation(char octet) { return (static_cast<uint8_t>(octet) & 0xC0) == 0x80; }

// The token in a form that fits into a sentence.
std::string describe(const SelectorToken& token) {
  if (token.kind == Kind::kEnd) return "the end";
  std::string text(token.text);
  if (text.size() > kFoundBytesMax) {
    size_t end = kFoundBytesMax;
    while (is_continuation(text[end])) --end;
    text = text.substr(0, end) + "...";
  }
  for (char& octet : text) {
    if (static_cast<uint8_t>(octet) < ' ') octet = ' ';
  }
  return (token.kind == Kind::kString ? "the string '" : "'") + text + "'";
}

}  // namespace

void SelectorReader::advance() {
  token_ = scanner_.next();
  if (token_.kind == Kind::kError) fail(token_.at, scanner_.error());
}

bool SelectorReader::take_symbol(std::string_view symbol) {
  if (!token_.is_symbol(symbol)) return false;
  advance();
  return true;
}

bool SelectorReader::take_keyword(std::string_view keyword) {
  if (!token_.is_keyword(keyword)) return false;
  advance();
  return true;
}

SelectorToken SelectorReader::next_step() {
  SelectorToken step = scanner_.next_step();
  if (step.kind == Kind::kError) fail(step.at, scanner_.error());
  return step;
}

std::string SelectorReader::text_of(const SelectorToken& token) {
  if (token.kind != Kind::kString && token.kind != Kind::kQuotedName) {
    return std::string(token.text);
  }
  const char quote = token.kind == Kind::kString ? '\'' : '"';
  std::string text;
  for (size_t n = 0; n < token.text.size(); ++n) {
    text += token.text[n];
    if (token.text[n] == quote) ++n;
  }
  return text;
}

bool SelectorReader::fail(size_t at, const std::string& sentence) {
  if (has_failed()) return false;
  const std::string_view before = text_.substr(0, at);
  const auto column = 1 + std::count_if(before.begin(), before.end(),
                                        [](char octet) { return !is_continuation(octet); });
  error_ = "selector, column " + std::to_string(column) + ": " + sentence;
  token_.kind = Kind::kError;
  return false;
}

bool SelectorReader::fail_expected(std::string_view expected) {
  return fail(token_.at, "expected " + std::string(expected) + ", found " + describe(token_));
}

}  // namespace stampede::core
