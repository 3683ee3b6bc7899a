#include "core/queue_subscription.h"

#include <algorithm>
#include <array>
#include <utility>

#include "proto/base/check.h"
#include "proto/stomp_encoder.h"
#include "proto/utf8.h"

namespace stampede::core {

QueueSubscription::QueueSubscription(uint32_t number, ShardId owner, uint64_t ack_token,
                                     Options options)
    : number_(number),
      owner_(owner),
      ack_token_(ack_token),
      options_(std::move(options)),
      acks_(options_.mode, options_.credit, options_.ack_order) {}

QueueSubscription::~QueueSubscription() {
  for (const Waiting& waiting : waiting_) waiting.message->drop_reference();
}

void QueueSubscription::hand_out(Message& message, uint64_t tag, uint32_t earlier_deliveries) {
  DCHECK(waiting_.empty() || waiting_.back().tag < tag);
  message.add_references(1);
  waiting_.push_back({&message, tag, earlier_deliveries});
}

bool QueueSubscription::take(std::string& frame, proto::StompVersion version, uint64_t seed) {
  frame = "MESSAGE\n";
  if (options_.has_id) proto::append_echoed_header(frame, "subscription", options_.id, version);
  if (waiting_.empty()) {
    append_browse_end(frame, version);
    is_end_said_ = true;
    return proto::is_valid_utf8({reinterpret_cast<const uint8_t*>(frame.data()), frame.size()});
  }
  const Waiting next = waiting_.front();
  waiting_.pop_front();
  taken_ = next.tag;
  Message& message = *next.message;
  if (!is_auto()) {
    acks_.add(next.tag, hash_message_id(message.message_id(), seed), message.body().size());
    if (version == proto::StompVersion::k12) {
      std::array<char, kAckIdBytesMax> text;
      const size_t size =
          static_cast<size_t>(put_ack_id(text.data(), {next.tag, ack_token_}) - text.data());
      frame.append("ack:").append(text.data(), size).push_back('\n');
    }
  }
  if (next.earlier_deliveries > 0) {
    frame.append("redelivered:true\ndelivery-count:");
    frame.append(std::to_string(next.earlier_deliveries + 1)).push_back('\n');
  }
  const bool is_id_utf8 =
      message.is_utf8() &&
      proto::is_valid_utf8({reinterpret_cast<const uint8_t*>(frame.data()), frame.size()});
  message.append_headers(frame, version);
  const std::span<const uint8_t> body = message.body_and_nul();
  frame.append(reinterpret_cast<const char*>(body.data()), body.size());
  message.drop_reference();
  return is_id_utf8;
}

// As ActiveMQ ends a browse: a MESSAGE without content.
void QueueSubscription::append_browse_end(std::string& frame, proto::StompVersion version) const {
  proto::append_header(frame, "message-id", "browse-end-" + std::to_string(number_), version);
  proto::append_echoed_header(frame, "destination", options_.destination, version);
  frame.append("browser:end\ncontent-length:0\n\n").push_back('\0');
}

uint64_t QueueSubscription::end_flight() {
  if (!is_auto() || in_flight_ == flown_) return 0;
  return flown_ = in_flight_;
}

QueueSubscription& QueueSubscriptions::add(std::unique_ptr<QueueSubscription> consumer) {
  all_.push_back(std::move(consumer));
  return *all_.back();
}

QueueSubscription* QueueSubscriptions::find_by_id(std::string_view id) const {
  const auto found =
      std::ranges::find_if(all_, [&](const auto& one) { return one->has_id() && one->id() == id; });
  return found == all_.end() ? nullptr : found->get();
}

QueueSubscription* QueueSubscriptions::find_by_destination(std::string_view destination) const {
  const auto found = std::ranges::find_if(
      all_, [&](const auto& one) { return !one->has_id() && one->id() == destination; });
  return found == all_.end() ? nullptr : found->get();
}

QueueSubscription* QueueSubscriptions::find_by_number(uint32_t number) const {
  const auto found =
      std::ranges::find_if(all_, [&](const auto& one) { return one->number() == number; });
  return found == all_.end() ? nullptr : found->get();
}

std::unique_ptr<QueueSubscription> QueueSubscriptions::take(QueueSubscription& consumer) {
  const auto found =
      std::ranges::find_if(all_, [&](const auto& one) { return one.get() == &consumer; });
  DCHECK(found != all_.end());
  std::unique_ptr<QueueSubscription> taken = std::move(*found);
  all_.erase(found);
  return taken;
}

bool QueueSubscriptions::has_waiting(Which which) const {
  return std::ranges::any_of(all_, [which](const auto& one) {
    return one->has_waiting() && (which == Which::kAll || one->is_temporary());
  });
}

QueueSubscription* QueueSubscriptions::next_waiting(Which which) {
  for (size_t looked_at = 0; looked_at < all_.size(); ++looked_at) {
    QueueSubscription& one = *all_[turn_++ % all_.size()];
    if (one.has_waiting() && (which == Which::kAll || one.is_temporary())) return &one;
  }
  return nullptr;
}

}  // namespace stampede::core
