#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <optional>

#include "core/memory_tally.h"

namespace stampede::core {

// FrameMarks says where the frames of a fan-out log end, for groups whose subscribers acknowledge
// (credit stops a cursor at a frame, and an acknowledgement names one), and for those to which
// somebody may come who begins at a sequence.
//
// Owns:      a mark for each frame in the log. Thread: home shard.
// Invariant: numbers grow in the order in which frames are appended.
class FrameMarks {
 public:
  struct Mark {
    uint64_t end;       // position in the log
    uint64_t number;    // by which it is acknowledged
    uint64_t id_hash;   // of the message-id
    uint64_t sequence;  // of the message
  };

  // The first frame begins at the position.
  explicit FrameMarks(uint64_t begin = 0) : begin_(begin) {}
  ~FrameMarks() { MemoryTally::drop(MemoryKind::kLogs, marks_.size() * sizeof(Mark)); }
  FrameMarks(const FrameMarks&) = delete;
  FrameMarks& operator=(const FrameMarks&) = delete;

  void add(uint64_t end, uint64_t id_hash, uint64_t sequence) {
    marks_.push_back({end, next_number_++, id_hash, sequence});
    ++count_;
    MemoryTally::add(MemoryKind::kLogs, sizeof(Mark));
  }
  [[nodiscard]] uint64_t next_number() const { return next_number_; }
  // Numbers from here on are at least that.
  void raise_next_number(uint64_t number) { next_number_ = std::max(next_number_, number); }
  // One frame is not in the log at all.
  void skip() {
    ++next_number_;
    ++count_;
  }
  // Frames so far, skipped ones too. Numbers may have gaps.
  [[nodiscard]] uint64_t count() const { return count_; }
  // Forgets frames that begin before the position.
  void trim(uint64_t position) {
    while (!marks_.empty() && begin_ < position) {
      begin_ = marks_.front().end;
      marks_.pop_front();
      MemoryTally::drop(MemoryKind::kLogs, sizeof(Mark));
    }
  }

  // -- By index: 0 is the oldest.
  [[nodiscard]] size_t size() const { return marks_.size(); }
  [[nodiscard]] const Mark& at(size_t index) const { return marks_[index]; }
  // Of the first frame that ends behind the position.
  [[nodiscard]] size_t index_behind(uint64_t position) const {
    const auto found =
        std::upper_bound(marks_.begin(), marks_.end(), position,
                         [](uint64_t wanted, const Mark& mark) { return wanted < mark.end; });
    return static_cast<size_t>(found - marks_.begin());
  }
  // Where the first frame begins whose sequence is that or above. Requires: sequences grow, as in
  // the log of one destination.
  [[nodiscard]] std::optional<uint64_t> begin_of_sequence(uint64_t sequence) const {
    const auto found =
        std::lower_bound(marks_.begin(), marks_.end(), sequence,
                         [](const Mark& mark, uint64_t wanted) { return mark.sequence < wanted; });
    if (found == marks_.end()) return std::nullopt;
    return found == marks_.begin() ? begin_ : std::prev(found)->end;
  }
  // Of the newest frame; 0: there is none.
  [[nodiscard]] uint64_t last_sequence() const {
    return marks_.empty() ? 0 : marks_.back().sequence;
  }
  // How many frames end behind the position.
  [[nodiscard]] size_t count_behind(uint64_t position) const {
    return marks_.size() - index_behind(position);
  }
  // Where the first frame ends that ends at the position or behind it. Requires: there is one.
  [[nodiscard]] uint64_t border_from(uint64_t position) const {
    return std::lower_bound(marks_.begin(), marks_.end(), position,
                            [](const Mark& mark, uint64_t wanted) { return mark.end < wanted; })
        ->end;
  }
  // Where the frame ends that begins at the position. Requires: there is one.
  [[nodiscard]] uint64_t end_of_frame_at(uint64_t position) const {
    return marks_[index_behind(position)].end;
  }

 private:
  std::deque<Mark> marks_;
  uint64_t begin_;  // of the first one
  uint64_t next_number_ = 1;
  uint64_t count_ = 0;
};

}  // namespace stampede::core
