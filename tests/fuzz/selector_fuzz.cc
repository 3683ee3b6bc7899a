// Any text as a selector, on any headers and body. What must hold:
//   - a refusal is one sentence of UTF-8, and its column is in the text or just behind it;
//   - a condition is never TRUE together with its opposite, whatever it is wrapped in;
//   - what a subject found out about one message does not show in the next;
//   - a body is parsed at most once, and only by a selector that names it.
//
// Input: the selector up to the first NUL, then header lines `name:value` up to the next NUL, then
// the body.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/message.h"
#include "core/options.h"
#include "core/selector/selector.h"
#include "proto/base/check.h"
#include "proto/utf8.h"
#include "tests/core/make_message.h"

namespace {

using stampede::core::Message;
using stampede::core::Options;
using stampede::core::Selector;
using stampede::core::SelectorSubject;

constexpr size_t kBodyBytesMax = 2048;
constexpr uint64_t kSequence = 7;

std::string_view take_until(std::string_view& input, char separator) {
  const std::string_view taken = input.substr(0, input.find(separator));
  input.remove_prefix(taken.size() == input.size() ? taken.size() : taken.size() + 1);
  return taken;
}

std::vector<stampede::proto::StompHeader> read_headers(std::string_view lines) {
  std::vector<stampede::proto::StompHeader> headers;
  while (!lines.empty()) {
    std::string_view line = take_until(lines, '\n');
    const std::string_view name = take_until(line, ':');
    headers.push_back({name, line});
  }
  return headers;
}

void check_refusal(std::string_view text, std::string_view error) {
  CHECK(!error.empty() && error.size() < 300);
  CHECK(stampede::proto::is_valid_utf8(
      {reinterpret_cast<const uint8_t*>(error.data()), error.size()}));
  constexpr std::string_view kPlace = "selector, column ";
  if (!error.starts_with(kPlace)) return;
  const unsigned long column = std::strtoul(error.data() + kPlace.size(), nullptr, 10);
  CHECK(column >= 1 && column <= text.size() + 1);
}

// Refused only if the wrapping itself is too much.
bool matches_wrapped(const std::string& text, SelectorSubject& subject, bool if_refused) {
  const auto selector = Selector::parse(text, Options());
  if (selector) return (*selector)->matches(subject);
  const std::string& error = selector.error();
  CHECK(error.find("nested here") != error.npos || error.find("more than") != error.npos ||
        error.find("allows") != error.npos);
  return if_refused;
}

void check_matching(const std::string& text, const Selector& selector, const Message& message,
                    SelectorSubject& reused) {
  SelectorSubject fresh(kBodyBytesMax);
  fresh.begin(message);
  reused.begin(message);
  const uint64_t parsed_before = reused.bodies_parsed();
  const bool is_match = selector.matches(fresh);
  CHECK(selector.matches(reused) == is_match && selector.matches(fresh) == is_match);
  CHECK(selector.text() == text);

  // What ActiveMQ and Artemis put before a selector may stand nowhere else.
  const bool has_prefix = text.starts_with("convert_") || text.starts_with("hyphenated_");
  if (!has_prefix) {
    CHECK(matches_wrapped("(" + text + ")", fresh, is_match) == is_match);
    CHECK(matches_wrapped("NOT NOT (" + text + ")", fresh, is_match) == is_match);
    CHECK(matches_wrapped("FALSE OR (" + text + ") AND TRUE", fresh, is_match) == is_match);
    CHECK(matches_wrapped("(" + text + ") = TRUE", fresh, is_match) == is_match);
    CHECK(!is_match || !matches_wrapped("NOT (" + text + ")", fresh, false));
    CHECK(!matches_wrapped("(" + text + ") AND NOT (" + text + ")", fresh, false));
  }
  const bool names_body = text.find("body") != text.npos;
  CHECK(fresh.bodies_parsed() <= (names_body ? 1u : 0u));
  CHECK(reused.bodies_parsed() - parsed_before <= (names_body ? 1u : 0u));
  reused.end();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static SelectorSubject reused(kBodyBytesMax);
  std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string text(take_until(input, '\0'));
  const auto headers = read_headers(take_until(input, '\0'));
  const auto selector = Selector::parse(text, Options());
  if (!selector) {
    check_refusal(text, selector.error());
    return 0;
  }
  Message* message = stampede::tests::make_message({.headers = headers, .body = input});
  message->set_number(kSequence, "made-7");
  check_matching(text, **selector, *message, reused);
  message->drop_reference();
  return 0;
}
