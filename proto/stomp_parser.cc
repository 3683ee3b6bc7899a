#include "proto/stomp_parser.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "proto/base/check.h"
#include "proto/stomp_frame_scan.h"

namespace stampede::proto {
namespace {

using Octets = StompFrameScan::Octets;

constexpr size_t kBufferBytesMin = 256;
// Of a frame whose length is declared, so many times the octets that arrived are made room for: a
// frame of 16 KiB in receives of 4 KiB is moved to a larger buffer once at most, and a length that
// a client only claims costs it that much.
constexpr size_t kDeclaredRoomFactor = 8;
// A completed Partial up to this size is kept for the thread's next split frame.
constexpr size_t kSpareBytesMax = 4096;

}  // namespace

std::string_view to_token(StompError error) {
  switch (error) {
    case StompError::kNone:
      return "";
    case StompError::kMalformedFrame:
      return "malformed-frame";
    case StompError::kMalformedHeader:
      return "malformed-header";
    case StompError::kMalformedContentLength:
      return "malformed-content-length";
    case StompError::kBadEscape:
      return "bad-escape";
    case StompError::kUnknownCommand:
      return "unknown-command";
    case StompError::kFrameTooLarge:
      return "frame-too-large";
    case StompError::kTooManyHeaders:
      return "too-many-headers";
    case StompError::kHeaderTooLong:
      return "header-too-long";
  }
  std::unreachable();
}

// A frame that came only in part: its octets so far and how far they are understood. After an error
// it holds what is to be told of it, and no octets.
struct StompParser::Partial {
  StompFrameScan scan;
  std::unique_ptr<uint8_t[]> octets;
  size_t size = 0;
  size_t capacity = 0;
  std::string detail;
  std::string receipt;
  bool has_receipt = false;

  [[nodiscard]] Octets held() const { return {octets.get(), size}; }

  [[nodiscard]] size_t memory_bytes() const {
    return sizeof(Partial) + capacity + scan.memory_bytes() + detail.capacity() +
           receipt.capacity();
  }

  // Grows by a factor as octets arrive, so each is moved a constant number of times.
  [[nodiscard]] size_t capacity_for(size_t needed, size_t frame_bytes_max) const {
    if (const size_t declared = scan.declared_bytes(); declared != 0) {
      return std::max(needed, std::min(declared, kDeclaredRoomFactor * needed));
    }
    // Never beyond the one octet above the limit that is enough to refuse the frame.
    const size_t useful = frame_bytes_max == SIZE_MAX ? SIZE_MAX : frame_bytes_max + 1;
    return std::max(needed, std::min(std::max(capacity * 2, kBufferBytesMin), useful));
  }

  void append(Octets more, size_t frame_bytes_max) {
    const size_t needed = size + more.size();
    if (needed > capacity) {
      capacity = capacity_for(needed, frame_bytes_max);
      auto larger = std::make_unique_for_overwrite<uint8_t[]>(capacity);
      if (size != 0) std::memcpy(larger.get(), octets.get(), size);
      octets = std::move(larger);
    }
    if (!more.empty()) std::memcpy(octets.get() + size, more.data(), more.size());
    size = needed;
  }
};

// Shared by the parsers of a thread: only one frame at a time is looked at, so what a frame needs
// beside the caller's octets is kept here once, warm in the cache and grown to its steady size,
// rather than in each of a great many connections that are idle most of the time.
struct StompParser::Scratch {
  StompFrameScan scan;
  std::vector<StompHeader> headers;
  std::string unescaped;
  std::unique_ptr<Partial> completed;  // the last frame's octets, if it had been split

  void drop_last_frame() {
    if (completed != nullptr && completed->memory_bytes() > kSpareBytesMax) completed.reset();
  }

