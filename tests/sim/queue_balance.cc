#include "tests/sim/queue_balance.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace stampede::sim {

namespace {

using Fate = Delivery::Fate;

bool was_published(const Put& put) { return put.order > 0 && !put.is_refused; }

bool is_settled_for_certain(const Delivery& delivery) {
  const bool is_settled = delivery.fate == Fate::kAcked || delivery.fate == Fate::kRejected;
  return is_settled && delivery.settle_frame <= delivery.sub->session->confirmed;
}

}  // namespace

bool QueueBalance::is_certain(const Put& put) const {
  if (put.is_seen) return true;
  const bool may_be_refused = rules_.is_bounded &&
                              rules_.policy == core::QueueFullPolicy::kRefuse &&
                              ledger_.is_of_queue(put) && !put.is_in_transaction;
  if (may_be_refused) return put.is_acknowledged || put.session->has_parted;
  return put.frame <= put.session->confirmed;
}

bool QueueBalance::may_have_expired(const Put& put) const {
  return std::ranges::any_of(ledger_.same_as(put),
                             [this](const Put* one) { return one->expires_at <= now_; });
}

QueueBalance::Whereabouts QueueBalance::whereabouts(const Put& put) const {
  const size_t life = put.lives[1].empty() ? 0 : 1;
  const std::vector<Delivery*>& deliveries = put.lives[life];
  if (deliveries.empty()) return is_certain(put) ? Whereabouts::kInQueue : Whereabouts::kUnsure;
  return whereabouts_after(*deliveries.back(), life == 1, deliveries.size());
}

QueueBalance::Whereabouts QueueBalance::whereabouts_after(const Delivery& last, bool is_dead,
                                                          size_t deliveries) const {
  // None comes twice to the dead.
  const Whereabouts if_failed = is_dead ? Whereabouts::kGone : Whereabouts::kBecameDead;
  const SimSession& session = *last.sub->session;
  switch (last.fate) {
    case Fate::kSent:
      return Whereabouts::kGone;
    case Fate::kAcked:
      return is_settled_for_certain(last) ? Whereabouts::kGone : Whereabouts::kUnsure;
    case Fate::kRejected:
      return is_settled_for_certain(last) ? if_failed : Whereabouts::kUnsure;
    case Fate::kHeld:
      // An auto subscription that ends in peace consumes what is under way, even if that fails.
      if (last.sub->mode == core::AckMode::kAuto && (last.sub->is_ending || session.is_graceful))
        return Whereabouts::kUnsure;
      break;
    case Fate::kRequeued:
      break;
  }
  return deliveries >= rules_.deliveries_max ? if_failed : Whereabouts::kInQueue;
}

size_t QueueBalance::check_nothing_is_left() const {
  size_t dropped = 0;
  for (const Put& put : ledger_.puts()) {
    if (!was_published(put) || !ledger_.is_of_queue(put) || ledger_.is_duplicate(put)) continue;
    const Whereabouts place = whereabouts(put);
    if (place == Whereabouts::kInQueue) {
      if (may_have_expired(put)) continue;
      if (!rules_.is_bounded || rules_.policy == core::QueueFullPolicy::kRefuse)
        fail_about(put, "lost");
      // One of several of one message-id.
      dropped += ledger_.same_as(put).front() == &put ? 1 : 0;
    } else if (place == Whereabouts::kBecameDead) {
      if (!rules_.is_bounded) fail_about(put, "a dead letter is lost");
      ++dropped;
    }
  }
  return dropped;
}

QueueBalance::Remains QueueBalance::remains() const {
  Remains remains;
  for (const Put& put : ledger_.puts()) {
    if (!was_published(put) || !ledger_.is_of_queue(put) || ledger_.is_duplicate(put)) continue;
    const std::vector<const Put*> same = ledger_.same_as(put);
    // Of several of one message-id, none of which was seen, one is there at most.
    if (!put.is_seen && same.front() != &put) continue;
    const Whereabouts place = whereabouts(put);
    if (place == Whereabouts::kGone) continue;
    ++remains.most;
    const bool is_there =
        place == Whereabouts::kInQueue || (place == Whereabouts::kBecameDead && !rules_.is_bounded);
    const bool may_expire =
        std::ranges::any_of(same, [](const Put* one) { return one->expires_at != core::kNever; });
    if (is_there && !may_expire) ++remains.least;
  }
  return remains;
}

void QueueBalance::check_deliveries() const {
  for (const Put& put : ledger_.puts()) {
    const Delivery* before = nullptr;
    const auto check_after = [&](const Delivery& delivery, bool is_dead) {
      const bool is_burial = is_dead && before != nullptr && before->fate == Fate::kRejected &&
                             before->sub->destination == put.destination;
      if (before != nullptr && is_settled_for_certain(*before) && !is_burial)
        fail_about(put, "given again, though its acknowledgement took effect");
      before = &delivery;
    };
    for (const Delivery* delivery : put.lives[0]) check_after(*delivery, false);
    for (const Delivery* delivery : put.lives[1]) check_after(*delivery, true);
  }
}

void QueueBalance::check_topics() const {
  for (const Put& put : ledger_.puts()) {
    if (!was_published(put) || ledger_.is_of_queue(put)) continue;
    if (!put.is_seen && is_certain(put) && !ledger_.is_duplicate(put)) fail_about(put, "lost");
  }
}

}  // namespace stampede::sim
