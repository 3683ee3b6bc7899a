#include "tools/stampede/log_line.h"

#include <algorithm>
#include <vector>

namespace stampede::tools {
namespace {

struct Pair {
  std::string_view key;
  std::string value;
  bool is_number;
};

bool is_key_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; }

// The key at the front of `text`, if a '=' follows it.
std::string_view key_at(std::string_view text) {
  const auto end = std::ranges::find_if_not(text, is_key_letter);
  const auto length = static_cast<size_t>(end - text.begin());
  return length > 0 && length < text.size() && text[length] == '=' ? text.substr(0, length)
                                                                   : std::string_view();
}

// Digits that every JSON reader keeps exactly, and that are not written 007.
bool is_plain_number(std::string_view text) {
  constexpr size_t kDigitsKept = 15;
  if (text.empty() || text.size() > kDigitsKept || (text.size() > 1 && text.front() == '0'))
    return false;
  return std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// Takes `"..."` off the front; false if it is not closed. Only \" and \\ are undone: \x1b stays
// readable.
bool take_quoted(std::string_view& rest, std::string& value) {
  for (size_t at = 1; at < rest.size(); ++at) {
    if (rest[at] == '"') {
      rest.remove_prefix(at + 1);
      return true;
    }
    const bool escaped =
        rest[at] == '\\' && at + 1 < rest.size() && (rest[at + 1] == '"' || rest[at + 1] == '\\');
    if (escaped) ++at;
    value += rest[at];
  }
  return false;
}

// False unless all of `rest` is pairs.
bool take_pairs(std::string_view rest, std::vector<Pair>& pairs) {
  while (!rest.empty()) {
    const std::string_view key = key_at(rest);
    if (key.empty()) return false;
    rest.remove_prefix(key.size() + 1);
    Pair pair = {key, {}, false};
    if (rest.starts_with('"')) {
      if (!take_quoted(rest, pair.value)) return false;
    } else {
      pair.value = rest.substr(0, rest.find(' '));
      pair.is_number = is_plain_number(pair.value);
      rest.remove_prefix(pair.value.size());
    }
    if (!rest.empty() && rest.front() != ' ') return false;
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    pairs.push_back(std::move(pair));
  }
  return true;
}

// Where the first word begins that is a pair.
size_t find_pairs(std::string_view line) {
  for (size_t at = 0; at < line.size();) {
    if (!key_at(line.substr(at)).empty()) return at;
    const size_t blank = line.find(' ', at);
    if (blank == std::string_view::npos) break;
    at = blank + 1;
  }
  return line.size();
}

}  // namespace

std::string json_string(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string result = "\"";
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (octet < 0x20 || octet >= 0x7f) {
      // One octet, one escape: what is not ASCII may not be UTF-8 either.
      result += "\\u00";
      result += kHex[octet >> 4];
      result += kHex[octet & 15];
    } else {
      result += c;
    }
  }
  return result + "\"";
}

std::string json_members(std::string_view line) {
  const size_t split = find_pairs(line);
  std::vector<Pair> pairs;
  if (!take_pairs(line.substr(split), pairs)) return "\"msg\":" + json_string(line);
  std::string_view message = line.substr(0, split);
  while (message.ends_with(' ')) message.remove_suffix(1);
  std::string result = "\"msg\":" + json_string(message);
  for (const Pair& pair : pairs) {
    result += "," + json_string(pair.key) + ":";
    result += pair.is_number ? pair.value : json_string(pair.value);
  }
  return result;
}

}  // namespace stampede::tools
