#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "core/ack_window.h"
#include "core/frame_marks.h"
#include "core/intrusive_list.h"
#include "core/message.h"
#include "core/shard_types.h"

namespace stampede::core {

class Client;
class FanOutLog;
struct Chunk;
struct Replay;

// Cursor is one subscriber's place in its group's log. It is in one of three conditions:
//   caught up  it has been given everything; it stands on the log's list, at the end;
//   behind     it stands in a chunk, and is on its client's list of those with something to send;
//   in flight  a send from where it stands is under way, up to flight_*, and it stands there still.
//
// Owns:      nothing; it pins the chunk that it stands in, and thereby all later ones.
// Thread:    home shard.
// Lifetime:  part of a Subscription, which outlives the sends in flight.
struct Cursor {
  ListLink<Cursor> standing;  // of the log's caught-up list, or of a chunk's
  ListLink<Cursor> pending;   // of the client's list of those behind, or in flight
  Client* client = nullptr;
  FanOutLog* log = nullptr;
  Chunk* chunk = nullptr;         // null: caught up
  Chunk* flight_chunk = nullptr;  // null: not in flight
  uint32_t offset = 0;
  uint32_t flight_offset = 0;

  [[nodiscard]] bool is_caught_up() const { return chunk == nullptr; }
  [[nodiscard]] bool is_in_flight() const { return flight_chunk != nullptr; }
};

// LogPlace is a frame border in a log that somebody holds, so that cursors can be put there later:
// what is behind it stays.
struct LogPlace {
  Chunk* chunk = nullptr;
  uint32_t offset = 0;
};

using StandingCursors = IntrusiveList<Cursor, &Cursor::standing>;
using PendingCursors = IntrusiveList<Cursor, &Cursor::pending>;

// A piece of a log: octets of its own behind the header, or the body of a message that is too large
// to copy.
struct Chunk {
  Chunk* next = nullptr;
  StandingCursors standing;
  const uint8_t* octets = nullptr;
  Message* message = nullptr;  // not null: octets are its body and NUL; holds one reference
  uint64_t base = 0;           // position of the first octet in the log
  uint32_t size = 0;
  uint32_t capacity = 0;
  uint32_t standing_count = 0;  // how long `standing` is
  uint16_t holds = 0;           // LogPlaces in it
  uint8_t size_class = 0;
  bool continues = false;  // its last frame ends in the next chunk, so no send may end here
};
// PERF: its octets are right behind it, and copying to them is what appending costs.
static_assert(sizeof(Chunk) == 64);

// ChunkPool keeps the chunks of one shard: busy groups take and give them all the time.
//
// Owns:      the spare ones. Thread: home shard. Lifetime: outlives the logs.
class ChunkPool {
 public:
  // 512 octets hold a price or two for a group of one; 64 KiB is what one send carries.
  static constexpr std::array<uint32_t, 4> kCapacities = {512, 4096, 16384, 65536};
  static constexpr uint8_t kNoClass = kCapacities.size();

  ChunkPool() = default;
  ~ChunkPool();
  ChunkPool(const ChunkPool&) = delete;
  ChunkPool& operator=(const ChunkPool&) = delete;

  // A chunk of the class, or of `capacity_min` octets if the class is too small.
  [[nodiscard]] Chunk* take(uint8_t size_class, size_t capacity_min);
  // A chunk that refers to the message's body and NUL.
  [[nodiscard]] Chunk* take_reference(Message& message);
  void give_back(Chunk* chunk);

  [[nodiscard]] size_t bytes_in_use() const { return bytes_in_use_; }

 private:
  // More spare memory than this is given back to the allocator.
  static constexpr size_t kSpareBytesMax = 4 << 20;

  std::array<Chunk*, kCapacities.size()> spare_ = {};
  size_t spare_bytes_ = 0;
  size_t bytes_in_use_ = 0;
};

// FanOutLog is an append-only chain of chunks of finished wire octets, written once for a whole
// group and sent from by all its cursors. Appending costs the same however many cursors lag.
//
// Owns:      its chunks. Thread: home shard.
// Lifetime:  destroyed once no cursor is attached and no place held; octets of a chunk do not move
//            while a cursor stands, or a place is, in it or before it.
// Invariant: the front chunk has a cursor standing or a place in it; with all cursors caught up and
//            no place held there is no chunk. A cursor stands on a frame border, and so does every
//            flight's end.
class FanOutLog {
 public:
  // `marks_frames`: each frame is marked (mark_frame), always. Its subscribers acknowledge, or may
  // begin at a sequence. `replay`: whose log this is; null: a group's.
  explicit FanOutLog(ChunkPool& pool, bool marks_frames = false, Replay* replay = nullptr)
      : pool_(&pool),
        marks_(marks_frames ? std::make_unique<FrameMarks>() : nullptr),
        replay_(replay),
        marks_always_(marks_frames) {}
  ~FanOutLog();
  FanOutLog(const FanOutLog&) = delete;
  FanOutLog& operator=(const FanOutLog&) = delete;

  [[nodiscard]] Replay* replay() const { return replay_; }

