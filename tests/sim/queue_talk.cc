#include "tests/sim/queue_talk.h"

#include <algorithm>

namespace stampede::sim {

namespace {

using Fate = Delivery::Fate;

const ExpectedReceipt kReceipt;

}  // namespace

uint64_t QueueTalk::say(QueuePeer& peer, const std::string& command, Headers headers,
                        const ExpectedReceipt* expected, const std::string& body) {
  const uint64_t frame = ++peer.session.frames;
  if (expected != nullptr) {
    ExpectedReceipt& receipt = peer.session.expected.emplace_back(*expected);
    receipt.id = (random_.one_in(8) ? "r:" : "r") + std::to_string(frame);
    receipt.frame = frame;
    headers.emplace_back("receipt", receipt.id);
  }
  peer.socket.to_broker += peer.protocol->frame(command, headers, body);
  return frame;
}

// -- Sending.

void QueueTalk::describe(Put& put, Headers& headers, core::Millis now) {
  if (random_.one_in(5)) {
    // Of its own: which of two producers' SENDs comes first would be chance.
    put.message_id =
        "id:" + std::to_string(put.session->peer) + ":" + std::to_string(random_.below(4));
    headers.emplace_back("message-id", put.message_id);
  }
  if (!ledger_.is_of_queue(put)) return;
  if (random_.one_in(3)) {
    put.priority = static_cast<int>(1 + 3 * random_.below(3));
    headers.emplace_back("priority", std::to_string(put.priority));
  }
  if (random_.one_in(4)) {
    put.group = "g" + std::to_string(random_.below(3));
    headers.emplace_back(random_.one_in(2) ? "JMSXGroupID" : "message_group", put.group);
  }
  if (random_.one_in(3)) {
    put.color = random_.one_in(2) ? "red" : "blue";
    headers.emplace_back("color", put.color);
  }
  if (random_.one_in(10)) {
    const uint64_t time = 1 + random_.below(60);
    put.expires_at = now + static_cast<core::Millis>(time);
    headers.emplace_back(random_.one_in(2) ? "expiration" : "ttl", std::to_string(time));
  }
  if (random_.one_in(10)) {
    const uint64_t time = random_.below(30);
    put.due_at = now + static_cast<core::Millis>(time);
    headers.emplace_back("AMQ_SCHEDULED_DELAY", std::to_string(time));
  }
}

void QueueTalk::finish_send(QueuePeer& peer, Put& put, Headers headers, Transaction* transaction) {
  headers.emplace_back("destination", rules_.destinations[put.destination].name);
  headers.emplace_back("tag", peer.session.version == 10 ? "x" : "a:b\\c");
  if (transaction != nullptr) headers.emplace_back("transaction", transaction->name);
  const ExpectedReceipt expected = {.put = transaction == nullptr ? &put : nullptr};
  const uint64_t frame =
      say(peer, "SEND", std::move(headers), random_.one_in(2) ? &expected : nullptr,
          QueueLedger::body_of(put.number));
  if (transaction == nullptr) return ledger_.publish(put, frame);
  put.is_in_transaction = true;
  transaction->puts.push_back(&put);
}

void QueueTalk::send(QueuePeer& peer, core::Millis now) {
  const bool is_topic = random_.one_in(4);
  // One queue is hot.
  const uint64_t choices = is_topic ? rules_.topics : random_.one_in(3) ? 1 : rules_.queues;
  Put& put = ledger_.add_put(peer.session);
  put.destination =
      (is_topic ? rules_.first_topic() : 0) + static_cast<uint32_t>(random_.below(choices));
  Headers headers;
  put.written_at = now;
  describe(put, headers, now);
  finish_send(peer, put, std::move(headers), some_transaction(peer));
}

void QueueTalk::send_to(QueuePeer& peer, uint32_t destination, Transaction* transaction) {
  Put& put = ledger_.add_put(peer.session);
  put.destination = destination;
  finish_send(peer, put, {}, transaction);
}

void QueueTalk::send_again(QueuePeer& peer, const Put& before) {
  Put& put = ledger_.add_put(peer.session);
  put.destination = before.destination;
  put.message_id = before.message_id;
  finish_send(peer, put, {{"message-id", put.message_id}}, nullptr);
}

Transaction* QueueTalk::some_transaction(const QueuePeer& peer) {
  if (peer.open.empty() || random_.one_in(2)) return nullptr;
  return peer.open[random_.below(peer.open.size())];
}

Transaction& QueueTalk::begin(QueuePeer& peer) {
  Transaction& transaction = ledger_.add_transaction();
  // Names of ended ones come again.
  for (int n = 0; transaction.name.empty(); ++n) {
    const std::string name = "t" + std::to_string(n);
    if (std::ranges::find(peer.open, name, &Transaction::name) == peer.open.end())
      transaction.name = name;
  }
  peer.open.push_back(&transaction);
  say(peer, "BEGIN", {{"transaction", transaction.name}}, random_.one_in(3) ? &kReceipt : nullptr);
  return transaction;
}

void QueueTalk::end(QueuePeer& peer, bool is_committed) {
  const size_t index = random_.below(peer.open.size());
  Transaction& transaction = *peer.open[index];
  peer.open.erase(peer.open.begin() + static_cast<ptrdiff_t>(index));
  const ExpectedReceipt expected = {.transaction = is_committed ? &transaction : nullptr};
  const uint64_t frame =
      say(peer, is_committed ? "COMMIT" : "ABORT", {{"transaction", transaction.name}},
          random_.one_in(4) ? nullptr : &expected);
  if (is_committed) ledger_.commit(transaction, frame);
}

// -- Consuming.

void QueueTalk::subscribe_somewhere(QueuePeer& peer) {
  Sub& sub = ledger_.add_sub();
  sub.destination = static_cast<uint32_t>(random_.below(random_.one_in(3) ? 1 : rules_.queues));
  Headers headers;
  switch (random_.below(10)) {
    case 0:
      sub.destination = rules_.destinations[sub.destination].dead_letters;
      break;
    case 1:
    case 2:
      sub.destination = rules_.first_topic() + static_cast<uint32_t>(random_.below(rules_.topics));
      return subscribe(peer, sub);
    case 3:
      sub.is_browser = true;
      headers.emplace_back("browser", "true");
      if (random_.one_in(4)) headers.emplace_back("browser-end", "false");
      break;
    default:
      break;
  }
  if (random_.one_in(8)) {
    sub.is_no_local = true;
    headers.emplace_back(random_.one_in(2) ? "no-local" : "activemq.noLocal", "true");
  }
  if (random_.one_in(10)) {
    sub.color = "red";
    headers.emplace_back("selector", "color = 'red'");
  }
  if (random_.one_in(12)) headers.emplace_back("exclusive", "true");
  if (random_.one_in(6)) headers.emplace_back("x-priority", std::to_string(random_.below(3)));
  subscribe(peer, sub, std::move(headers));
}

void QueueTalk::subscribe(QueuePeer& peer, Sub& sub, Headers headers) {
  sub.session = &peer.session;
  headers.emplace_back(
      "destination", sub.is_of_all_topics ? "/topic/#" : rules_.destinations[sub.destination].name);
  choose_id(peer, sub);
  if (sub.has_id) headers.emplace_back("id", sub.id);
  choose_mode(peer, sub, headers);
  peer.session.subs.push_back(&sub);
  const ExpectedReceipt expected = {.begins = &sub};
  say(peer, "SUBSCRIBE", std::move(headers), &expected);
}

void QueueTalk::choose_id(QueuePeer& peer, Sub& sub) {
  const std::vector<Sub*>& subs = peer.session.subs;
  const bool may_have_no_id = peer.session.version == 10 && !sub.is_of_all_topics &&
                              std::ranges::none_of(subs, [&](const Sub* other) {
                                return !other->has_id && other->destination == sub.destination;
                              });
  sub.has_id = !may_have_no_id || random_.one_in(2);
  if (!sub.has_id) return;
  sub.id = (random_.one_in(4) ? "my:" : "sub-") + std::to_string(subs.size());
  if (subs.empty() || !random_.one_in(3)) return;
  Sub& other = *subs[random_.below(subs.size())];
  const bool is_over = other.is_ended && !other.is_browser && other.arrived == other.given.size();
  const bool is_free =
      other.has_id && is_over &&
      std::ranges::count(subs, other.id, [](const Sub* one) { return one->id; }) == 1;
  if (!is_free) return;
  sub.id = other.id;
  // By message-id nobody could tell which of the two it means.
  other.late.clear();
}

void QueueTalk::choose_mode(QueuePeer& peer, Sub& sub, Headers& headers) {
  const bool is_topic = sub.destination >= rules_.first_topic();
  if (sub.is_of_all_topics || peer.is_single_minded || (!sub.is_last && random_.one_in(3))) return;
  // What an ACK names by its message-id alone must be of the only subscription that is acked.
  if (!sub.has_id) {
    const bool is_only = std::ranges::all_of(
        peer.session.subs, [](const Sub* other) { return other->mode == core::AckMode::kAuto; });
    if (!is_only) return;
    peer.is_single_minded = true;
  }
  const bool is_client = random_.one_in(2);
  sub.mode = is_client ? core::AckMode::kClient : core::AckMode::kClientIndividual;
  headers.emplace_back("ack", is_client ? "client" : "client-individual");
  sub.credit.messages = rules_.prefetch_default;
  if (random_.one_in(5)) return;
  sub.credit.messages = 1 + static_cast<uint32_t>(random_.below(5));
  const std::string messages = std::to_string(sub.credit.messages);
  if (is_topic || !random_.one_in(4)) {
    headers.emplace_back(random_.one_in(2) ? "prefetch-count" : "activemq.prefetchSize", messages);
    return;
  }
  sub.credit.bytes = random_.one_in(3) ? 0 : 50 + random_.below(4'000);
  headers.emplace_back("credit", messages + "," + std::to_string(sub.credit.bytes));
}

void QueueTalk::unsubscribe(QueuePeer& peer, Sub& sub) {
  const ExpectedReceipt expected = {.ends = &sub};
  Headers headers;
  if (sub.has_id) {
    headers.emplace_back("id", sub.id);
  } else {
    headers.emplace_back("destination", rules_.destinations[sub.destination].name);
  }
  say(peer, "UNSUBSCRIBE", std::move(headers), &expected);
  ledger_.end(sub);
}

QueueTalk::Headers QueueTalk::name(const QueuePeer& peer, const Delivery& delivery) {
  Headers headers;
  const bool is_by_ack = peer.session.version == 12;
  headers.emplace_back(is_by_ack ? "id" : "message-id",
                       is_by_ack ? delivery.ack : delivery.message_id);
  if (delivery.sub->has_id && (!is_by_ack || random_.one_in(4)))
    headers.emplace_back("subscription", delivery.sub->id);
  return headers;
}

void QueueTalk::settle(QueuePeer& peer, Delivery& delivery, Fate fate, Transaction* transaction) {
  Headers headers = name(peer, delivery);
  if (fate == Fate::kRejected) headers.emplace_back("requeue", "false");
  if (fate == Fate::kRequeued && random_.one_in(2)) headers.emplace_back("requeue", "true");
  if (transaction != nullptr) headers.emplace_back("transaction", transaction->name);
  const uint64_t frame = say(peer, fate == Fate::kAcked ? "ACK" : "NACK", std::move(headers),
                             random_.one_in(3) ? &kReceipt : nullptr);
  if (transaction != nullptr) {
    transaction->steps.push_back({&delivery, fate});
  } else {
    ledger_.settle(delivery, fate, frame);
  }
}

void QueueTalk::settle_some(QueuePeer& peer) {
  if (peer.session.subs.empty()) return;
  Sub& sub = *peer.session.subs[random_.below(peer.session.subs.size())];
  // What the client has seen is at the beginning.
  const auto seen = static_cast<size_t>(std::ranges::count_if(
      sub.held, [](const Delivery* delivery) { return delivery->has_arrived; }));
  Transaction* const transaction = some_transaction(peer);
  if (seen > 0) {
    const bool fails = peer.session.version > 10 && random_.one_in(3);
    const Fate fate = !fails ? Fate::kAcked : random_.one_in(3) ? Fate::kRejected : Fate::kRequeued;
    settle(peer, *sub.held[random_.below(seen)], fate, transaction);
  } else if (!sub.late.empty() && sub.late.front()->has_arrived && sub.has_id) {
    settle(peer, *sub.late.front(), Fate::kAcked, transaction);
    sub.late.erase(sub.late.begin());
  }
}

void QueueTalk::acknowledge_all(QueuePeer& peer) {
  for (Sub* sub : peer.session.subs) {
    while (!sub->held.empty() && sub->held.front()->has_arrived)
      settle(peer, *sub->held.front(), Fate::kAcked);
  }
}

void QueueTalk::disconnect(QueuePeer& peer) {
  const ExpectedReceipt expected = {.is_goodbye = true};
  say(peer, "DISCONNECT", {}, random_.one_in(2) ? &expected : nullptr);
}

}  // namespace stampede::sim
