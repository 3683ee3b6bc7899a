#include "core/outflow.h"

#include <cstdint>
#include <utility>

#include "core/topics.h"
#include "proto/base/check.h"

namespace stampede::core {

template <typename Measure>
size_t Outflow::sum_of(Measure&& lag_of) const {
  size_t bytes = outbox_.bytes();
  for (const PendingCursors* cursors : {&behind_, &in_flight_, &stopped_}) {
    for (const Cursor* cursor = cursors->front(); cursor != nullptr;
         cursor = cursor->pending.next) {
      bytes += lag_of(*static_cast<const Subscription*>(cursor));
    }
  }
  return bytes;
}

size_t Outflow::lag_bytes() const {
  return sum_of([](const Subscription& subscription) {
    return subscription.replay() != nullptr ? Replays::unsent(subscription)
                                            : subscription.log->lag(subscription);
  });
}

size_t Outflow::blamed_bytes() const {
  return sum_of([](const Subscription& subscription) { return subscription.blamed_lag(); });
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
    } else {
      subscription->is_pardoned = false;
      if (subscription->replay() != nullptr) topics.replays().on_caught_up(*subscription);
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

void Outflow::keep_unsent(const Subscription& subscription, size_t replay_bytes_max) {
  const Replay* const replay = subscription.replay();
  if (replay != nullptr && Replays::unsent(subscription) > replay_bytes_max) return;
  const auto keep = [this](const uint8_t* octets, size_t size) {
    outbox_.gathering().append(reinterpret_cast<const char*>(octets), size);
  };
  subscription.log->copy_unsent(subscription, keep);
  if (replay != nullptr && replay->junction) replay->group.log.copy_from(*replay->junction, keep);
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
