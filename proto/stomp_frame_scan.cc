#include "proto/stomp_frame_scan.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <utility>

#include "proto/base/check.h"
#include "proto/stomp_escape.h"
#include "proto/stomp_scanner.h"

namespace stampede::proto {

namespace {

using Octets = StompFrameScan::Octets;

// Header marks are 32-bit offsets; no limit lets a frame's head pass this.
constexpr size_t kHeadBytesMax = size_t{1} << 30;
// A split frame is copied in pieces of this size while its end is unknown: at most one piece of the
// frames behind it is copied for nothing, and a piece is still in the first-level cache when it is
// scanned.
constexpr size_t kPieceBytes = 4096;

std::string_view text(Octets octets, size_t begin, size_t end) {
  return {reinterpret_cast<const char*>(octets.data()) + begin, end - begin};
}

uint64_t bits_below(size_t count) {
  return count >= 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1;
}

// `piece` holds 1 to 64 octets. A short one is copied into a full block, as nothing behind it may
// be read; the padding's marks are cleared.
StompMarks classify(Octets piece) {
  if (piece.size() == 64) return classify_block(piece.data());
  uint8_t block[64] = {};
  std::memcpy(block, piece.data(), piece.size());
  StompMarks marks = classify_block(block);
  marks.nul &= bits_below(piece.size());
  return marks;
}

// A header's name as a client sent it, made fit for one line of readable text.
std::string readable(std::string_view name) {
  constexpr size_t kShownMax = 64;
  std::string shown(name.substr(0, kShownMax));
  for (char& octet : shown) {
    if (octet < 0x20 || octet > 0x7E) octet = '?';
  }
  if (name.size() > kShownMax) shown += "...";
  return shown;
}

}  // namespace

size_t StompFrameScan::octets_wanted(size_t held, const StompLimits& limits) const {
  if (phase_ == Phase::kBodyOfLength) return head_bytes_ + content_length_ + 1 - held;
  if (held >= limits.frame_bytes_max) return 1;
  return std::min(kPieceBytes, limits.frame_bytes_max - held + 1);
}

// PERF: one classification per 64 octets; within a block the core only follows the bits of line
// feeds (and NULs, which end the frame), so the cost is per header and not per octet. A frame of a
// common size has its head in two or three blocks.
bool StompFrameScan::scan_head(Octets octets, const StompLimits& limits) {
  while (scanned_ < octets.size()) {
    const size_t base = scanned_;
    const size_t count = std::min<size_t>(64, octets.size() - base);
    const StompMarks marks = classify(octets.subspan(base, count));
    size_t from = 0;
    for (uint64_t stops = marks.line_feed | marks.nul; stops != 0; stops &= stops - 1) {
      const auto stop = static_cast<size_t>(std::countr_zero(stops));
      note_marks(marks, base, from, stop);
      if (!on_stop(octets, base + stop, limits)) return false;
      from = stop + 1;
      if (phase_ > Phase::kHeaders) {
        // The rest of the block is body, and classified already.
        const uint64_t body_nul = marks.nul & ~bits_below(from);
        scanned_ = base + (body_nul != 0 ? static_cast<size_t>(std::countr_zero(body_nul)) : count);
        return true;
      }
    }
    note_marks(marks, base, from, count);
    scanned_ = base + count;
    const bool within = phase_ == Phase::kCommand
                            ? command_within_limits(octets, scanned_, LineEnd::kOpen, limits)
                            : header_within_limits(octets, scanned_, LineEnd::kOpen, limits);
    if (!within) return false;
  }
  return false;
}

void StompFrameScan::note_marks(const StompMarks& marks, size_t base, size_t from, size_t to) {
  const uint64_t range = bits_below(to) & ~bits_below(from);
  uint64_t colons = marks.colon & range;
  if (line_colon_ == kNowhere && colons != 0) {
    line_colon_ = base + static_cast<size_t>(std::countr_zero(colons));
    colons &= colons - 1;
  }
  if ((colons | ((marks.backslash | marks.carriage_return) & range)) != 0) {
    note_rare_marks(marks.backslash & range, marks.carriage_return & range, colons);
  }
}

void StompFrameScan::note_rare_marks(uint64_t backslashes, uint64_t carriage_returns,
                                     uint64_t further_colons) {
  line_has_backslash_ |= backslashes != 0;
  if (phase_ != Phase::kHeaders) return;
  has_marks_in_text_ |= (backslashes | further_colons) != 0;
  carriage_returns_in_text_ += static_cast<size_t>(std::popcount(carriage_returns));
}

bool StompFrameScan::on_stop(Octets octets, size_t at, const StompLimits& limits) {
  const LineEnd how = octets[at] == '\n' ? LineEnd::kLineFeed : LineEnd::kNul;
  if (phase_ == Phase::kCommand) {
    if (!command_within_limits(octets, at, how, limits)) return false;
    if (how == LineEnd::kNul) {
      return fail(StompError::kMalformedFrame, "a NUL is inside the command line");
    }
    return on_command_line(octets, at);
  }
  if (!header_within_limits(octets, at, how, limits)) return false;
  if (how == LineEnd::kNul) {
    return fail(StompError::kMalformedFrame, "a NUL is inside the header lines");
  }
  size_t end = at;
  if (strips_carriage_return_ && end > line_start_ && octets[end - 1] == '\r') {
    --end;
    --carriage_returns_in_text_;
  }
  if (end == line_start_) return on_blank_line(at, limits);
  if (!on_header_line(octets, end)) return false;
  line_start_ = at + 1;
  line_colon_ = kNowhere;
  line_has_backslash_ = false;
  return true;
}

// CR LF ends a line in STOMP 1.2 only; a CONNECT or STOMP frame is read before the version is
// known, so it may have it whatever the version turns out to be (STOMP 1.2, "Augmented BNF").
bool StompFrameScan::strips_carriage_return(std::string_view command) const {
  return version_ == StompVersion::k12 || command == "CONNECT" || command == "STOMP";
}

bool StompFrameScan::on_command_line(Octets octets, size_t end) {
  command_bytes_ = end;
  if (octets[end - 1] == '\r' && strips_carriage_return(text(octets, 0, end - 1))) {
    --command_bytes_;
  }
  const std::string_view command = text(octets, 0, command_bytes_);
  command_ = stomp_command(command);
  strips_carriage_return_ = strips_carriage_return(command);
  const bool connects = command_ == StompCommand::kConnect || command_ == StompCommand::kStomp;
  literal_ = connects || command == "CONNECTED";
  // Only SEND, MESSAGE and ERROR have a body (STOMP 1.2, "Body"); 1.0 does not say so. A command
  // unknown to us is refused by its name, which tells more than its body.
  if (connects) {
    body_rule_ = BodyRule::kRefused;
  } else if (command_ != StompCommand::kSend && command_ != StompCommand::kUnknown) {
    body_rule_ = version_ == StompVersion::k10 ? BodyRule::kIgnored : BodyRule::kRefused;
  }
  phase_ = Phase::kHeaders;
  headers_start_ = line_start_ = end + 1;
  line_colon_ = kNowhere;
  line_has_backslash_ = false;
  return true;
}

bool StompFrameScan::on_header_line(Octets octets, size_t end) {
  if (line_colon_ == kNowhere) {
    return fail(StompError::kMalformedHeader, "a header line has no ':'");
  }
  if (line_colon_ == line_start_) {
    return fail(StompError::kMalformedHeader, "a header line has an empty name");
  }
  const std::string_view name = text(octets, line_start_, line_colon_);
  const std::string_view value = value_of(octets, line_colon_, end);
  const bool escaped = line_has_backslash_ && !literal_ && version_ != StompVersion::k10;
  if (escaped && !(is_well_escaped(name, version_) && is_well_escaped(value, version_))) {
    return fail(StompError::kBadEscape, "the header '" + readable(name) +
                                            "' has an escape sequence that STOMP " +
                                            std::string(to_string(version_)) + " does not know");
  }
  // The first entry of a repeated header counts (STOMP 1.2, "Repeated Header Entries").
  if (name == "content-length" && !has_content_length_ && !on_content_length(value)) return false;
  marks_.push_back({.name = static_cast<uint32_t>(line_start_),
                    .colon = static_cast<uint32_t>(line_colon_),
                    .end = static_cast<uint32_t>(end),
                    .escaped = escaped});
  return true;
}

bool StompFrameScan::on_content_length(std::string_view value) {
  has_content_length_ = true;
  // For an unsigned number from_chars takes digits and nothing else: no sign, no space.
  const char* const end = value.data() + value.size();
  const auto [last, status] = std::from_chars(value.data(), end, content_length_);
  if (status == std::errc() && last == end) return true;
  return fail(StompError::kMalformedContentLength, "content-length is not a decimal number");
}

bool StompFrameScan::on_blank_line(size_t end, const StompLimits& limits) {
  head_bytes_ = end + 1;
  phase_ = has_content_length_ ? Phase::kBodyOfLength : Phase::kBodyToNul;
  if (!has_content_length_) return true;
  // Decided by the declared length, before any of the body is kept.
  if (limits.frame_bytes_max <= head_bytes_ ||
      content_length_ > limits.frame_bytes_max - head_bytes_ - 1) {
    return fail_frame_bytes(limits);
  }
  if (content_length_ > 0 && body_rule_ == BodyRule::kRefused) {
    return fail(StompError::kMalformedFrame, "only a SEND frame may have a body");
  }
  return true;
}

ParseStatus StompFrameScan::scan_body(Octets octets, const StompLimits& limits) {
  size_t nul = 0;
  if (phase_ == Phase::kBodyOfLength) {
    nul = head_bytes_ + content_length_;
    if (octets.size() <= nul) return ParseStatus::kNeedMore;
    if (octets[nul] != '\0') {
      fail(StompError::kMalformedFrame,
           "no NUL follows the body of content-length " + std::to_string(content_length_));
      return ParseStatus::kError;
    }
  } else {
    if (octets.size() > head_bytes_ && head_bytes_ < limits.frame_bytes_max &&
        octets[head_bytes_] != '\0' && body_rule_ == BodyRule::kRefused) {
      fail(StompError::kMalformedFrame, "only a SEND frame may have a body");
      return ParseStatus::kError;
    }
    const size_t end = std::min(octets.size(), limits.frame_bytes_max);
    const void* found =
        scanned_ < end ? std::memchr(octets.data() + scanned_, '\0', end - scanned_) : nullptr;
    if (found == nullptr) {
      scanned_ = std::max(scanned_, end);
      if (octets.size() <= limits.frame_bytes_max) return ParseStatus::kNeedMore;
      fail_frame_bytes(limits);
      return ParseStatus::kError;
    }
    nul = static_cast<size_t>(static_cast<const uint8_t*>(found) - octets.data());
  }
  frame_bytes_ = nul + 1;
  return ParseStatus::kFrame;
}

// Where a line passes `line_max`, or kNowhere. One CR more is no breach while it may yet turn out
// to belong to the end of the line.
size_t StompFrameScan::line_over_at(Octets octets, size_t end, size_t line_max, bool strips) const {
  if (end - line_start_ <= line_max) return kNowhere;
  const size_t over = line_start_ + line_max;
  if (!strips || octets[over] != '\r') return over;
  return over + 1 < end ? over + 1 : kNowhere;
}

bool StompFrameScan::command_within_limits(Octets octets, size_t end, LineEnd how,
                                           const StompLimits& limits) {
  const size_t seen = end + (how == LineEnd::kOpen ? 0 : 1);
  const size_t line_max = std::min(limits.command_bytes_max, kHeadBytesMax);
  const bool strips = strips_carriage_return(text(octets, 0, std::min(end, line_max)));
  const size_t over = line_over_at(octets, end, line_max, strips);
  if (limits.frame_bytes_max < seen && limits.frame_bytes_max <= over) {
    return fail_frame_bytes(limits);
  }
  if (over == kNowhere) return true;
  return fail(StompError::kUnknownCommand,
              "the command is longer than " + std::to_string(limits.command_bytes_max) + " bytes");
}

bool StompFrameScan::header_within_limits(Octets octets, size_t end, LineEnd how,
                                          const StompLimits& limits) {
  const bool within =
      end + 1 <= limits.frame_bytes_max && marks_.size() < limits.headers_max &&
      end - line_start_ <= limits.header_line_bytes_max &&
      end + 1 - headers_start_ <= std::min(limits.header_total_bytes_max, kHeadBytesMax);
  return within || find_broken_limit(octets, end, how, limits);
}

// The exact check, for lines near a limit: true if none is broken yet.
bool StompFrameScan::find_broken_limit(Octets octets, size_t end, LineEnd how,
                                       const StompLimits& limits) {
  // The blank line is no header and does not count for the total; a first CR may be a part of it.
  const bool may_be_blank =
      strips_carriage_return_ && end > line_start_ && octets[line_start_] == '\r';
  const size_t header_at = line_start_ + (may_be_blank ? 1 : 0);
  size_t count_at = kNowhere;
  size_t total_at = kNowhere;
  size_t line_at = kNowhere;
  if (header_at < end) {
    if (marks_.size() >= limits.headers_max) count_at = header_at;
    const size_t total_max = std::min(limits.header_total_bytes_max, kHeadBytesMax);
    total_at = std::max(header_at, headers_start_ + total_max);
    line_at = line_over_at(octets, end, limits.header_line_bytes_max, strips_carriage_return_);
  }
  const size_t lowest = std::min({count_at, total_at, line_at});
  const size_t seen = end + (how == LineEnd::kOpen ? 0 : 1);
  if (limits.frame_bytes_max < seen && limits.frame_bytes_max <= lowest) {
    return fail_frame_bytes(limits);
  }
  const size_t line_seen = end + (how == LineEnd::kLineFeed ? 1 : 0);
  if (lowest >= line_seen) return true;
  if (lowest == count_at) {
    return fail(StompError::kTooManyHeaders,
                "the frame has more than " + std::to_string(limits.headers_max) + " headers");
  }
  if (lowest == total_at) {
    return fail(StompError::kHeaderTooLong, "the header lines together are longer than " +
                                                std::to_string(limits.header_total_bytes_max) +
                                                " bytes");
  }
  return fail(
      StompError::kHeaderTooLong,
      "the header line is longer than " + std::to_string(limits.header_line_bytes_max) + " bytes");
}

// 1.0 clients pad as the examples of their specification do (`key: value`); from 1.1 on a space is
// a part of the value (STOMP 1.1, "Header trimming").
std::string_view StompFrameScan::value_of(Octets octets, size_t colon, size_t end) const {
  std::string_view value = text(octets, colon + 1, end);
  if (version_ == StompVersion::k10 && !literal_ && value.starts_with(' ')) value.remove_prefix(1);
  return value;
}

void StompFrameScan::emit(Octets octets, std::vector<StompHeader>& headers, std::string& unescaped,
                          StompFrame& frame) const {
  headers.clear();
  unescaped.clear();
  // Text only shrinks when it is unescaped: with this much room the views taken below stay valid.
  if (std::ranges::any_of(marks_, &HeaderMark::escaped)) unescaped.reserve(head_bytes_);
  const auto decoded = [&](std::string_view raw) {
    const size_t begin = unescaped.size();
    const bool well_escaped = append_unescaped(unescaped, raw, version_);
    CHECK(well_escaped);
    return std::string_view(unescaped).substr(begin);
  };
  for (const HeaderMark& mark : marks_) {
    StompHeader header{.name = text(octets, mark.name, mark.colon),
                       .value = value_of(octets, mark.colon, mark.end)};
    if (mark.escaped) header = {.name = decoded(header.name), .value = decoded(header.value)};
    headers.push_back(header);
  }
  frame.command = command_;
  frame.command_text = text(octets, 0, command_bytes_);
  frame.headers = headers;
  frame.is_plain = !has_marks_in_text_ && carriage_returns_in_text_ == 0;
  frame.is_known_utf8 = false;
  frame.body = body_rule_ == BodyRule::kIgnored
                   ? Octets()
                   : octets.subspan(head_bytes_, frame_bytes_ - 1 - head_bytes_);
}

// Escapes cannot spell a lower-case letter, so the name is compared as it came.
bool StompFrameScan::find_receipt(Octets octets, std::string& value) const {
  for (const HeaderMark& mark : marks_) {
    if (text(octets, mark.name, mark.colon) != "receipt") continue;
    const std::string_view raw = value_of(octets, mark.colon, mark.end);
    return append_unescaped(value, raw, mark.escaped ? version_ : StompVersion::k10);
  }
  return false;
}

bool StompFrameScan::fail(StompError error, std::string detail) {
  error_ = error;
  detail_ = std::move(detail);
  return false;
}

bool StompFrameScan::fail_frame_bytes(const StompLimits& limits) {
  return fail(StompError::kFrameTooLarge,
              "the frame is larger than " + std::to_string(limits.frame_bytes_max) + " bytes");
}

}  // namespace stampede::proto
