#include "tests/sim/queue_ledger.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace stampede::sim {

namespace {

using Fate = Delivery::Fate;
using Kind = SimDestination::Kind;

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what); }

std::string header(const SimFrame& frame, const std::string& name) {
  const auto found = frame.headers.find(name);
  return found == frame.headers.end() ? std::string() : found->second;
}

// Whether the queue may have the message back, as far as is known by now.
bool may_be_back(const Delivery& delivery) {
  const SimSession& session = *delivery.sub->session;
  switch (delivery.fate) {
    case Fate::kSent:
      return false;
    case Fate::kRequeued:
      return true;
    case Fate::kHeld:
      return delivery.sub->is_ending || session.is_closed;
    case Fate::kAcked:
    case Fate::kRejected:
      return session.is_closed && delivery.settle_frame > session.confirmed;
  }
  return false;
}

// The broker cannot know yet that the client is done with it.
bool is_held(const Delivery& delivery) {
  return delivery.fate == Fate::kHeld && !delivery.sub->is_ending &&
         !delivery.sub->session->is_closed;
}

}  // namespace

std::string QueueLedger::body_of(uint32_t number) {
  std::string body = std::to_string(number) + ":";
  // Small ones, some around a chunk's sizes, and now and then one that is referenced by a log.
  const size_t filler = number % 89 == 13 ? 40'000 : number % 17 == 3 ? 3'000 : number % 50;
  body.append(filler, static_cast<char>('a' + number % 26));
  return body;
}

bool QueueLedger::is_of_queue(const Put& put) const {
  return rules_.destinations[put.destination].kind == Kind::kQueue;
}

// -- What peers do.

Put& QueueLedger::add_put(SimSession& producer) {
  Put& put = puts_.emplace_back();
  put.session = &producer;
  put.number = static_cast<uint32_t>(puts_.size() - 1);
  return put;
}

void QueueLedger::publish(Put& put, uint64_t frame) {
  put.frame = frame;
  put.order = ++order_;
  if (!put.message_id.empty()) ids_[{put.destination, put.message_id}].puts.push_back(&put);
}

void QueueLedger::settle(Delivery& delivery, Fate fate, uint64_t frame) {
  Sub& sub = *delivery.sub;
  const auto found = std::ranges::find(sub.held, &delivery);
  // It may have been settled meanwhile, or its subscription may have ended: then this is nothing.
  if (sub.is_ending || found == sub.held.end()) return;
  const auto first = sub.mode == core::AckMode::kClient ? sub.held.begin() : found;
  for (auto settled = first; settled <= found; ++settled) {
    (*settled)->fate = fate;
    (*settled)->settle_frame = frame;
  }
  sub.held.erase(first, found + 1);
}

void QueueLedger::commit(const Transaction& transaction, uint64_t frame) {
  for (Put* put : transaction.puts) publish(*put, frame);
  for (const Transaction::Step& step : transaction.steps) settle(*step.delivery, step.fate, frame);
}

void QueueLedger::end(Sub& sub) {
  sub.is_ending = true;
  sub.late.assign(sub.held.begin(), sub.held.end());
  sub.held.clear();
  disturb(sub);
}

void QueueLedger::disturb(Sub& sub) {
  Disturbance& disturbance = disturbances_[sub.destination];
  sub.is_only_end = ++disturbance.ends == 1;
  sub.end = ++disturbance.last_end;
}

// -- What the broker does.

void QueueLedger::receipt(SimSession& session, const std::string& id) {
  while (!session.expected.empty() && session.expected.front().id != id) {
    if (!may_be_refused(session.expected.front())) fail("a RECEIPT before an earlier one: " + id);
    refuse(session, session.expected.front());
    session.expected.pop_front();
  }
  if (session.expected.empty()) fail("a RECEIPT that nobody asked for: " + id);
  const ExpectedReceipt expected = session.expected.front();
  session.expected.pop_front();
  session.confirmed = std::max(session.confirmed, expected.frame);
  if (expected.put != nullptr) expected.put->is_acknowledged = true;
  if (expected.ends != nullptr) expected.ends->is_ended = true;
  if (expected.is_goodbye) session.has_parted = true;
  if (expected.begins != nullptr) {
    expected.begins->is_live = true;
    expected.begins->order_when_live = order_;
  }
}

