#include "core/commands/recall_options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "core/message.h"
#include "proto/stomp_escape.h"

namespace stampede::core {

namespace {

using Place = RecallFrom::Place;

constexpr std::array<std::string_view, 5> kHeaders = {"from-seq", "from-epoch", "x-stream-offset",
                                                      "include-seq", "include-position"};

std::optional<int64_t> number(std::string_view text) {
  int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return value;
}

// -1, 0 or a sequence.
bool read_from_seq(std::string_view text, RecallFrom& from) {
  const auto sequence = number(text);
  if (!sequence || *sequence < -1) return false;
  from.place = *sequence == -1 ? Place::kNext : *sequence == 0 ? Place::kFirst : Place::kSequence;
  if (*sequence > 0) from.sequence = static_cast<uint64_t>(*sequence);
  return true;
}

bool read_stream_offset(std::string_view text, const Options& options, RecallFrom& from) {
  constexpr std::string_view kOffset = "offset=";
  constexpr std::string_view kTimestamp = "timestamp=";
  // Seconds since 1970; a hundred thousand years from now no sum overflows yet.
  constexpr int64_t kSecondsMax = int64_t{100'000} * 366 * 86'400;
  if (text == "first") {
    from.place = Place::kFirst;
  } else if (text == "last") {
    from.place = Place::kLast;
  } else if (text == "next") {
    from.place = Place::kNext;
  } else if (text.starts_with(kOffset)) {
    const auto offset = number(text.substr(kOffset.size()));
    if (!offset || *offset < 0) return false;
    return read_from_seq(text.substr(kOffset.size()), from);
  } else if (text.starts_with(kTimestamp)) {
    const auto seconds = number(text.substr(kTimestamp.size()));
    if (!seconds || *seconds < 0 || *seconds > kSecondsMax) return false;
    from.place = Place::kTime;
    from.time = *seconds * 1'000 - options.wall_clock_offset_ms;
  } else {
    return false;
  }
  return true;
}

bool asks_for_recall(const proto::StompFrame& frame) {
  return std::ranges::any_of(frame.headers, [](const proto::StompHeader& header) {
    return std::ranges::find(kHeaders, header.name) != kHeaders.end();
  });
}

RecallOptionsError malformed(std::string_view sentence) {
  return {errors::kMalformedHeader, sentence};
}

std::unexpected<RecallOptionsError> unsupported(std::string_view sentence) {
  return std::unexpected(RecallOptionsError{errors::kUnsupportedHeader, sentence});
}

std::optional<RecallOptionsError> read_from(const proto::StompFrame& frame, const Options& options,
                                            RecallFrom& from) {
  const auto from_seq = frame.header("from-seq");
  const auto stream_offset = frame.header("x-stream-offset");
  if (from_seq && stream_offset) {
    return malformed("from-seq and x-stream-offset both say where to begin");
  }
  if (from_seq && !read_from_seq(*from_seq, from)) {
    return malformed("from-seq must be a sequence, 0 for all that is kept or -1 for what is new");
  }
  if (stream_offset && !read_stream_offset(*stream_offset, options, from)) {
    return malformed(
        "x-stream-offset must be first, last, next, offset= and a number, or timestamp= and "
        "seconds since 1970");
  }
  if (const auto epoch = frame.header("from-epoch")) {
    if (from.place != Place::kSequence) {
      return malformed("from-epoch needs from-seq or x-stream-offset with a sequence");
    }
    from.epoch = *epoch;
  }
  if (from_seq || stream_offset) return std::nullopt;
  if (frame.header("activemq.retroactive") == "true") {
    from.place = Place::kFirst;
  } else if (frame.header("retain") == "false") {
    from.place = Place::kNext;
  }
  return std::nullopt;
}

std::optional<RecallOptionsError> read_shown(const proto::StompFrame& frame, const Options& options,
                                             ShownPosition& shows) {
  shows.stream_offset = frame.header("x-stream-offset").has_value();
  shows.epoch_and_seq = frame.header("include-position") == "true";
  const auto name = frame.header("include-seq");
  if (!name) return std::nullopt;
  if (name->size() > options.subscription_id_bytes_max) {
    return RecallOptionsError{
        errors::kHeaderTooLong,
        "the name in include-seq is longer than --max-subscription-id-length allows"};
  }
  if (name->empty() || !proto::is_plain_header_text(*name) || is_header_of_broker(*name)) {
    return malformed(
        "include-seq must be the name of a header that the server does not use otherwise");
  }
  shows.seq_header = *name;
  return std::nullopt;
}

}  // namespace

Result<RecallOptions, RecallOptionsError> read_recall_options(
    const proto::StompFrame& frame, std::span<const MappedDestination> destinations,
    const Options& options) {
  RecallOptions result;
  const auto is_of = [](DestinationKind kind) {
    return [kind](const MappedDestination& one) { return one.kind == kind; };
  };
  if (std::ranges::any_of(destinations, is_of(DestinationKind::kQueue))) {
    if (!asks_for_recall(frame)) return result;
    return unsupported(
        "only topics have a history: from-seq, x-stream-offset, include-seq and include-position "
        "are not for queues");
  }
  if (const auto error = read_from(frame, options, result.from)) return std::unexpected(*error);
  if (const auto error = read_shown(frame, options, result.shows)) return std::unexpected(*error);
  const Place place = result.from.place;
  if (destinations.size() > 1 && place != Place::kRetained) {
    return unsupported("where to begin is said for one destination, not for several at once");
  }
  if (place == Place::kSequence &&
      std::ranges::any_of(destinations, is_of(DestinationKind::kPattern))) {
    return unsupported(
        "each destination that a pattern matches counts for itself: a pattern begins at from-seq 0 "
        "or -1, or at a timestamp");
  }
  const bool has_receipt = frame.header("receipt").has_value();
  // Who says where it was must be told whether it missed something.
  if ((place == Place::kSequence || place == Place::kTime) && !has_receipt) {
    return std::unexpected(RecallOptionsError{
        errors::kMissingReceipt,
        "whether all was recovered is said by the RECEIPT: the header receipt is missing"});
  }
  // Who names a place for the sake of what is kept only (retain, activemq.retroactive) does not
  // resume.
  const bool is_resume = frame.header("from-seq") || frame.header("x-stream-offset");
  result.tells_position =
      has_receipt && destinations.size() == 1 && (is_resume || !result.shows.is_none());
  return result;
}

}  // namespace stampede::core
