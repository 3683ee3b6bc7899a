#include "core/outflow.h"

#include <cstdint>
#include <utility>

#include "core/topics.h"
#include "proto/base/check.h"

namespace stampede::core {

size_t Outflow::lag_bytes() const {
  size_t bytes = outbox_.bytes();
  const auto add = [&bytes](const PendingCursors& cursors) {
    for (const Cursor* cursor = cursors.front(); cursor != nullptr; cursor = cursor->pending.next) {
      bytes += cursor->log->lag(*cursor);
    }
  };
  add(behind_);
  add(in_flight_);
  add(stopped_);
  return bytes;
}

// On the heap, as few clients ever have one and many are idle.
void Outflow::set_farewell(std::string octets) {
  farewell_ = std::make_unique<std::string>(std::move(octets));
}

void Outflow::release_farewell() {
  if (farewell_ == nullptr) return;
  outbox_.gathering() += *farewell_;
  farewell_.reset();
}

Outflow::Send Outflow::begin_send(std::span<SendSpan> spans, size_t bytes_max, Millis now) {
  DCHECK(!is_sending_);
  Send send = {0, 0};
  if (!outbox_.empty()) {
    spans[send.spans++] = outbox_.begin_flight();
    send.bytes += spans[0].size;
  }
  // A cursor may need two spans. Those that do not fit wait for the next send, in the order of the
  // list.
  while (!behind_.empty() && send.spans + 2 <= spans.size() && send.bytes < bytes_max) {
    auto& subscription = static_cast<Subscription&>(*behind_.pop_front());
    AckWindow* const acks = subscription.acks.get();
    if (acks != nullptr && !acks->has_room()) {
      subscription.is_stopped = true;
      stopped_.push_back(subscription);
      continue;
    }
    send.spans += subscription.log->begin_flight(subscription, spans.subspan(send.spans), bytes_max,
                                                 send.bytes, acks);
    in_flight_.push_back(subscription);
  }
  if (send.bytes > 0) {
    is_sending_ = true;
    send_started_ = now;
  }
  return send;
}

void Outflow::end_send(Topics& topics) {
  is_sending_ = false;
  outbox_.end_flight();
  while (Cursor* cursor = in_flight_.pop_front()) {
    auto* subscription = static_cast<Subscription*>(cursor);
    const bool is_caught_up = subscription->log->end_flight(*subscription);
    if (subscription->has_ended) {
      const std::unique_ptr<Subscription> owned(subscription);
      topics.detach(*owned);
    } else if (!is_caught_up) {
      behind_.push_back(*subscription);
    }
  }
}

bool Outflow::resume(Subscription& subscription) {
  if (!subscription.is_stopped || !subscription.acks->has_room()) return false;
  subscription.is_stopped = false;
  stopped_.remove(subscription);
  behind_.push_back(subscription);
  return true;
}

void Outflow::keep_unsent(const Subscription& subscription) {
  subscription.log->copy_unsent(subscription, [this](const uint8_t* octets, size_t size) {
    outbox_.gathering().append(reinterpret_cast<const char*>(octets), size);
  });
}

void Outflow::drop(std::unique_ptr<Subscription> subscription, Topics& topics) {
  DCHECK(subscription->has_ended);
  if (subscription->is_in_flight()) {
    // The send reads the log from where the cursor stands; end_send() takes over from here.
    (void)subscription.release();
    return;
  }
  if (subscription->is_stopped) {
    stopped_.remove(*subscription);
  } else if (!subscription->is_caught_up()) {
    behind_.remove(*subscription);
  }
  topics.detach(*subscription);
}

void Outflow::drop_private() {
  outbox_.drop();
  farewell_.reset();
}

}  // namespace stampede::core
