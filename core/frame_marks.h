#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>

namespace stampede::core {

// FrameMarks says where the frames of a fan-out log end, for groups whose subscribers acknowledge:
// credit stops a cursor at a frame, and an acknowledgement names one.
//
// Owns:      a mark for each frame in the log. Thread: home shard.
// Invariant: frames are numbered from 1 in the order in which they were appended, without a gap, as
//            long as the log lives.
class FrameMarks {
 public:
  struct Mark {
    uint64_t end;      // position in the log
    uint64_t id_hash;  // of the message-id
  };

  void add(uint64_t end, uint64_t id_hash) { marks_.push_back({end, id_hash}); }
  [[nodiscard]] uint64_t next_number() const { return first_number_ + marks_.size(); }
  // Forgets frames that end at the position or before.
  void trim(uint64_t position) {
    while (!marks_.empty() && marks_.front().end <= position) {
      marks_.pop_front();
      ++first_number_;
    }
  }
  // The number of the first frame that ends behind the position.
  [[nodiscard]] uint64_t number_behind(uint64_t position) const {
    const auto found =
        std::upper_bound(marks_.begin(), marks_.end(), position,
                         [](uint64_t wanted, const Mark& mark) { return wanted < mark.end; });
    return first_number_ + static_cast<uint64_t>(found - marks_.begin());
  }
  // Requires: a frame that is there.
  [[nodiscard]] const Mark& at(uint64_t number) const { return marks_[number - first_number_]; }

 private:
  std::deque<Mark> marks_;
  uint64_t first_number_ = 1;
};

}  // namespace stampede::core
