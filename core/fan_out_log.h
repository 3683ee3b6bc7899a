#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

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

// Detour is what a cursor has besides, whose reader lags so much that it does not get all that
// others get: what it reads that the log may have let go, and how many frames it missed.
//
// Owns:      nothing; pinned chunks stay until they are unpinned, if need be outside of the log.
// Thread:    home shard.
// Invariant: chunks are pinned while a send of them is in flight, or while it reads up to a stop.
struct Detour {
  Chunk* pinned_from = nullptr;  // null: none are
  Chunk* pinned_to = nullptr;
  // In no list of the log's: it reads from pinned chunks up to `stop`, if it has one, else from
  // elsewhere. Then it goes on at the log's end.
  bool is_away = false;
  bool has_stop = false;
  uint64_t stop = 0;  // a position
  // While it is away: the first frame that it was not given, behind its stop if it has one.
  uint64_t next_frame = 0;
  uint64_t dropped = 0;  // frames before the next one that it is given
};

// Cursor is one subscriber's place in its group's log. It is in one of three conditions:
//   caught up  it has been given everything; it stands on the log's list, at the end;
//   behind     it stands in a chunk, and is on its client's list of those with something to send;
//   in flight  a send from where it stands is under way, up to flight_*, and it stands there still.
// With a detour it may be elsewhere: see there.
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
  std::unique_ptr<Detour> detour;  // null: it gets everything

  [[nodiscard]] bool is_away() const { return detour != nullptr && detour->is_away; }
  [[nodiscard]] bool is_caught_up() const { return chunk == nullptr && !is_away(); }
  [[nodiscard]] bool is_in_flight() const { return flight_chunk != nullptr; }
  // It is away, and gets what it gets from elsewhere.
  [[nodiscard]] bool is_parked() const { return is_away() && !detour->has_stop; }
};

// LogPlace is a frame border in a log. If somebody holds it, what is behind it stays, so that
// cursors can be put there later.
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
  uint32_t keepers = 0;  // how many stand in it, and detours that pin it
  uint16_t holds = 0;    // LogPlaces in it
  uint8_t size_class = 0;
  bool continues : 1 = false;  // its last frame ends in the next chunk: no send may end here
  bool is_let_go : 1 = false;  // by the log: when the last one unpins it, that is its end
};
// PERF: its octets are right behind it, and copying to them is what appending costs.
static_assert(sizeof(Chunk) == 64);

// ChunkPool keeps the chunks of one shard: busy groups take and give them all the time.
//
// Owns:      the spare ones. Thread: home shard. Lifetime: outlives the logs.
class ChunkPool {
 public:
  // 512 octets hold a price or two for a group of one; 64 KiB is what one send carries. The Chunk
  // itself is in these, as allocators take up to a quarter more for what is just past such a size.
  static constexpr std::array<uint32_t, 4> kSizes = {512, 4096, 16384, 65536};
  static constexpr uint8_t kNoClass = kSizes.size();
  [[nodiscard]] static constexpr uint32_t capacity_of(uint8_t size_class) {
    return kSizes[size_class] - uint32_t{sizeof(Chunk)};
  }

  ChunkPool() = default;
  ~ChunkPool();
  ChunkPool(const ChunkPool&) = delete;
  ChunkPool& operator=(const ChunkPool&) = delete;

  // A chunk of the class, or of `capacity_min` octets if the class is too small.
  [[nodiscard]] Chunk* take(uint8_t size_class, size_t capacity_min);
  // A chunk that refers to the message's body and NUL.
  [[nodiscard]] Chunk* take_reference(Message& message);
  void give_back(Chunk* chunk);

  // Whether chunks that are given back are kept for the next; if not, the spare ones are freed.
  void keep_spare(bool is_kept);

  [[nodiscard]] size_t bytes_in_use() const { return bytes_in_use_; }

 private:
  static void free_chunk(Chunk* chunk);
  void free_spare();
  // More spare memory than this is given back to the allocator.
  static constexpr size_t kSpareBytesMax = 4 << 20;