bool QueueLedger::may_be_refused(const ExpectedReceipt& expected) const {
  if (!rules_.is_bounded) return false;
  if (expected.put != nullptr) {
    return is_of_queue(*expected.put) && rules_.policy == core::QueueFullPolicy::kRefuse;
  }
  return expected.transaction != nullptr &&
         std::ranges::any_of(expected.transaction->puts,
                             [this](const Put* put) { return is_of_queue(*put); });
}

void QueueLedger::refuse(SimSession& session, const ExpectedReceipt& expected) {
  session.is_overtaken = true;
  const auto refuse_one = [](Put& put) {
    if (put.is_seen) fail_about(put, "refused, and seen");
    put.is_refused = true;
  };
  if (expected.put != nullptr) refuse_one(*expected.put);
  if (expected.transaction == nullptr) return;
  for (Put* put : expected.transaction->puts) refuse_one(*put);
}

void QueueLedger::refused(SimSession& session, const Refusal& refusal, core::Millis now) {
  const std::string* const receipt_id = refusal.receipt_id;
  if (!rules_.is_bounded) fail("queue-full without a bound");
  if (receipt_id == nullptr) return;
  const auto found = std::ranges::find(session.expected, *receipt_id, &ExpectedReceipt::id);
  // It is not there any more if a later RECEIPT overtook it.
  if (found == session.expected.end()) {
    if (!session.is_overtaken) fail("queue-full for a frame that was not refused: " + *receipt_id);
    return;
  }
  const Put* const put = found->put;
  if (put != nullptr && !refusal.is_hasty && now < put->written_at + rules_.wait)
    fail_about(*put, "refused without a wait");
  if (refusal.is_late) return refuse(session, *found);
  // What is owed for earlier frames was said before.
  for (auto earlier = session.expected.begin(); earlier <= found; ++earlier) {
    if (!may_be_refused(*earlier)) fail("queue-full instead of the RECEIPT " + earlier->id);
    refuse(session, *earlier);
  }
}

void QueueLedger::closed(SimSession& session, bool is_graceful) {
  session.is_closed = true;
  session.is_graceful = is_graceful;
  for (Sub* sub : session.subs) {
    if (!sub->is_ending) disturb(*sub);
    if (!is_graceful) sub->flying.clear();
  }
}

void QueueLedger::rest() {
  for (Disturbance& disturbance : disturbances_) {
    if (std::exchange(disturbance.ends, 0) > 0) disturbance.until = order_;
  }
}

void QueueLedger::sent(Sub& sub) {
  for (Delivery* delivery : std::exchange(sub.flying, {})) delivery->fate = Fate::kSent;
}

void QueueLedger::give(Sub& sub, const SimFrame& frame, core::Millis now) {
  if (sub.is_ended) fail("a MESSAGE behind the RECEIPT of UNSUBSCRIBE");
  if (sub.is_browsed) fail("a MESSAGE behind the end of a browse");
  if (sub.is_browser && header(frame, "browser") == "end") {
    sub.is_browsed = true;
    return;
  }
  Put& put = put_of(sub, frame);
  check_headers(sub, put, frame);
  see(put);
  // A full queue buries what is delayed, too.
  const bool is_dead = rules_.destinations[sub.destination].kind == Kind::kDeadLetters;
  if (now < put.due_at && !is_dead) fail_about(put, "before its time");
  Delivery& delivery = deliveries_.emplace_back();
  delivery.put = &put;
  delivery.sub = &sub;
  delivery.ack = header(frame, "ack");
  delivery.message_id = header(frame, "message-id");
  delivery.body_bytes = frame.body.size();
  const bool is_topic = rules_.destinations[put.destination].kind == Kind::kTopic;
  if (sub.is_no_local && sub.session == put.session)
    fail_about(put, "to its sender, with no-local");
  if (!sub.color.empty() && sub.color != put.color) fail_about(put, "not what the selector wants");
  if (sub.is_browser) {
    check_places(sub, put);
  } else if (!is_topic) {
    give_from_queue(delivery, frame, now);
  } else if (!header(frame, "redelivered").empty()) {
    fail_about(put, "a topic marks a MESSAGE as redelivered");
  }
  sub.given.push_back(&delivery);
  hold(sub, delivery);
}