  std::unique_ptr<Partial> take_partial() {
    if (completed == nullptr) return std::make_unique<Partial>();
    completed->size = 0;
    return std::move(completed);
  }
};

StompParser::Scratch& StompParser::scratch_of_thread() {
  static thread_local Scratch scratch;
  return scratch;
}

StompParser::StompParser() { static_assert(sizeof(StompParser) == 2 * sizeof(void*)); }
StompParser::~StompParser() = default;
StompParser::StompParser(StompParser&&) noexcept = default;
StompParser& StompParser::operator=(StompParser&&) noexcept = default;

void StompParser::set_version(StompVersion version) { version_ = version; }

ParseResult StompParser::feed(std::span<const uint8_t> input, const StompLimits& limits,
                              StompFrame& frame) {
  CHECK(error_ == StompError::kNone);
  scratch_of_thread().drop_last_frame();
  if (partial_ != nullptr) return resume_frame(input, limits, frame);
  size_t skipped = 0;
  while (skipped < input.size()) {
    const uint8_t octet = input[skipped];
    if (octet != '\n' && carriage_return_pending_) {
      auto report = std::make_unique<Partial>();
      report->detail = "a carriage return without a line feed is between frames";
      fail(StompError::kMalformedFrame, std::move(report));
      return {ParseStatus::kError, skipped};
    }
    if (octet != '\n' && octet != '\r') break;
    carriage_return_pending_ = octet == '\r';
    ++skipped;
  }
  if (skipped == input.size()) return {ParseStatus::kNeedMore, skipped};
  ParseResult result = begin_frame(input.subspan(skipped), limits, frame);
  result.consumed += skipped;
  return result;
}

// Looks for the whole frame where it lies; only what turns out to be incomplete is copied.
ParseResult StompParser::begin_frame(std::span<const uint8_t> input, const StompLimits& limits,
                                     StompFrame& frame) {
  Scratch& scratch = scratch_of_thread();
  scratch.scan.begin(version_);
  switch (scratch.scan.run(input, limits)) {
    case ParseStatus::kFrame:
      scratch.scan.emit(input, scratch.headers, scratch.unescaped, frame);
      return {ParseStatus::kFrame, scratch.scan.frame_bytes()};
    case ParseStatus::kNeedMore:
      partial_ = scratch.take_partial();
      partial_->scan = scratch.scan;
      partial_->append(input, limits.frame_bytes_max);
      return {ParseStatus::kNeedMore, input.size()};
    case ParseStatus::kError:
      break;
  }
  auto report = std::make_unique<Partial>();
  report->detail = std::move(scratch.scan.detail());
  report->has_receipt = scratch.scan.find_receipt(input, report->receipt);
  fail(scratch.scan.error(), std::move(report));
  return {ParseStatus::kError, input.size()};
}

ParseResult StompParser::resume_frame(std::span<const uint8_t> input, const StompLimits& limits,
                                      StompFrame& frame) {
  size_t taken = 0;
  while (taken < input.size()) {
    const size_t wanted = partial_->scan.octets_wanted(partial_->size, limits);
    const size_t piece = std::min(wanted, input.size() - taken);
    const size_t held_before = partial_->size;
    partial_->append(input.subspan(taken, piece), limits.frame_bytes_max);
    const ParseStatus status = partial_->scan.run(partial_->held(), limits);
    if (status == ParseStatus::kError) {
      auto report = std::make_unique<Partial>();
      report->detail = std::move(partial_->scan.detail());
      report->has_receipt = partial_->scan.find_receipt(partial_->held(), report->receipt);
      fail(partial_->scan.error(), std::move(report));
      return {ParseStatus::kError, input.size()};
    }
    if (status == ParseStatus::kFrame) {
      Scratch& scratch = scratch_of_thread();
      partial_->scan.emit(partial_->held(), scratch.headers, scratch.unescaped, frame);
      taken += partial_->scan.frame_bytes() - held_before;
      // The frame's views are into it, while this parser is at a frame border again.
      scratch.completed = std::move(partial_);
      return {ParseStatus::kFrame, taken};
    }
    taken += piece;
  }
  return {ParseStatus::kNeedMore, taken};
}

void StompParser::fail(StompError error, std::unique_ptr<Partial> report) {
  error_ = error;
  partial_ = std::move(report);
}

std::string_view StompParser::error_detail() const {
  return error_ == StompError::kNone ? std::string_view() : partial_->detail;
}

bool StompParser::error_has_receipt() const {
  return error_ != StompError::kNone && partial_->has_receipt;
}

std::string_view StompParser::error_receipt() const {
  return error_ == StompError::kNone ? std::string_view() : partial_->receipt;
}

bool StompParser::at_frame_border() const { return partial_ == nullptr; }

size_t StompParser::memory_bytes() const {
  return partial_ == nullptr ? 0 : partial_->memory_bytes();
}

}  // namespace stampede::proto