  std::array<Chunk*, kNoClass> spare_ = {};
  size_t spare_bytes_ = 0;
  size_t spare_bytes_max_ = kSpareBytesMax;
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
  // Chunks are no larger than that, unless a frame is: who lags is looked at when one begins.
  void limit_chunks(size_t bytes);
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
  // Appends to `out` what is from there on, up to a position that is a frame border too.
  template <typename Sink>
  void copy_from(LogPlace place, uint64_t to, Sink&& sink) const;
  [[nodiscard]] size_t bytes_behind(LogPlace place) const {
    return end_ - (place.chunk->base + place.offset);
  }
  // -- Detours. Requires, for all of these: marks_frames; for a cursor: it has a detour.
  // Frames, those in the log and those that are no more, are counted from 0.
  [[nodiscard]] uint64_t frame_count() const { return marks_->count(); }
  // False: nobody would read from the log what is appended to it.
  [[nodiscard]] bool has_readers() const { return cursors_ + holds_ > away_; }
  // The next frame is not appended, only counted. Requires: no readers.
  void skip_frame();
  // Octets behind what the cursor was given. It needs no detour.
  [[nodiscard]] size_t unsent(const Cursor& cursor) const;
  // Octets of the first frame that the cursor was not given. Requires: there is one; not away.
  [[nodiscard]] size_t first_unsent_frame(const Cursor& cursor) const;
  // That frame, by count. Requires: behind, not away.
  [[nodiscard]] uint64_t next_frame(const Cursor& cursor) const;
  // The cursors for which more than that is unsent, which are not away. O(those that lag).
  void find_lagging(size_t unsent_max, std::vector<Cursor*>& found) const;
  // Where the last octets begin, whole frames, so many and no more. Requires: there are more, and
  // the newest frame is no larger.
  [[nodiscard]] LogPlace last(size_t bytes) const;
  // Lets the cursor go on there, when a send that is in flight is over. Requires: behind, not away.
  void move(Cursor& cursor, LogPlace place);
  // Takes the cursor away, from everything that it was not given yet. Requires: as for move().
  void park(Cursor& cursor);
  // Takes the cursor away to read up to the present end. Requires: as for move().
  void stop_at_end(Cursor& cursor);
  // The cursor is caught up. Requires: away, not in flight.
  void rejoin(Cursor& cursor);
  // Gives the cursor one frame, appended to `out`, and adds it to `acks` if there are; true if the
  // cursor is caught up then. Requires: behind, not away, not in flight.
  bool take_frame(Cursor& cursor, std::string& out, AckWindow* acks);

  // -- Measures, in octets.
  [[nodiscard]] size_t bytes() const { return front_ == nullptr ? 0 : end_ - front_->base; }
  [[nodiscard]] size_t lag(const Cursor& cursor) const {
    return cursor.chunk == nullptr ? 0 : reads_to(cursor) - (cursor.chunk->base + cursor.offset);
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
  // Where that begins which the cursor was not given. Requires: it stands, or reads up to a stop.
  [[nodiscard]] static LogPlace unsent_from(const Cursor& cursor);
  void stand(Cursor& cursor, Chunk& chunk, uint32_t offset);
  void leave_chunk(Cursor& cursor);
  // Where the frames end that `acks` has room for, from the cursor on.
  [[nodiscard]] uint64_t end_of_credit(const Cursor& cursor, const AckWindow& acks) const;
  void add_to_window(AckWindow& acks, uint64_t from, uint64_t to) const;
  // Frees chunks from the front while nobody stands in them.
  void collect();
  // Where what there is for the cursor ends, a position.
  [[nodiscard]] uint64_t reads_to(const Cursor& cursor) const {
    return cursor.is_away() ? cursor.detour->stop : end_;
  }
  [[nodiscard]] LogPlace place_of(uint64_t position) const;
  static void pin(Cursor& cursor, Chunk* to);
  // Unpins what is before the chunk; null: all.
  void unpin(Cursor& cursor, const Chunk* before);
  bool end_pinned_flight(Cursor& cursor);

  ChunkPool* pool_;
  std::unique_ptr<FrameMarks> marks_;
  Chunk* front_ = nullptr;
  Chunk* back_ = nullptr;
  StandingCursors caught_up_;
  uint64_t end_ = 0;  // position behind the last octet
  uint32_t cursors_ = 0;
  uint32_t holds_ = 0;
  uint32_t chunks_begun_ = 0;
  uint32_t away_ = 0;  // of the cursors
  uint8_t size_class_ = 0;
  uint8_t size_class_max_ = ChunkPool::kNoClass - 1;
  Replay* const replay_;
  const bool marks_always_;
};

template <typename Sink>
void FanOutLog::copy_unsent(const Cursor& cursor, Sink&& sink) const {
  if (cursor.chunk != nullptr) copy_from(unsent_from(cursor), reads_to(cursor), sink);
}

template <typename Sink>
void FanOutLog::copy_from(LogPlace place, uint64_t to, Sink&& sink) const {
  uint32_t offset = place.offset;
  for (const Chunk* chunk = place.chunk; chunk->base + offset < to; chunk = chunk->next) {
    const size_t size = std::min<uint64_t>(chunk->size, to - chunk->base) - offset;
    if (size > 0) sink(chunk->octets + offset, size);
    if (chunk->base + offset + size == to) break;
    offset = 0;
  }
}

}  // namespace stampede::core
