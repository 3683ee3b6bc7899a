// Any octets as a line of the log. What must hold: as JSON it is valid and in ASCII, and of a text
// in quotes each octet reads back as the code point of the same number.
//
// Input: the line.

#include <simdjson.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "proto/base/check.h"
#include "tools/stampede/log_line.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  const auto is_ascii = [](std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c >= ' ' && c < 0x7f; });
  };
  simdjson::dom::parser parser;
  simdjson::dom::element element;

  const std::string members = '{' + stampede::tools::json_members(line) + '}';
  CHECK(is_ascii(members));
  CHECK(parser.parse(members).get(element) == simdjson::SUCCESS);
  std::string_view message;
  CHECK(element["msg"].get(message) == simdjson::SUCCESS);

  const std::string quoted = '[' + stampede::tools::json_string(line) + ']';
  CHECK(is_ascii(quoted));
  CHECK(parser.parse(quoted).get(element) == simdjson::SUCCESS);
  std::string_view read;
  CHECK(element.at(0).get(read) == simdjson::SUCCESS);
  std::string expected;
  for (const char c : line) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet >= 0x80) expected += static_cast<char>(0xc0 | octet >> 6);
    expected += static_cast<char>(octet >= 0x80 ? 0x80 | (octet & 0x3f) : octet);
  }
  CHECK(read == expected);
  return 0;
}