Put& QueueLedger::put_of(const Sub& sub, const SimFrame& frame) {
  const size_t colon = frame.body.find(':');
  const bool is_number =
      colon > 0 && colon < 9 &&
      std::all_of(frame.body.begin(), frame.body.begin() + static_cast<ptrdiff_t>(colon),
                  [](char octet) { return octet >= '0' && octet <= '9'; });
  const size_t number = is_number ? std::stoul(frame.body) : puts_.size();
  if (number >= puts_.size()) fail("a body that nobody sent");
  Put& put = puts_[number];
  if (frame.body != body_of(put.number)) fail_about(put, "another body than was sent");
  const SimDestination& sent_to = rules_.destinations[put.destination];
  const bool is_for_sub = sub.is_of_all_topics ? sent_to.kind == Kind::kTopic
                                               : sub.destination == put.destination ||
                                                     (sent_to.kind == Kind::kQueue &&
                                                      sub.destination == sent_to.dead_letters);
  if (!is_for_sub) fail_about(put, "a MESSAGE of another destination");
  const SimDestination& is_at =
      sub.is_of_all_topics ? sent_to : rules_.destinations[sub.destination];
  if (header(frame, "destination") != is_at.name) fail_about(put, "wrong destination");
  return put;
}

void QueueLedger::check_headers(const Sub& sub, const Put& put, const SimFrame& frame) const {
  if (!frame.headers.contains("tag")) fail_about(put, "a header of the SEND is missing");
  if (frame.headers.contains("receipt") || frame.headers.contains("transaction"))
    fail_about(put, "a header of the SEND that is not for others");
  const bool is_dead = rules_.destinations[sub.destination].kind == Kind::kDeadLetters;
  const std::string name = is_dead ? "original-message-id" : "message-id";
  if (!put.message_id.empty() && header(frame, name) != put.message_id)
    fail_about(put, "another message-id than was sent");
  const bool is_acked = sub.mode != core::AckMode::kAuto;
  if (frame.headers.contains("ack") != (is_acked && sub.session->version == 12))
    fail_about(put, "wrong ack header");
}

void QueueLedger::see(Put& put) {
  if (put.order == 0) fail_about(put, "of a transaction that was not committed");
  if (put.is_refused) fail_about(put, "seen, though it was refused");
  put.is_seen = true;
  put.session->confirmed = std::max(put.session->confirmed, put.frame);
  if (put.message_id.empty()) return;
  const Put*& seen = ids_[{put.destination, put.message_id}].seen;
  if (seen != nullptr && seen != &put)
    fail_about(put, "a duplicate of SEND " + std::to_string(seen->number));
  seen = &put;
}

