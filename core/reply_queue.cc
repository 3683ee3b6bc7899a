#include "core/reply_queue.h"

namespace stampede::core {

uint32_t ReplyQueue::add(std::string_view receipt_id) {
  if (waiting_ == nullptr) {
    waiting_ = std::make_unique<Waiting>();
    waiting_->first_ticket = next_ticket_;
  }
  waiting_->replies.push_back({std::string(receipt_id), false});
  return kTicketMark | next_ticket_++;
}

void ReplyQueue::complete(uint32_t ticket) {
  if (waiting_ == nullptr || (ticket & kTicketMark) == 0) return;
  const uint32_t index = (ticket - waiting_->first_ticket) & ~kTicketMark;
  if (index < waiting_->replies.size()) waiting_->replies[index].is_done = true;
}

}  // namespace stampede::core
