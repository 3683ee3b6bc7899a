#include "tools/json/json_writer.h"

#include <charconv>
#include <cmath>
#include <span>

#include "proto/utf8.h"

namespace stampede::json {

void JsonWriter::key(std::string_view name) {
  separate();
  text_ += json_string(name);
  text_ += ':';
  needs_comma_ = false;
}

void JsonWriter::value(std::string_view text) { literal(json_string(text)); }

void JsonWriter::value(double number) {
  if (!std::isfinite(number)) return null();
  // The shortest digits that read back as the same number.
  char digits[32];
  const std::to_chars_result end = std::to_chars(digits, digits + sizeof digits, number);
  literal({digits, end.ptr});
}

void JsonWriter::open(char bracket) {
  separate();
  text_ += bracket;
  needs_comma_ = false;
}

void JsonWriter::close(char bracket) {
  text_ += bracket;
  needs_comma_ = true;
}

void JsonWriter::literal(std::string_view text) {
  separate();
  text_ += text;
  needs_comma_ = true;
}

void JsonWriter::separate() {
  if (needs_comma_) text_ += ',';
}

std::string json_string(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  const bool is_utf8 =
      proto::is_valid_utf8({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  std::string result = "\"";
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (octet < 0x20 || octet == 0x7f || c == '<' || (octet >= 0x80 && !is_utf8)) {
      result += "\\u00";
      result += kHex[octet >> 4];
      result += kHex[octet & 15];
    } else {
      result += c;
    }
  }
  return result + "\"";
}

}  // namespace stampede::json
