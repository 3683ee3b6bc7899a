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
  return sum_of([](const Subscription& one) { return one.group->drops() ? 0 : one.blamed_lag(); });
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
    const bool was_away = subscription->is_away();
    const bool is_caught_up = subscription->log->end_flight(*subscription);
    if (subscription->has_ended) {
      const std::unique_ptr<Subscription> owned(subscription);
      topics.detach(*owned);
    } else if (!is_caught_up) {
      (subscription->is_parked() ? parked_ : behind_).push_back(*subscription);
    } else {
      subscription->is_pardoned = false;
      if (subscription->replay() != nullptr) {
        topics.replays().on_caught_up(*subscription);
      } else if (subscription->group->drops()) {
        topics.slow_consumers().on_caught_up(*subscription, was_away);
      }
    }
  }
}

bool Outflow::resume(Subscription& subscription) {
  if (!subscription.is_stopped || !subscription.acks->has_room()) return false;
  subscription.is_stopped = false;
  stopped_.remove(subscription);
  (subscription.is_parked() ? parked_ : behind_).push_back(subscription);
  return true;
}

void Outflow::begin_detour(Subscription& subscription) {
  subscription.detour = std::make_unique<Detour>();
  ++detours_;
}

void Outflow::end_detour(Subscription& subscription) {
  subscription.detour.reset();
  --detours_;
}

void Outflow::on_parked(Subscription& subscription) {
  if (subscription.is_in_flight() || subscription.is_stopped) return;
  behind_.remove(subscription);
  parked_.push_back(subscription);
}

bool Outflow::give_first(Subscription& subscription, SlowConsumers& slow) {
  if (!slow.write_first(subscription, outbox_.gathering())) return false;
  behind_.remove(subscription);
  slow.on_caught_up(subscription, false);
  return true;
}

void Outflow::gather_detours(SlowConsumers& slow, size_t bytes_max) {
  if (detours_ == 0) return;
  std::string& out = outbox_.gathering();
  while (!parked_.empty() && out.size() < bytes_max) {
    auto& subscription = static_cast<Subscription&>(*parked_.pop_front());
    switch (slow.write_conflated(subscription, out, bytes_max)) {
      case SlowConsumers::Written::kMore:
        parked_.push_back(subscription);
        break;
      case SlowConsumers::Written::kNoCredit:
        subscription.is_stopped = true;
        stopped_.push_back(subscription);
        break;
      case SlowConsumers::Written::kAll:
        slow.on_caught_up(subscription, false);
        break;
    }
  }
  for (Cursor* cursor = behind_.front(); cursor != nullptr && out.size() < bytes_max;) {
    auto& subscription = static_cast<Subscription&>(*cursor);
    cursor = PendingCursors::next(subscription);
    const Detour* const detour = subscription.detour.get();
    if (detour == nullptr || detour->dropped == 0) continue;
    if (subscription.acks != nullptr && !subscription.acks->has_room()) continue;
    (void)give_first(subscription, slow);
  }
}

void Outflow::keep_unsent(Subscription& subscription, Topics& topics, size_t replay_bytes_max) {
  if (subscription.detour != nullptr) {
    topics.slow_consumers().write_rest(subscription, outbox_.gathering());
    return;
  }
  const Replay* const replay = subscription.replay();
  if (replay != nullptr && Replays::unsent(subscription) > replay_bytes_max) return;
  const auto keep = [this](const uint8_t* octets, size_t size) {
    outbox_.gathering().append(reinterpret_cast<const char*>(octets), size);
  };
  subscription.log->copy_unsent(subscription, keep);
  if (replay == nullptr || !replay->junction) return;
  const FanOutLog& log = replay->group.log;
  log.copy_from(*replay->junction, log.end(), keep);
}

void Outflow::drop(std::unique_ptr<Subscription> subscription, Topics& topics) {
  DCHECK(subscription->has_ended);
  if (subscription->detour != nullptr) {
    topics.slow_consumers().forget(*subscription);
    --detours_;
  }
  if (subscription->is_in_flight()) {
    // The send reads the log from where the cursor stands; end_send() takes over from here.
    (void)subscription.release();
    return;
  }
  if (subscription->is_stopped) {
    stopped_.remove(*subscription);
  } else if (subscription->is_parked()) {
    parked_.remove(*subscription);
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
