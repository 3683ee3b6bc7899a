#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "proto/base/check.h"
#include "proto/stomp_escape.h"
#include "proto/stomp_parser.h"
#include "tests/support/reference_stomp_parser.h"

namespace stampede::tests {

// Feeds the pieces to a fresh StompParser until they or it end, and keeps what it gave. Each piece
// is handed over in an allocation of its own size, freed before the next one: with a sanitizer, a
// read beyond the input or of an earlier one is found.
//
// `detail` gets the error's text; `after_feed` is called with the parser behind each feed().
inline ParseOutcome collect_stomp_frames(
    const std::vector<std::span<const uint8_t>>& pieces, proto::StompVersion version,
    const proto::StompLimits& limits, std::string* detail = nullptr,
    const std::function<void(const proto::StompParser&)>& after_feed = nullptr) {
  proto::StompParser parser;
  parser.set_version(version);
  ParseOutcome outcome;
  for (const std::span<const uint8_t> whole : pieces) {
    std::span<const uint8_t> rest = whole;
    while (!rest.empty()) {
      const std::vector<uint8_t> input(rest.begin(), rest.end());
      proto::StompFrame frame;
      const proto::ParseResult result = parser.feed(input, limits, frame);
      CHECK(result.consumed <= input.size());
      if (after_feed) after_feed(parser);
      rest = rest.subspan(result.consumed);
      if (result.status == proto::ParseStatus::kError) {
        CHECK(parser.error() != proto::StompError::kNone);
        CHECK(!parser.error_detail().empty());
        outcome.error = parser.error();
        if (parser.error_has_receipt()) outcome.receipt = std::string(parser.error_receipt());
        if (detail != nullptr) *detail = parser.error_detail();
        return outcome;
      }
      if (result.status == proto::ParseStatus::kNeedMore) {
        CHECK(rest.empty());
        break;
      }
      CHECK(parser.at_frame_border());
      CHECK(parser.memory_bytes() == 0);
      CHECK(frame.command == proto::stomp_command(frame.command_text));
      CHECK(frame.is_plain ==
            std::ranges::all_of(frame.headers, [](const proto::StompHeader& header) {
              return proto::is_plain_header_text(header.name) &&
                     proto::is_plain_header_text(header.value);
            }));
      ParsedFrame copy{.command = std::string(frame.command_text),
                       .headers = {},
                       .body = std::string(frame.body.begin(), frame.body.end())};
      for (const proto::StompHeader& header : frame.headers) {
        copy.headers.emplace_back(header.name, header.value);
      }
      outcome.frames.push_back(std::move(copy));
    }
  }
  return outcome;
}

}  // namespace stampede::tests
