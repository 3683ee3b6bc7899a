#include "core/fan_out_log.h"

#include <cstdlib>
#include <new>
#include <utility>

#include "core/memory_tally.h"
#include "proto/base/check.h"

namespace stampede::core {

ChunkPool::~ChunkPool() { free_spare(); }

void ChunkPool::free_spare() {
  for (Chunk*& spare : spare_) {
    while (spare != nullptr) free_chunk(std::exchange(spare, spare->next));
  }
  spare_bytes_ = 0;
}

void ChunkPool::keep_spare(bool is_kept) {
  spare_bytes_max_ = is_kept ? kSpareBytesMax : 0;
  if (!is_kept) free_spare();
}

void ChunkPool::free_chunk(Chunk* chunk) {
  MemoryTally::drop_block(MemoryKind::kLogs, chunk);
  ::operator delete(chunk);
}

Chunk* ChunkPool::take(uint8_t size_class, size_t capacity_min) {
  while (size_class < kNoClass && capacity_of(size_class) < capacity_min) ++size_class;
  const size_t capacity = size_class < kNoClass ? capacity_of(size_class) : capacity_min;
  void* memory = nullptr;
  if (size_class < kNoClass && spare_[size_class] != nullptr) {
    memory = spare_[size_class];
    spare_[size_class] = spare_[size_class]->next;
    spare_bytes_ -= capacity;
  } else {
    memory = ::operator new(sizeof(Chunk) + capacity);
    MemoryTally::add_block(MemoryKind::kLogs, memory);
  }
  auto* chunk = new (memory) Chunk;
  chunk->octets = reinterpret_cast<const uint8_t*>(chunk + 1);
  chunk->capacity = static_cast<uint32_t>(capacity);
  chunk->size_class = size_class;
  bytes_in_use_ += capacity;
  return chunk;
}

Chunk* ChunkPool::take_reference(Message& message) {
  auto* chunk = new (::operator new(sizeof(Chunk))) Chunk;
  const std::span<const uint8_t> body = message.body_and_nul();
  message.add_references(1);
  chunk->message = &message;
  chunk->octets = body.data();
  chunk->size = chunk->capacity = static_cast<uint32_t>(body.size());
  chunk->size_class = kNoClass;
  bytes_in_use_ += chunk->capacity;
  MemoryTally::add_block(MemoryKind::kLogs, chunk);
  return chunk;
}

void ChunkPool::give_back(Chunk* chunk) {
  bytes_in_use_ -= chunk->capacity;
  if (chunk->message != nullptr) chunk->message->drop_reference();
  if (chunk->size_class == kNoClass || spare_bytes_ + chunk->capacity > spare_bytes_max_) {
    free_chunk(chunk);
    return;
  }
  chunk->next = spare_[chunk->size_class];
  spare_[chunk->size_class] = chunk;
  spare_bytes_ += chunk->capacity;
}

FanOutLog::~FanOutLog() {
  DCHECK(caught_up_.empty() && holds_ == 0);
  while (front_ != nullptr) {
    DCHECK(front_->standing.empty());
    Chunk* next = front_->next;
    pool_->give_back(front_);
    front_ = next;
  }
}

void FanOutLog::push_chunk(Chunk* chunk) {
  chunk->base = end_;
  if (back_ != nullptr) {
    back_->next = chunk;
  } else {
    front_ = chunk;
  }
  back_ = chunk;
  ++chunks_begun_;
}

uint8_t* FanOutLog::reserve(size_t bytes) {
  const bool fits = back_ != nullptr && back_->message == nullptr && !back_->continues &&
                    back_->capacity - back_->size >= bytes;
  if (!fits) {
    // A chunk that filled up shows that the group is busier than its chunks are large. One that
    // ends with a body elsewhere did not fill up.
    const bool is_full = back_ != nullptr && back_->message == nullptr;
    if (is_full && size_class_ < size_class_max_) ++size_class_;
    push_chunk(pool_->take(size_class_, bytes));
  }
  return const_cast<uint8_t*>(back_->octets) + back_->size;
}

void FanOutLog::commit(size_t bytes) {
  DCHECK(back_->size + bytes <= back_->capacity);
  back_->size += static_cast<uint32_t>(bytes);
  end_ += bytes;
}

void FanOutLog::append_body(Message& message) {
  back_->continues = true;
  Chunk* chunk = pool_->take_reference(message);
  push_chunk(chunk);
  end_ += chunk->size;
}

Cursor* FanOutLog::wake_front() {
  Cursor* cursor = caught_up_.pop_front();
  if (cursor != nullptr) stand(*cursor, *back_, back_->size);
  return cursor;
}

void FanOutLog::stand(Cursor& cursor, Chunk& chunk, uint32_t offset) {
  cursor.chunk = &chunk;
  cursor.offset = offset;
  chunk.standing.push_back(cursor);
  ++chunk.keepers;
}

void FanOutLog::leave_chunk(Cursor& cursor) {
  cursor.chunk->standing.remove(cursor);
  --cursor.chunk->keepers;
  cursor.chunk = nullptr;
}

bool FanOutLog::most_lag_by(size_t lead) const {
  if (bytes() <= lead) return false;
  uint32_t lagging = 0;
  for (const Chunk* chunk = front_; chunk->base + chunk->size + lead < end_; chunk = chunk->next) {
    lagging += chunk->keepers;
  }
  return lagging > cursors_ / 2;
}

void FanOutLog::attach(Cursor& cursor) {
  cursor.log = this;
  ++cursors_;
  caught_up_.push_back(cursor);
}

void FanOutLog::detach(Cursor& cursor) {
  DCHECK(!cursor.is_in_flight());
  if (cursor.is_away()) {
    unpin(cursor, nullptr);
    cursor.chunk = nullptr;
    --away_;
  } else if (cursor.is_caught_up()) {
    caught_up_.remove(cursor);
  } else {
    leave_chunk(cursor);
    collect();
  }
  cursor.log = nullptr;
  --cursors_;
}

Cursor* FanOutLog::front_standing() const {
  for (const Chunk* chunk = front_; chunk != nullptr; chunk = chunk->next) {
    if (!chunk->standing.empty()) return chunk->standing.front();
  }
  return nullptr;
}

LogPlace FanOutLog::hold_end() {
  const bool has_room = back_ != nullptr && back_->holds < UINT16_MAX;
  if (!has_room) push_chunk(pool_->take(size_class_, 0));
  if (marks_ == nullptr) marks_ = std::make_unique<FrameMarks>(end_);
  ++back_->holds;
  ++holds_;
  return {back_, back_->size};
}

void FanOutLog::release(LogPlace place) {
  --place.chunk->holds;
  if (--holds_ == 0 && !marks_always_) marks_.reset();
  collect();
}

std::optional<LogPlace> FanOutLog::find(uint64_t sequence) const {
  if (marks_ == nullptr) return std::nullopt;
  const std::optional<uint64_t> begin = marks_->begin_of_sequence(sequence);
  if (!begin) return std::nullopt;
  Chunk* chunk = front_;
  while (chunk->base + chunk->size <= *begin) chunk = chunk->next;
  return LogPlace{chunk, static_cast<uint32_t>(*begin - chunk->base)};
}

bool FanOutLog::attach_at(Cursor& cursor, LogPlace place) {
  cursor.log = this;
  ++cursors_;
  if (place.offset == place.chunk->size && place.chunk->next != nullptr) {
    place = {place.chunk->next, 0};
  }
  if (place.offset == place.chunk->size && place.chunk->next == nullptr) {
    caught_up_.push_back(cursor);
    return false;
  }
  stand(cursor, *place.chunk, place.offset);
  return true;
}

uint64_t FanOutLog::end_of_credit(const Cursor& cursor, const AckWindow& acks) const {
  uint64_t position = cursor.chunk->base + cursor.offset;
  AckWindow::Room room = acks.room();
  for (size_t index = marks_->index_behind(position); index < marks_->size() && room.takes_one();
       ++index) {
    room.take(marks_->at(index).end - position);
    position = marks_->at(index).end;
  }
  return position;
}

size_t FanOutLog::begin_flight(Cursor& cursor, std::span<SendSpan> spans, size_t bytes_max,
                               size_t& bytes, AckWindow* acks) {
  DCHECK(!cursor.is_caught_up() && !cursor.is_in_flight() && spans.size() >= 2);
  const uint64_t from = cursor.chunk->base + cursor.offset;
  const uint64_t limit = acks == nullptr ? reads_to(cursor) : end_of_credit(cursor, *acks);
  DCHECK(limit > from);
  size_t count = 0;
  bool inside_frame = false;
  Chunk* chunk = cursor.chunk;
  uint32_t offset = cursor.offset;
  while (true) {
    const bool is_limited = limit < chunk->base + chunk->size;
    const size_t size = is_limited ? limit - (chunk->base + offset) : size_t{chunk->size} - offset;
    // A frame that goes on in the next chunk needs a second span; the first frame goes whatever its
    // size.
    const bool continues = chunk->continues && !is_limited;
    const size_t spans_needed = continues ? 2 : 1;
    const bool is_optional = count > 0 && !inside_frame;
    if (is_optional && (bytes + size > bytes_max || count + spans_needed > spans.size())) break;
    if (size > 0) {
      spans[count++] = {chunk->octets + offset, size};
      bytes += size;
    }
    inside_frame = continues;
    offset += static_cast<uint32_t>(size);
    if (is_limited || chunk->next == nullptr || limit == chunk->base + chunk->size) break;
    if (count == spans.size() && !inside_frame) break;
    chunk = chunk->next;
    offset = 0;
  }
  DCHECK(!inside_frame && count > 0);
  cursor.flight_chunk = chunk;
  cursor.flight_offset = offset;
  if (acks != nullptr) add_to_window(*acks, from, chunk->base + offset);
  return count;
}

void FanOutLog::add_to_window(AckWindow& acks, uint64_t from, uint64_t to) const {
  for (size_t index = marks_->index_behind(from); from < to; ++index) {
    const FrameMarks::Mark& mark = marks_->at(index);
    acks.add(mark.number, mark.id_hash, mark.end - from);
    from = mark.end;
  }
}

bool FanOutLog::end_flight(Cursor& cursor) {
  DCHECK(cursor.is_in_flight());
  if (cursor.detour != nullptr && cursor.detour->pinned_from != nullptr) {
    return end_pinned_flight(cursor);
  }
  Chunk* chunk = cursor.flight_chunk;
  uint32_t offset = cursor.flight_offset;
  if (offset == chunk->size && chunk->next != nullptr) {
    chunk = chunk->next;
    offset = 0;
  }
  cursor.flight_chunk = nullptr;
  leave_chunk(cursor);
  const bool is_at_end = chunk->next == nullptr && offset == chunk->size;
  if (is_at_end) {
    caught_up_.push_back(cursor);
  } else {
    stand(cursor, *chunk, offset);
  }
  collect();
  return is_at_end;
}

void FanOutLog::collect() {
  while (front_ != nullptr && front_->standing.empty() && front_->holds == 0) {
    Chunk* next = front_->next;
    if (next == nullptr) {
      back_ = nullptr;
      // The group went idle. If it left most of its chunk unused, the next one is smaller.
      if (front_->size_class < ChunkPool::kNoClass && front_->size < front_->capacity / 4 &&
          size_class_ > 0) {
        --size_class_;
      }
    }
    if (front_->keepers == 0) {
      pool_->give_back(front_);
    } else {
      front_->is_let_go = true;
    }
    front_ = next;
  }
  if (marks_ != nullptr) marks_->trim(front_ == nullptr ? end_ : front_->base);
}

// -- Detours.

void FanOutLog::limit_chunks(size_t bytes) {
  while (size_class_max_ > 0 && ChunkPool::kSizes[size_class_max_] > bytes) --size_class_max_;
}

void FanOutLog::skip_frame() {
  DCHECK(!has_readers() && front_ == nullptr);
  marks_->skip();
}

LogPlace FanOutLog::unsent_from(const Cursor& cursor) {
  // A send that is in flight, unless it is of what was before a place that it was moved to.
  const bool was_moved =
      cursor.detour != nullptr && cursor.detour->pinned_from != nullptr && !cursor.is_away();
  if (cursor.is_in_flight() && !was_moved) return {cursor.flight_chunk, cursor.flight_offset};
  return {cursor.chunk, cursor.offset};
}

size_t FanOutLog::unsent(const Cursor& cursor) const {
  if (cursor.chunk == nullptr) return 0;
  const LogPlace from = unsent_from(cursor);
  return reads_to(cursor) - (from.chunk->base + from.offset);
}

uint64_t FanOutLog::next_frame(const Cursor& cursor) const {
  const LogPlace from = unsent_from(cursor);
  return frame_count() - marks_->count_behind(from.chunk->base + from.offset);
}

size_t FanOutLog::first_unsent_frame(const Cursor& cursor) const {
  const LogPlace from = unsent_from(cursor);
  const uint64_t position = from.chunk->base + from.offset;
  return marks_->end_of_frame_at(position) - position;
}

void FanOutLog::find_lagging(size_t unsent_max, std::vector<Cursor*>& found) const {
  for (const Chunk* chunk = front_; chunk != nullptr && chunk->base + unsent_max < end_;
       chunk = chunk->next) {
    for (Cursor* cursor = chunk->standing.front(); cursor != nullptr;
         cursor = StandingCursors::next(*cursor)) {
      if (unsent(*cursor) > unsent_max) found.push_back(cursor);
    }
  }
}

LogPlace FanOutLog::place_of(uint64_t position) const {
  Chunk* chunk = front_;
  while (chunk->base + chunk->size <= position) chunk = chunk->next;
  return {chunk, static_cast<uint32_t>(position - chunk->base)};
}

LogPlace FanOutLog::last(size_t bytes) const {
  const uint64_t border = marks_->border_from(end_ - bytes);
  DCHECK(border < end_);
  return place_of(border);
}

void FanOutLog::pin(Cursor& cursor, Chunk* to) {
  cursor.detour->pinned_from = cursor.chunk;
  cursor.detour->pinned_to = to;
  for (Chunk* chunk = cursor.chunk;; chunk = chunk->next) {
    ++chunk->keepers;
    if (chunk == to) break;
  }
}

void FanOutLog::unpin(Cursor& cursor, const Chunk* before) {
  Detour& detour = *cursor.detour;
  while (detour.pinned_from != nullptr && detour.pinned_from != before) {
    Chunk* const chunk = detour.pinned_from;
    detour.pinned_from = chunk == detour.pinned_to ? nullptr : chunk->next;
    if (--chunk->keepers == 0 && chunk->is_let_go) pool_->give_back(chunk);
  }
}

void FanOutLog::move(Cursor& cursor, LogPlace place) {
  DCHECK(!cursor.is_caught_up() && !cursor.is_away());
  if (cursor.is_in_flight() && cursor.detour->pinned_from == nullptr) {
    pin(cursor, cursor.flight_chunk);
  }
  leave_chunk(cursor);
  stand(cursor, *place.chunk, place.offset);
  collect();
}

void FanOutLog::park(Cursor& cursor) {
  DCHECK(!cursor.is_caught_up() && !cursor.is_away());
  Detour& detour = *cursor.detour;
  detour.next_frame = next_frame(cursor);
  if (cursor.is_in_flight()) pin(cursor, cursor.flight_chunk);
  leave_chunk(cursor);
  detour.is_away = true;
  ++away_;
  collect();
}

void FanOutLog::stop_at_end(Cursor& cursor) {
  DCHECK(!cursor.is_caught_up() && !cursor.is_away());
  Detour& detour = *cursor.detour;
  Chunk* const chunk = cursor.chunk;
  pin(cursor, back_);
  leave_chunk(cursor);
  cursor.chunk = chunk;
  detour.is_away = detour.has_stop = true;
  detour.stop = end_;
  detour.next_frame = frame_count();
  ++away_;
  collect();
}

void FanOutLog::rejoin(Cursor& cursor) {
  DCHECK(cursor.is_away() && !cursor.is_in_flight());
  Detour& detour = *cursor.detour;
  detour.is_away = detour.has_stop = false;
  detour.dropped += frame_count() - detour.next_frame;
  cursor.chunk = nullptr;
  --away_;
  caught_up_.push_back(cursor);
}

bool FanOutLog::end_pinned_flight(Cursor& cursor) {
  const Detour& detour = *cursor.detour;
  Chunk* chunk = std::exchange(cursor.flight_chunk, nullptr);
  uint32_t offset = cursor.flight_offset;
  if (!detour.has_stop) {
    unpin(cursor, nullptr);
    return false;
  }
  if (chunk->base + offset == detour.stop) {
    unpin(cursor, nullptr);
    rejoin(cursor);
    return true;
  }
  if (offset == chunk->size) {
    chunk = chunk->next;
    offset = 0;
  }
  unpin(cursor, chunk);
  cursor.chunk = chunk;
  cursor.offset = offset;
  return false;
}

bool FanOutLog::take_frame(Cursor& cursor, std::string& out, AckWindow* acks) {
  DCHECK(!cursor.is_caught_up() && !cursor.is_away() && !cursor.is_in_flight());
  const uint64_t from = cursor.chunk->base + cursor.offset;
  const uint64_t to = marks_->end_of_frame_at(from);
  uint32_t offset = cursor.offset;
  for (const Chunk* chunk = cursor.chunk; chunk->base + offset < to; chunk = chunk->next) {
    const size_t size = std::min<uint64_t>(chunk->size, to - chunk->base) - offset;
    out.append(reinterpret_cast<const char*>(chunk->octets) + offset, size);
    if (chunk->base + offset + size == to) break;
    offset = 0;
  }
  if (acks != nullptr) add_to_window(*acks, from, to);
  const bool is_at_end = to == end_;
  const LogPlace place = is_at_end ? LogPlace{} : place_of(to);
  leave_chunk(cursor);
  if (is_at_end) {
    caught_up_.push_back(cursor);
  } else {
    stand(cursor, *place.chunk, place.offset);
  }
  collect();
  return is_at_end;
}

}  // namespace stampede::core
