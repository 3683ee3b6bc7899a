#include "core/reply_queue.h"

#include <utility>

namespace stampede::core {

namespace {

// Memory of more than this is not kept for the next that waits.
constexpr size_t kSpareBytesMax = 4096;

}  // namespace

std::unique_ptr<ReplyQueue::Waiting>& ReplyQueue::spare_of_thread() {
  static thread_local std::unique_ptr<Waiting> spare;
  return spare;
}

void ReplyQueue::end_waiting() {
  std::unique_ptr<Waiting> ended = std::move(waiting_);
  if (ended->texts.capacity() + ended->replies.capacity() * sizeof(Reply) > kSpareBytesMax) return;
  ended->texts.clear();
  ended->notes.clear();
  ended->replies.clear();
  spare_of_thread() = std::move(ended);
}

uint32_t ReplyQueue::add(std::string_view receipt_id, uint32_t parts) {
  if (waiting_ == nullptr) {
    waiting_ = std::move(spare_of_thread());
    if (waiting_ == nullptr) waiting_ = std::make_unique<Waiting>();
    waiting_->first_ticket = next_ticket_;
  }
  waiting_->texts.append(receipt_id);
  waiting_->replies.push_back(
      {.text_size = static_cast<uint32_t>(receipt_id.size()), .parts_left = parts});
  return kTicketMark | next_ticket_++;
}

uint32_t ReplyQueue::add_silent(uint32_t parts) {
  const uint32_t ticket = add({}, parts);
  waiting_->replies.back().is_cancelled = true;
  return ticket;
}

ReplyQueue::Reply* ReplyQueue::find(uint32_t ticket) {
  if (waiting_ == nullptr || (ticket & kTicketMark) == 0) return nullptr;
  const uint32_t index = (ticket - waiting_->first_ticket) & ~kTicketMark;
  return index < waiting_->replies.size() ? &waiting_->replies[index] : nullptr;
}

void ReplyQueue::complete(uint32_t ticket) {
  Reply* const reply = find(ticket);
  if (reply != nullptr && reply->parts_left > 0) --reply->parts_left;
}

void ReplyQueue::count_subscriptions(uint32_t ticket) {
  if (Reply* const reply = find(ticket)) reply->subscriptions = 0;
}

void ReplyQueue::expect_reports(uint32_t ticket, uint32_t shards) {
  if (Reply* const reply = find(ticket)) reply->reports_left += static_cast<int32_t>(shards);
}

void ReplyQueue::report(uint32_t ticket, uint64_t subscriptions) {
  Reply* const reply = find(ticket);
  if (reply == nullptr || !reply->subscriptions) return;
  --reply->reports_left;
  *reply->subscriptions += subscriptions;
}

void ReplyQueue::add_part(uint32_t ticket) {
  if (Reply* const reply = find(ticket)) ++reply->parts_left;
}

void ReplyQueue::note(uint32_t ticket, std::string_view lines) {
  if (find(ticket) != nullptr) waiting_->notes.push_back({ticket, std::string(lines)});
}

std::string_view ReplyQueue::find_note(uint32_t ticket) const {
  for (const Note& one : waiting_->notes) {
    if (one.ticket == ticket) return one.lines;
  }
  return {};
}

std::optional<std::string> ReplyQueue::cancel(uint32_t ticket) {
  Reply* const cancelled = find(ticket);
  if (cancelled == nullptr) return std::nullopt;
  cancelled->parts_left = 0;
  cancelled->reports_left = 0;
  cancelled->is_cancelled = true;
  size_t before = 0;
  for (const Reply* reply = waiting_->replies.data(); reply != cancelled; ++reply) {
    before += reply->text_size;
  }
  return waiting_->texts.substr(before, cancelled->text_size);
}

}  // namespace stampede::core
