#include "proto/stomp_escape.h"

#include <cstring>
#include <optional>

#include "proto/stomp_scanner.h"

namespace stampede::proto {
namespace {

bool has_marks(const uint8_t* block) {
  const StompMarks marks = classify_block(block);
  return (marks.line_feed | marks.carriage_return | marks.colon | marks.backslash | marks.nul) != 0;
}

// What the octet behind a backslash stands for: STOMP 1.1 and 1.2, "Value Encoding"; \r is new
// in 1.2.
std::optional<char> unescaped(char letter, StompVersion version) {
  switch (letter) {
    case 'n':
      return '\n';
    case 'c':
      return ':';
    case '\\':
      return '\\';
    case 'r':
      if (version == StompVersion::k12) return '\r';
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

// The letter that follows the backslash in the escape of `octet`, or 0 for an ordinary octet.
char escape_letter(char octet) {
  switch (octet) {
    case '\n':
      return 'n';
    case ':':
      return 'c';
    case '\\':
      return '\\';
    case '\r':
      return 'r';
    default:
      return 0;
  }
}

bool is_expressible(std::string_view text, StompVersion version, HeaderPart part) {
  using namespace std::string_view_literals;
  switch (version) {
    case StompVersion::k10:
      return text.find_first_of(part == HeaderPart::kName ? "\n\r:\0"sv : "\n\r\0"sv) == text.npos;
    case StompVersion::k11:
      return text.find_first_of("\r\0"sv) == text.npos;
    case StompVersion::k12:
      break;
  }
  return text.find('\0') == text.npos;
}

}  // namespace

bool is_plain_header_text(std::string_view text) {
  const auto* octets = reinterpret_cast<const uint8_t*>(text.data());
  size_t at = 0;
  for (; text.size() - at >= 64; at += 64) {
    if (has_marks(octets + at)) return false;
  }
  if (at == text.size()) return true;
  // The block's rest is filled with an octet that means nothing: nothing behind the text is read.
  uint8_t last[64];
  std::memset(last, ' ', sizeof(last));
  std::memcpy(last, octets + at, text.size() - at);
  return !has_marks(last);
}

bool append_escaped(std::string& out, std::string_view text, StompVersion version,
                    HeaderPart part) {
  if (is_plain_header_text(text)) {
    out.append(text);
    return true;
  }
  if (!is_expressible(text, version, part)) return false;
  if (version == StompVersion::k10) {
    out.append(text);
    return true;
  }
  for (const char octet : text) {
    if (const char letter = escape_letter(octet); letter != 0) {
      out.push_back('\\');
      out.push_back(letter);
    } else {
      out.push_back(octet);
    }
  }
  return true;
}

bool is_well_escaped(std::string_view text, StompVersion version) {
  if (version == StompVersion::k10) return true;
  for (size_t at = text.find('\\'); at != text.npos; at = text.find('\\', at + 2)) {
    if (at + 1 == text.size() || !unescaped(text[at + 1], version)) return false;
  }
  return true;
}

bool append_unescaped(std::string& out, std::string_view text, StompVersion version) {
  if (!is_well_escaped(text, version)) return false;
  if (version == StompVersion::k10) {
    out.append(text);
    return true;
  }
  size_t from = 0;
  for (size_t at = text.find('\\'); at != text.npos; at = text.find('\\', from)) {
    out.append(text, from, at - from);
    out.push_back(*unescaped(text[at + 1], version));
    from = at + 2;
  }
  out.append(text, from);
  return true;
}

}  // namespace stampede::proto