void QueueLedger::give_from_queue(Delivery& delivery, const SimFrame& frame, core::Millis now) {
  Sub& sub = *delivery.sub;
  Put& put = *delivery.put;
  const bool is_dead = sub.destination != put.destination;
  std::vector<Delivery*>& life = put.lives[is_dead ? 1 : 0];
  if (is_dead && life.empty()) check_death(put, frame);
  if (!is_dead && !put.lives[1].empty()) fail_about(put, "given after it became a dead letter");
  if (!life.empty() && !may_be_back(*life.back()))
    fail_about(put, "given again, while it was with another or done with");
  const std::string marked = header(frame, "redelivered");
  const size_t count = marked == "true" ? std::stoul("0" + header(frame, "delivery-count")) : 1;
  if (count != life.size() + 1 || (marked != "true" && !marked.empty())) {
    fail_about(put, "delivery " + std::to_string(life.size() + 1) + " is marked as " +
                        std::to_string(count));
  }
  if (sub.is_last && !is_dead && put.expires_at <= now - 1'000) fail_about(put, "after its expiry");
  if (sub.is_last) check_places(sub, put);
  if (!is_dead && !put.group.empty()) {
    check_group(delivery, count == 1);
  } else if (!is_dead && count == 1) {
    check_first_order(sub, put);
  } else if (!is_dead) {
    check_returned_order(sub, put, *life.back());
  }
  life.push_back(&delivery);
}

void QueueLedger::check_death(const Put& put, const SimFrame& frame) const {
  const std::vector<Delivery*>& life = put.lives[0];
  const std::string reason = header(frame, "dead-letter-reason");
  const bool is_back = life.empty() || may_be_back(*life.back());
  bool is_right = false;
  if (reason == "rejected") is_right = !life.empty() && life.back()->fate == Fate::kRejected;
  if (reason == "delivery-limit") is_right = life.size() == rules_.deliveries_max && is_back;
  if (reason == "queue-full") {
    is_right = is_back && rules_.is_bounded && rules_.policy == core::QueueFullPolicy::kDeadLetter;
  }
  if (!is_right) fail_about(put, "wrongly dead (" + reason + ")");
  if (header(frame, "original-destination") != rules_.destinations[put.destination].name)
    fail_about(put, "wrong original-destination");
  if (header(frame, "original-delivery-count") != std::to_string(life.size()))
    fail_about(put, "a dead letter with a wrong count");
}

// Who sees all that waits sees it by priority, then in the order of publishing, even what came
// back. Dead letters are in the order of their deaths, which is not known.
void QueueLedger::check_places(Sub& sub, const Put& put) const {
  if (put.priority > std::exchange(sub.last_priority, put.priority))
    fail_about(put, "behind a lower priority");
  if (rules_.destinations[sub.destination].kind == Kind::kDeadLetters) return;
  uint64_t& last = sub.last_orders[{put.session->peer, put.priority}];
  if (put.order <= last) fail_about(put, "not in its place");
  last = put.order;
}

// Where others are gone, what they had and were not given comes late to those who stay.
void QueueLedger::check_first_order(Sub& sub, const Put& put) const {
  if (put.due_at > 0 || sub.is_last) return;
  uint64_t& last = sub.last_orders[{put.session->peer, put.priority}];
  const Disturbance& disturbance = disturbances_[sub.destination];
  const bool may_be_late = disturbance.ends > 0 || put.order <= disturbance.until;
  if (put.order <= last && !may_be_late) fail_about(put, "out of order");
  last = std::max(last, put.order);
}

// What one subscription had comes back at once and goes out in its order; but what another had
// again may come later. That is ruled out if no other has ended.
void QueueLedger::check_returned_order(Sub& sub, const Put& put, const Delivery& before) const {
  const Disturbance& disturbance = disturbances_[sub.destination];
  const bool is_only_end =
      before.sub->is_only_end && disturbance.ends == 1 && before.sub->end == disturbance.last_end;
  if (!is_only_end || before.fate != Fate::kHeld) return;
  uint64_t& last = sub.last_returned[{before.sub, put.session->peer, put.priority}];
  if (put.order <= last) fail_about(put, "came back out of order");
  last = put.order;
}

void QueueLedger::check_group(Delivery& delivery, bool is_first) {
  const Put& put = *delivery.put;
  Group& group = groups_[{put.destination, put.group}];
  std::erase_if(group.with, [](const Delivery* one) { return !is_held(*one); });
  const bool is_alone = std::ranges::all_of(
      group.with, [&](const Delivery* one) { return one->sub == delivery.sub; });
  if (!is_alone) fail_about(put, "a group with two consumers");
  group.with.push_back(&delivery);
  group.is_selected = group.is_selected || !delivery.sub->color.empty();
  if (!is_first || put.due_at > 0 || group.is_selected) return;
  uint64_t& last = group.last_orders[{put.session->peer, put.priority}];
  if (put.order <= last) fail_about(put, "out of its group's order");
  last = put.order;
}

void QueueLedger::hold(Sub& sub, Delivery& delivery) {
  if (sub.mode == core::AckMode::kAuto) {
    sub.flying.push_back(&delivery);
    return;
  }
  if (sub.is_ending) {
    sub.late.push_back(&delivery);
    return;
  }
  sub.held.push_back(&delivery);
  if (sub.held.size() > sub.credit.messages)
    fail_about(*delivery.put, "more than the credit of subscription '" + sub.id + "' of peer " +
                                  std::to_string(sub.session->peer));
  size_t bytes = 0;
  for (const Delivery* held : sub.held) bytes += held->body_bytes;
  if (sub.held.size() > 1 && bytes > sub.credit.bytes)
    fail_about(*delivery.put, "more octets than the credit of subscription '" + sub.id +
                                  "' of peer " + std::to_string(sub.session->peer));
}

// -- What is known.

bool QueueLedger::is_duplicate(const Put& put) const {
  const auto found = ids_.find({put.destination, put.message_id});
  return found != ids_.end() && found->second.seen != nullptr && found->second.seen != &put;
}

std::vector<const Put*> QueueLedger::same_as(const Put& put) const {
  const auto found = ids_.find({put.destination, put.message_id});
  return found == ids_.end() ? std::vector<const Put*>{&put} : found->second.puts;
}

}  // namespace stampede::sim