  // -- Appending.
  // Where the next `bytes` octets go, contiguous; valid until commit(). The caller then moves the
  // cursors that were caught up with wake_front(), writes the octets, and commits them. Requires:
  // is_followed().
  [[nodiscard]] uint8_t* reserve(size_t bytes);
  void commit(size_t bytes);
  // Lets the frame that was just committed end with the message's body and NUL, by reference. Takes
  // no reference of the caller's.
  void append_body(Message& message);
  // True if frames are marked now.
  [[nodiscard]] bool has_marks() const { return marks_ != nullptr; }
  // The frame that was appended is whole. Requires: has_marks().
  void mark_frame(uint64_t id_hash, uint64_t sequence) { marks_->add(end_, id_hash, sequence); }
  // The number of the next frame. Requires: has_marks().
  [[nodiscard]] uint64_t next_frame_number() const { return marks_->next_number(); }
  void raise_frame_numbers(uint64_t number) { marks_->raise_next_number(number); }
  // Of the newest frame; 0: not known. Requires: has_marks().
  [[nodiscard]] uint64_t last_sequence() const { return marks_->last_sequence(); }
  // One cursor that is caught up, now standing where the reserved octets begin; null when there are
  // no more.
  Cursor* wake_front();

  // -- Cursors.
  void attach(Cursor& cursor);
  // Requires: not in flight. A cursor that is behind is taken off the client's list by the caller.
  void detach(Cursor& cursor);
  // Fills spans with what is from the cursor on, whole frames, about `bytes_max` and at least one
  // frame, and puts the cursor in flight. With `acks` no more frames than it has room for, which
  // are added to it. Requires: behind, two spans of room at least, and room in `acks`. Gives the
  // number of spans.
  size_t begin_flight(Cursor& cursor, std::span<SendSpan> spans, size_t bytes_max, size_t& bytes,
                      AckWindow* acks = nullptr);
  // The flight is complete: the cursor stands at its end; true if it is caught up now.
  bool end_flight(Cursor& cursor);
  // Appends to `out` what is from the cursor (or its flight's end) on, frames only.
  template <typename Sink>
  void copy_unsent(const Cursor& cursor, Sink&& sink) const;

  // -- Places. Each is held until it is released.
  // The end as it is now. Frames behind it are marked.
  [[nodiscard]] LogPlace hold_end();
  void release(LogPlace place);
  // Where the first frame with that sequence or a later one begins, if one was marked. Not held:
  // good until something is appended or a cursor moves. O(chunks).
  [[nodiscard]] std::optional<LogPlace> find(uint64_t sequence) const;
  // Attaches the cursor so that it stands there; true if it is behind, false if caught up.
  bool attach_at(Cursor& cursor, LogPlace place);
  // A cursor that is caught up; null if there is none.
  [[nodiscard]] Cursor* caught_up_front() const { return caught_up_.front(); }
  template <typename Sink>
  void copy_from(LogPlace place, Sink&& sink) const;
  [[nodiscard]] size_t bytes_behind(LogPlace place) const {
    return end_ - (place.chunk->base + place.offset);
  }

  // -- Measures, in octets.
  [[nodiscard]] size_t bytes() const { return front_ == nullptr ? 0 : end_ - front_->base; }
  [[nodiscard]] size_t lag(const Cursor& cursor) const {
    return cursor.is_caught_up() ? 0 : end_ - (cursor.chunk->base + cursor.offset);
  }
  // True if most of the cursors stand more than `lead` octets behind the end, give or take a chunk.
  // O(chunks), and there are few: who lags by more than a bound is cut off.
  [[nodiscard]] bool most_lag_by(size_t lead) const;
  // Counts the chunks begun; who polices lag looks when it changed.
  [[nodiscard]] uint32_t chunks_begun() const { return chunks_begun_; }
  // The cursors that lag most; null if there are none.
  [[nodiscard]] Cursor* front_standing() const;
  [[nodiscard]] bool has_cursors() const { return cursors_ > 0; }
  // False: what is appended would be for nobody.
  [[nodiscard]] bool is_followed() const { return cursors_ + holds_ > 0; }
  // Position behind the last octet.
  [[nodiscard]] uint64_t end() const { return end_; }

 private:
  void push_chunk(Chunk* chunk);
  void stand(Cursor& cursor, Chunk& chunk, uint32_t offset);
  void leave_chunk(Cursor& cursor);
  // Where the frames end that `acks` has room for, from the cursor on.
  [[nodiscard]] uint64_t end_of_credit(const Cursor& cursor, const AckWindow& acks) const;
  void add_to_window(AckWindow& acks, uint64_t from, uint64_t to) const;
  // Frees chunks from the front while nobody stands in them.
  void collect();

  ChunkPool* pool_;
  std::unique_ptr<FrameMarks> marks_;
  Chunk* front_ = nullptr;
  Chunk* back_ = nullptr;
  StandingCursors caught_up_;
  uint64_t end_ = 0;  // position behind the last octet
  uint32_t cursors_ = 0;
  uint32_t holds_ = 0;
  uint32_t chunks_begun_ = 0;
  uint8_t size_class_ = 0;
  Replay* const replay_;
  const bool marks_always_;
};

template <typename Sink>
void FanOutLog::copy_unsent(const Cursor& cursor, Sink&& sink) const {
  if (cursor.is_caught_up()) return;
  if (cursor.is_in_flight()) {
    copy_from({cursor.flight_chunk, cursor.flight_offset}, sink);
  } else {
    copy_from({cursor.chunk, cursor.offset}, sink);
  }
}

template <typename Sink>
void FanOutLog::copy_from(LogPlace place, Sink&& sink) const {
  const Chunk* chunk = place.chunk;
  uint32_t offset = place.offset;
  for (; chunk != nullptr; chunk = chunk->next, offset = 0) {
    if (chunk->size > offset) sink(chunk->octets + offset, size_t{chunk->size} - offset);
  }
}

}  // namespace stampede::core
