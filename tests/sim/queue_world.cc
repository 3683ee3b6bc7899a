#include "tests/sim/queue_world.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/message.h"
#include "core/timer_wheel.h"
#include "tests/sim/order_piece.h"
#include "tests/sim/queue_balance.h"

namespace stampede::sim {

namespace {

using Fate = Delivery::Fate;
using Kind = SimDestination::Kind;

QueueRules make_rules(const QueueScale& scale) {
  QueueRules rules;
  rules.queues = scale.queues;
  rules.topics = scale.topics;
  // Both separators, so that names hash to all shards.
  const auto tail = [](uint32_t n) { return (n % 2 == 0 ? "jobs." : "work/") + std::to_string(n); };
  for (uint32_t n = 0; n < scale.queues; ++n)
    rules.destinations.push_back({"/queue/" + tail(n), Kind::kQueue, scale.queues + n});
  for (uint32_t n = 0; n < scale.queues; ++n)
    rules.destinations.push_back({"/queue/dlq." + tail(n), Kind::kDeadLetters, 0});
  for (uint32_t n = 0; n < scale.topics; ++n)
    rules.destinations.push_back({"/topic/" + tail(n), Kind::kTopic, 0});
  return rules;
}

}  // namespace

QueueWorld::QueueWorld(uint64_t seed, const QueueScale& scale)
    : SimBroker(seed, scale.shards),
      scale_(scale),
      rules_(make_rules(scale)),
      ledger_(rules_),
      talk_(rules_, ledger_, random_) {
  rules_.is_bounded = random_.one_in(3);
  if (rules_.is_bounded) {
    rules_.policy = static_cast<core::QueueFullPolicy>(random_.below(3));
    rules_.messages_max = 4 + random_.below(14);
    options_.queue_messages_max = rules_.messages_max;
    // Two of the largest.
    if (random_.one_in(3)) options_.queue_bytes_max = 85'000;
    if (random_.one_in(3)) rules_.wait = 1 + static_cast<core::Millis>(random_.below(200));
  }
  options_.queue_full_policy = rules_.policy;
  options_.queue_full_wait_ms = rules_.wait;
  rules_.deliveries_max = random_.one_in(2) ? 2 + static_cast<uint32_t>(random_.below(3)) : 20;
  options_.queue_deliveries_max = rules_.deliveries_max;
  if (random_.one_in(2)) options_.prefetch_default = 1 + static_cast<uint32_t>(random_.below(6));
  rules_.prefetch_default = options_.prefetch_default;
  let_happen(scale_.faults);
  open_shards();
}

// -- What the broker does.

void QueueWorld::on_given(SimPeer& of_peer, const SimFrame& frame) {
  QueuePeer& peer = as_peer(of_peer);
  if (frame.command == "MESSAGE") {
    ledger_.give(sub_of(peer, frame), frame, now_);
  } else if (frame.command == "RECEIPT") {
    ledger_.receipt(peer.session, frame.headers.at("receipt-id"));
  } else if (frame.command == "ERROR") {
    on_error(peer, frame);
  }
}

void QueueWorld::on_error(QueuePeer& peer, const SimFrame& frame) {
  const std::string& token = frame.headers.at("message");
  const auto receipt = frame.headers.find("receipt-id");
  peer.session.has_error = true;
  if (token == "queue-full") {
    ledger_.refused(
        peer.session,
        {.receipt_id = receipt == frame.headers.end() ? nullptr : &receipt->second,
         .is_hasty = is_draining_,
         .is_late = peer.closed_at && now_ >= *peer.closed_at + options_.close_linger_ms},
        now_);
  } else {
    const bool is_expected =
        token == "server-draining" ? is_draining_ : token == "slow-consumer" && is_impatient_;
    if (!is_expected) fail("unexpected ERROR " + token);
  }
}

void QueueWorld::on_sent(SimPeer& peer) {
  for (Sub* sub : as_peer(peer).session.subs) QueueLedger::sent(*sub);
}

void QueueWorld::on_frame(SimPeer& of_peer, const SimFrame& frame) {
  QueuePeer& peer = as_peer(of_peer);
  if (peer.is_dismissed) fail("a frame behind the ERROR");
  if (frame.command == "CONNECTED") {
    peer.is_connected = true;
  } else if (frame.command == "ERROR") {
    peer.is_dismissed = true;
  } else if (frame.command == "MESSAGE") {
    on_message(peer, frame);
  }
}

void QueueWorld::on_message(QueuePeer& peer, const SimFrame& frame) {
  Sub& sub = sub_of(peer, frame);
  if (sub.is_browser && frame.headers.contains("browser")) return;  // its end
  Delivery& delivery = *sub.given[sub.arrived++];
  delivery.has_arrived = true;
  const bool is_held = std::ranges::find(sub.held, &delivery) != sub.held.end();
  if ((is_settling_ || peer.is_last) && is_held && peer.can_act())
    talk_.settle(peer, delivery, Fate::kAcked);
}

void QueueWorld::on_failed(SimPeer& peer, const core::ClosedClient& closed) {
  const bool is_expected =
      closed.reason == core::CloseReason::kQueueFull
          ? rules_.is_bounded
          : closed.reason == core::CloseReason::kSlowConsumerTime && is_impatient_;
  if (!is_expected) SimBroker::on_failed(peer, closed);
  as_peer(peer).session.is_failed = true;
}

void QueueWorld::on_closed(SimPeer& peer, core::CloseReason reason) {
  if (peer.has_left) return;
  const bool is_graceful =
      reason == core::CloseReason::kClientDisconnect || reason == core::CloseReason::kPeerClosed;
  ledger_.closed(as_peer(peer).session, is_graceful);
}

void QueueWorld::on_left(SimPeer& peer) {
  if (!as_peer(peer).session.is_closed) ledger_.closed(as_peer(peer).session, true);
}

// Of those with one id, the last is meant: its SUBSCRIBE was written when the others had ended.
Sub& QueueWorld::sub_of(const QueuePeer& peer, const SimFrame& frame) const {
  const auto id = frame.headers.find("subscription");
  const auto& subs = peer.session.subs;
  for (auto sub = subs.rbegin(); sub != subs.rend(); ++sub) {
    const bool is_it = id != frame.headers.end()
                           ? (*sub)->has_id && (*sub)->id == id->second
                           : !(*sub)->has_id && rules_.destinations[(*sub)->destination].name ==
                                                    frame.headers.at("destination");
    if (is_it) return **sub;
  }
  fail("a MESSAGE for no subscription");
}

// -- What peers do.

QueuePeer& QueueWorld::open_peer() {
  auto owned = std::make_unique<QueuePeer>();
  QueuePeer& peer = *owned;
  peer.zeal = 1 + random_.below(9);
  open(std::move(owned), any_shard());
  peer.session.version = peer.protocol->version();
  peer.session.peer = peer.index;
  return peer;
}

void QueueWorld::leave(QueuePeer& peer) {
  peer.is_leaving = true;
  switch (random_.below(5)) {
    case 0:
    case 1:
      talk_.disconnect(peer);
      break;
    case 2:
      end_stream(peer);
      break;
    default:
      cut(peer);
      break;
  }
}

void QueueWorld::act_as_producer(QueuePeer& peer) {
  switch (random_.below(6)) {
    case 0:
      if (peer.open.size() < 2) talk_.begin(peer);
      break;
    case 1:
      if (peer.open.empty()) break;
      talk_.end(peer, !random_.one_in(4));
      // Some have no patience.
      if (random_.one_in(6)) leave(peer);
      break;
    default:
      for (uint64_t burst = 1 + random_.below(3); burst > 0 && ledger_.puts().size() < puts_max_;
           --burst) {
        talk_.send(peer, now_);
      }
  }
}

void QueueWorld::act_as_consumer(QueuePeer& peer) {
  const auto& subs = peer.session.subs;
  const auto open = std::ranges::count_if(subs, [](const Sub* sub) { return !sub->is_ending; });
  switch (random_.below(12)) {
    case 0:
      if (open < 3) talk_.subscribe_somewhere(peer);
      break;
    case 1: {
      if (open < 2) break;
      Sub& sub = *subs[random_.below(subs.size())];
      if (!sub.is_ending) talk_.unsubscribe(peer, sub);
      break;
    }
    case 2:
      // Some until the next rest.
      peer.stuck = random_.one_in(5) ? UINT32_MAX : static_cast<uint32_t>(random_.below(60));
      break;
    case 3:
      write(peer, random_.one_in(2) ? peer.protocol->heart_beat() : peer.protocol->ping());
      break;
    default:
      if (open == 0) return talk_.subscribe_somewhere(peer);
      for (uint64_t count = 1 + random_.below(4); count > 0; --count) talk_.settle_some(peer);
  }
}

void QueueWorld::act() {
  if (present_.size() < scale_.peers_at_once && !is_draining_ && random_.one_in(4))
    (void)open_peer();
  if (present_.empty()) return;
  QueuePeer& peer = as_peer(anybody());
  if (!peer.can_act() || peer.is_witness) return;
  if (random_.one_in(40)) {
    leave(peer);
  } else if (random_.below(10) < peer.zeal) {
    act_as_producer(peer);
  } else {
    act_as_consumer(peer);
  }
}

// -- A life.

void QueueWorld::populate() {
  QueuePeer& peer = open_peer();
  peer.is_witness = peer.is_spared = true;
  run_until_quiet();
  Sub& sub = ledger_.add_sub();
  sub.destination = rules_.first_topic();
  sub.is_of_all_topics = true;
  talk_.subscribe(peer, sub);
  witness_ = &sub;
  for (uint32_t n = 0; n < scale_.peers_at_once / 2; ++n) (void)open_peer();
  run_until_quiet();
  if (!sub.is_live) fail("the witness is not subscribed");
}

void QueueWorld::live(size_t puts) {
  constexpr size_t kParts = 6;
  const size_t idle = random_.below(3 * kParts);
  const size_t stalled = random_.below(3 * kParts);
  for (size_t part = 1; part <= kParts; ++part) {
    puts_max_ = puts * part / kParts;
    while (ledger_.puts().size() < puts_max_) live_on();
    if (part == stalled) stall();
    rest_for(0);
    if (part == idle) idle_once();
  }
}

// Once only: queues without use are forgotten then, but no message-id.
void QueueWorld::idle_once() {
  if (std::exchange(has_idled_, true)) return;
  rest_for(options_.queue_idle_ms + 1'000);
  check_idle_queues();
}

void QueueWorld::stall() {
  wait_until_connected();
  while (peers_.front()->socket.has_operation) step();
  is_impatient_ = true;
  // Nobody waits so long for those who are about to go.
  for (SimPeer* peer : present_)
    peer->is_cut |= peer->is_leaving || as_peer(*peer).session.is_closed;
  now_ += options_.slow_consumer_after_ms + 1'000;
  // Each turn of a shard begins with the time.
  for (auto& shard : shards_) (void)shard->take_mail(1, now_);
  for (int n = 0; n < 300; ++n) step();
}

void QueueWorld::rest_for(core::Millis time) {
  rest(time);
  let_none_wait();
  ledger_.rest();
  check_receipts();
}

// Each wait lets somebody in, or turns all away.
void QueueWorld::let_none_wait() {
  while (queue_tables().queue_applicants > 0) rest(rules_.wait + core::TimerWheel::kTickMs);
}

void QueueWorld::settle_all() {
  is_settling_ = true;
  for (SimPeer* of_peer : present_) {
    QueuePeer& peer = as_peer(*of_peer);
    if (!peer.can_act()) continue;
    while (!peer.open.empty()) talk_.end(peer, random_.one_in(2));
    // Who does not take everything may keep the rest of a group from others.
    for (Sub* sub : peer.session.subs) {
      const bool is_picky = sub->is_no_local || !sub->color.empty();
      if (is_picky && !sub->is_ending) talk_.unsubscribe(peer, *sub);
    }
    talk_.acknowledge_all(peer);
  }
  rest_for(0);
}

void QueueWorld::send_the_last(bool is_alone) {
  std::vector<QueuePeer*> last;
  for (int n = 0; n < 2; ++n) last.push_back(&open_peer());
  run_until_quiet();
  for (uint32_t queue = 0; queue < rules_.first_topic(); ++queue) {
    QueuePeer& peer = *last[queue % last.size()];
    peer.is_last = true;
    Sub& sub = ledger_.add_sub();
    sub.destination = queue;
    sub.is_last = is_alone;
    talk_.subscribe(peer, sub);
  }
  // What is delayed comes, too.
  rest_for(300);
  const core::ShardTables tables = queue_tables();
  if (tables.queued + tables.unsettled != 0) fail("a message is left over");
}

void QueueWorld::leave_all(bool is_last) {
  for (SimPeer* peer : std::vector<SimPeer*>(present_)) {
    if (!peer->is_leaving && as_peer(*peer).is_last == is_last) leave(as_peer(*peer));
  }
  rest_for(2'000);
}

void QueueWorld::send_in_vain() {
  QueuePeer& peer = open_peer();
  peer.is_last = true;
  if (random_.one_in(2)) idle_once();
  run_until_quiet();
  std::vector<const Put*> known;
  for (const Put& put : ledger_.puts()) {
    if (put.is_seen && !put.message_id.empty()) known.push_back(&put);
  }
  for (uint64_t count = random_.below(4); count > 0 && !known.empty(); --count)
    talk_.send_again(peer, *known[random_.below(known.size())]);
  rest_for(0);
  if (!rules_.is_bounded) return;
  Transaction& transaction = talk_.begin(peer);
  const uint64_t small = random_.below(rules_.queues);
  for (uint32_t queue = 0; queue < rules_.queues; ++queue) {
    const size_t count = queue == small ? rules_.messages_max + 1 : random_.below(3);
    for (size_t n = 0; n < count; ++n) talk_.send_to(peer, queue, &transaction);
  }
  talk_.end(peer, true);
  rest_for(0);
  if (!peer.session.has_error) fail("a queue took more than its bound");
}

void QueueWorld::run() {
  populate();
  live(scale_.puts);
  if (random_.one_in(2)) {
    settle_all();
    send_the_last(false);
    check_topics();
    leave_all(false);
  } else {
    check_topics();
    leave_all(false);
    send_the_last(true);
  }
  leave_all(true);
  send_in_vain();
  leave_all(true);
  check_tables_are_empty();
  check_sessions();
  check_nothing_is_left();
}

void QueueWorld::run_with_drain() {
  populate();
  live(scale_.puts / 2);
  puts_max_ = scale_.puts;
  if (random_.one_in(2)) {
    drain();
  } else {
    drain_one_by_one();
    // Some whose clients are gone, all before the last moment.
    let_none_wait();
  }
  if (!present_.empty()) fail("the drain left a client");
  // One by one the witness leaves before others: simulation_test looks at the topics of those.
  if (!is_leaving_one_by_one_) check_topics();
  check_sessions();
  check_remains();
}

// -- What must hold.

core::ShardTables QueueWorld::queue_tables() const {
  core::ShardTables sum;
  for (const auto& shard : shards_) {
    const core::ShardTables one = shard->tables();
    sum.queues += one.queues;
    sum.consumers += one.consumers;
    sum.queued += one.queued;
    sum.unsettled += one.unsettled;
    sum.queue_applicants += one.queue_applicants;
  }
  return sum;
}

void QueueWorld::check_receipts() {
  for (SimPeer* of_peer : present_) {
    const QueuePeer& peer = as_peer(*of_peer);
    if (peer.can_act() && !peer.session.is_closed && !peer.session.expected.empty())
      fail("a RECEIPT did not come: " + peer.session.expected.front().id);
  }
}

// A queue that is kept has a consumer or a message.
void QueueWorld::check_idle_queues() const {
  std::vector<bool> is_consumed(rules_.destinations.size());
  for (const SimPeer* peer : present_) {
    for (const Sub* sub : static_cast<const QueuePeer*>(peer)->session.subs) {
      if (!sub->is_ended) is_consumed[sub->destination] = true;
    }
  }
  const core::ShardTables tables = queue_tables();
  const auto consumed = static_cast<size_t>(
      std::count(is_consumed.begin(), is_consumed.begin() + rules_.first_topic(), true));
  if (tables.queues > consumed + tables.queued + tables.unsettled) fail("an idle queue is kept");
}

void QueueWorld::check_topics() const {
  for (uint32_t topic = rules_.first_topic(); topic < rules_.destinations.size(); ++topic)
    check_topic(topic);
}

void QueueWorld::check_topic(uint32_t topic) const {
  std::vector<uint32_t> order;
  std::map<uint32_t, uint64_t> last_orders;  // by producer
  for (const Delivery* delivery : witness_->given) {
    const Put& put = *delivery->put;
    if (put.destination != topic) continue;
    order.push_back(put.number);
    if (put.order <= std::exchange(last_orders[put.session->peer], put.order))
      fail_about(put, "a topic did not keep its producer's order");
  }
  for (const auto& of_peer : peers_) {
    const QueuePeer& peer = as_peer(*of_peer);
    for (const Sub* sub : peer.session.subs) {
      if (sub->destination != topic || sub->is_of_all_topics) continue;
      std::vector<uint32_t> got;
      for (const Delivery* delivery : sub->given) got.push_back(delivery->put->number);
      const bool stays =
          !peer.is_leaving && !peer.session.is_failed && sub->is_live && !sub->is_ending;
      const bool keeps_up = sub->mode == core::AckMode::kAuto || is_settling_;
      check_piece(order, got, stays && keeps_up, [&](uint32_t number) {
        return sub->is_live && ledger_.puts()[number].order > sub->order_when_live;
      });
    }
  }
}

void QueueWorld::check_sessions() const {
  for (const auto& of_peer : peers_) {
    const QueuePeer& peer = as_peer(*of_peer);
    const SimSession& session = peer.session;
    if (peer.is_cut) continue;
    // Who wants to leave while a queue has no room for what it sent is not waited for long.
    if (rules_.wait > 0 && peer.is_leaving && !peer.socket.is_shutdown) continue;
    if ((session.is_failed || session.is_overtaken) && !session.has_error)
      fail("a client was not told why");
    if (!session.has_error && !is_draining_ && !session.expected.empty())
      fail("a RECEIPT did not come before the end: " + session.expected.front().id);
    if (!is_draining_ || peer.is_leaving || session.is_failed) continue;
    const bool is_told =
        peer.protocol->is_websocket() ? peer.protocol->close_code() == 1012 : peer.is_dismissed;
    if (!is_told) fail("the drain did not say goodbye");
  }
}

void QueueWorld::check_nothing_is_left() const {
  const QueueBalance balance(ledger_, rules_, now_);
  balance.check_deliveries();
  balance.check_topics();
  uint64_t dropped = 0;
  for (const auto& shard : shards_) {
    const core::ShardMetrics& metrics = shard->metrics();
    dropped += metrics.queue_dropped + metrics.queue_dead_dropped + metrics.queue_refused;
  }
  if (balance.check_nothing_is_left() > dropped) fail("more was lost than was dropped");
  if (core::Message::live_count() != 0) fail("a message was not freed");
}

void QueueWorld::check_remains() const {
  const QueueBalance balance(ledger_, rules_, now_);
  balance.check_deliveries();
  if (!is_leaving_one_by_one_) balance.check_topics();
  const core::ShardTables tables = queue_tables();
  if (tables.consumers + tables.unsettled != 0) fail("a consumer is left");
  if (tables.queue_applicants != 0) fail("a SEND waits for ever");
  const QueueBalance::Remains remains = balance.remains();
  const bool may_drop = rules_.is_bounded && rules_.policy != core::QueueFullPolicy::kRefuse;
  if (tables.queued > remains.most || (tables.queued < remains.least && !may_drop)) {
    fail(std::to_string(tables.queued) + " messages are left, not " +
         std::to_string(remains.least) + " to " + std::to_string(remains.most));
  }
  const auto messages = static_cast<uint64_t>(core::Message::live_count());
  if (core::Message::is_counted && messages != tables.queued) fail("a message was not freed");
}

}  // namespace stampede::sim
