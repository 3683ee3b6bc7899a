#include "core/queue_routes.h"

#include <algorithm>
#include <span>
#include <utility>

#include "core/client.h"
#include "core/destination_name.h"
#include "core/shard_state.h"
#include "proto/base/check.h"

namespace stampede::core {

namespace {

// A queue must not refuse what a transaction holds; a temporary one refuses nothing.
bool needs_room(const Message& message) {
  return message.properties().is_for_queue && !message.properties().is_temporary;
}

}  // namespace

QueueRoutes::QueueRoutes(ShardState& shard, const Options& options, ShardMetrics& metrics,
                         TimerWheel& timers, SelectorSubject& selector_subject)
    : shard_(shard), queues_(options, metrics, timers, selector_subject, *this) {}

QueueRoutes::~QueueRoutes() {
  for (const auto& [token, commit] : commits_) {
    for (const TransactionStep& step : commit.steps) {
      if (step.message != nullptr) step.message->drop_reference();
    }
  }
}

// -- Home side.

void QueueRoutes::consume(Client& client, const QueueSubscription& consumer, std::string_view queue,
                          ConsumerRequest request, uint32_t ticket, Millis now) {
  if (consumer.owner() != shard_.id()) {
    shard_.post(consumer.owner(), {.kind = EnvelopeKind::kConsume,
                                   .ticket = ticket,
                                   .client = client.ref(),
                                   .name = new std::string(queue),
                                   .consumer = new ConsumerRequest(std::move(request)),
                                   .token = consumer.number()});
    return;
  }
  queues_.add_consumer(queue, {shard_.id(), client.ref(), consumer.number()}, std::move(request),
                       now);
  if (ticket != 0) client.session().complete_reply(client, ticket);
}

void QueueRoutes::release(Client& client, const QueueSubscription& consumer, Millis now) {
  const uint64_t first_not_given = consumer.last_taken() + 1;
  if (consumer.owner() != shard_.id()) {
    shard_.post(consumer.owner(), {.kind = EnvelopeKind::kRelease,
                                   .ticket = consumer.number(),
                                   .client = client.ref(),
                                   .token = first_not_given});
    return;
  }
  queues_.remove_consumer({shard_.id(), client.ref(), consumer.number()}, first_not_given, now);
}

void QueueRoutes::settle(Client& client, const QueueSubscription& consumer, uint64_t tag,
                         Settlement settlement, bool is_cumulative, Millis now) {
  if (consumer.owner() != shard_.id()) {
    shard_.post(consumer.owner(), {.kind = EnvelopeKind::kSettle,
                                   .detail = SettleDetail{settlement, is_cumulative}.encode(),
                                   .ticket = consumer.number(),
                                   .client = client.ref(),
                                   .token = tag});
    return;
  }
  queues_.settle({shard_.id(), client.ref(), consumer.number()}, tag, settlement, is_cumulative,
                 now);
}

void QueueRoutes::give(ClientRef ref, uint32_t number, Message& message, uint64_t tag,
                       uint32_t earlier_deliveries) {
  // Whoever is gone has said so, or is about to: the owner takes the message back then.
  Client* const client = shard_.find(ref);
  if (client == nullptr || client->is_closing()) return;
  QueueSubscription* const consumer = client->session().find_queue_subscription(number);
  if (consumer == nullptr) return;
  consumer->hand_out(message, tag, earlier_deliveries);
  shard_.ready.mark_unless_sending(*client);
}

void QueueRoutes::tell_browse_end(ClientRef ref, uint32_t number) {
  Client* const client = shard_.find(ref);
  if (client == nullptr || client->is_closing()) return;
  QueueSubscription* const consumer = client->session().find_queue_subscription(number);
  if (consumer == nullptr) return;
  consumer->end_browse();
  shard_.ready.mark_unless_sending(*client);
}

// -- Owner side.

bool QueueRoutes::takes_temporary(const Message& message, Millis now) {
  const std::string_view name = message.route();
  return queues_.has(name) && queues_.has_room(name, 1, message.memory_bytes(), now);
}

QueueRoutes::Outcome QueueRoutes::publish_owned(Message* message, const Sender& sender,
                                                bool is_reserved, Millis now) {
  const std::string_view name = message->route();
  const size_t bytes = message->memory_bytes();
  const bool is_from_client = sender.client != ClientRef{};
  if (is_reserved) {
    queues_.unreserve(name, 1, bytes, now);
  } else if (!(is_from_client ? queues_.is_open(name, 1, bytes, now)
                              : queues_.has_room(name, 1, bytes, now))) {
    Applicant applicant = {.home = sender.home,
                           .client = sender.client,
                           .bytes = bytes,
                           .since = now,
                           .message = message,
                           .ticket = sender.ticket};
    if (is_from_client && queues_.wait(name, applicant, now)) return Outcome::kWaits;
    ++shard_.metrics.queue_refused;
    message->drop_reference();
    return Outcome::kRefused;
  }
  publish_numbered(message, now);
  return Outcome::kTaken;
}

void QueueRoutes::publish_numbered(Message* message, Millis now) {
  const bool is_new = shard_.number(*message, now);
  if (message->count_ticket() != 0) {
    shard_.report_count(*message, is_new ? queues_.consumers_of(message->route()) : 0);
  }
  if (is_new) {
    queues_.publish(message, now);
  } else {
    message->drop_reference();
  }
}

void QueueRoutes::let_in(Applicant applicant, Millis now) {
  if (applicant.message == nullptr) {
    const auto& [queue, messages, bytes] = applicant.reservation->rooms[applicant.rooms_taken++];
    queues_.reserve(queue, messages, bytes, now);
    take_rooms(std::move(applicant), now);
    return;
  }
  const uint32_t reports = applicant.message->count_ticket() != 0 ? 1 : 0;
  publish_numbered(applicant.message, now);
  if (applicant.home == shard_.id()) {
    shard_.on_let_in(applicant.client, applicant.ticket, reports);
  } else {
    shard_.post(applicant.home, {.kind = EnvelopeKind::kLetIn,
                                 .ticket = applicant.ticket,
                                 .client = applicant.client,
                                 .token = reports});
  }
}

void QueueRoutes::turn_away(Applicant applicant, Millis now) {
  if (applicant.message == nullptr) {
    unreserve(*applicant.reservation, applicant.rooms_taken, now);
    answer_commit(applicant, false, now);
    return;
  }
  applicant.message->drop_reference();
  if (applicant.home == shard_.id()) {
    shard_.on_turned_away(applicant.client, applicant.ticket);
  } else {
    shard_.post(applicant.home, {.kind = EnvelopeKind::kTurnedAway,
                                 .ticket = applicant.ticket,
                                 .client = applicant.client});
  }
}

void QueueRoutes::hand_out(const ConsumerKey& consumer, Message& message, uint64_t tag,
                           uint32_t earlier_deliveries) {
  if (consumer.home == shard_.id()) {
    give(consumer.client, consumer.subscription, message, tag, earlier_deliveries);
    return;
  }
  message.add_references(1);
  shard_.post(consumer.home,
              {.kind = EnvelopeKind::kHandOut,
               .detail = static_cast<uint16_t>(std::min<uint32_t>(earlier_deliveries, UINT16_MAX)),
               .ticket = consumer.subscription,
               .client = consumer.client,
               .message = &message,
               .token = tag});
}

void QueueRoutes::end_browse(const ConsumerKey& browser) {
  if (browser.home == shard_.id()) {
    tell_browse_end(browser.client, browser.subscription);
    return;
  }
  shard_.post(
      browser.home,
      {.kind = EnvelopeKind::kBrowsed, .ticket = browser.subscription, .client = browser.client});
}

void QueueRoutes::publish_dead_letter(Message* message, Millis now) {
  shard_.route(message, ClientRef{}, 0, false, now);
}

void QueueRoutes::forget_queue(std::string_view name) { shard_.forget(name); }

// -- Transactions.

std::vector<std::pair<ShardId, Reservation>> QueueRoutes::room_needed(
    const std::vector<TransactionStep>& steps) const {
  std::vector<std::pair<ShardId, Reservation>> needed;
  for (const TransactionStep& step : steps) {
    if (step.message == nullptr || !needs_room(*step.message)) continue;
    const ShardId owner = shard_.owner_of(*step.message);
    auto of_owner = std::ranges::find(needed, owner, &std::pair<ShardId, Reservation>::first);
    if (of_owner == needed.end()) of_owner = needed.insert(needed.end(), {owner, {}});
    std::vector<Reservation::Room>& rooms = of_owner->second.rooms;
    const std::string_view queue = step.message->route();
    auto room = std::ranges::find(rooms, queue, &Reservation::Room::queue);
    if (room == rooms.end()) room = rooms.insert(rooms.end(), {.queue = std::string(queue)});
    ++room->messages;
    room->bytes += step.message->memory_bytes();
  }
  std::ranges::sort(needed, {}, &std::pair<ShardId, Reservation>::first);
  for (auto& [owner, reservation] : needed) {
    std::ranges::sort(reservation.rooms, {}, &Reservation::Room::queue);
  }
  return needed;
}

void QueueRoutes::gather(Client& client, QueueSubscriptions::Which which, size_t bytes_max,
                         std::string& out) {
  const Session& session = client.session();
  QueueSubscriptions& queues = *session.queue_subscriptions();
  const WireVariant::Framing framing = client.wire_variant().framing;
  while (QueueSubscription* const next = queues.next_waiting(which)) {
    if (out.size() >= bytes_max) break;
    std::string& frame = shard_.frame_scratch;
    const bool is_utf8 = next->take(frame, session.version(), shard_.options().boot_id);
    append_framed(out, framing, frame, is_utf8);
  }
  for (const auto& queue : queues.all()) queue->begin_flight();
}

void QueueRoutes::settle_sent(Client& client, Millis now) {
  for (const auto& queue : client.session().queue_subscriptions()->all()) {
    const uint64_t tag = queue->end_flight();
    if (tag != 0) settle(client, *queue, tag, Settlement::kAck, true, now);
  }
}

void QueueRoutes::commit(Client& client, Transaction& transaction, uint32_t ticket, Millis now) {
  Commit commit = {.client = client.ref(), .ticket = ticket, .steps = transaction.take_steps()};
  commit.reservations = room_needed(commit.steps);
  if (commit.reservations.empty()) return end_commit(commit, true, now);
  const uint64_t token = next_token_++;
  commits_.emplace(token, std::move(commit));
  ask_for_room(token, now);
  if (const auto found = commits_.find(token); found != commits_.end()) {
    found.value().is_waiting = true;
    shard_.held_back.on_commit_waits(client);
  }
}

void QueueRoutes::ask_for_room(uint64_t token, Millis now) {
  const Commit& commit = commits_.at(token);
  const auto& [owner, needed] = commit.reservations[commit.granted];
  auto reservation = std::make_unique<Reservation>(needed);
  if (owner != shard_.id()) {
    shard_.post(owner, {.kind = EnvelopeKind::kReserve,
                        .client = commit.client,
                        .reservation = reservation.release(),
                        .token = token});
    return;
  }
  take_rooms({.home = owner,
              .client = commit.client,
              .since = now,
              .reservation = std::move(reservation),
              .token = token},
             now);
}

void QueueRoutes::on_reserved(uint64_t token, bool is_granted, Millis now) {
  const auto found = commits_.find(token);
  CHECK(found != commits_.end());
  Commit& commit = found.value();
  if (is_granted && ++commit.granted < commit.reservations.size()) {
    ask_for_room(token, now);
    return;
  }
  const Commit ended = std::move(commit);
  commits_.erase(found);
  end_commit(ended, is_granted, now);
  if (ended.is_waiting) shard_.on_commit_ended(ended.client);
}

void QueueRoutes::end_commit(const Commit& commit, bool is_granted, Millis now) {
  // What it would settle went back when its client left: then nothing of it may happen.
  const bool settles = std::ranges::any_of(
      commit.steps, [](const TransactionStep& step) { return step.message == nullptr; });
  const Client* const client = settles ? shard_.find(commit.client) : nullptr;
  const bool is_lost = settles && (client == nullptr || client->is_closing());
  if (is_granted && !is_lost) {
    carry_out(commit, now);
  } else {
    give_up(commit, now);
  }
}

void QueueRoutes::carry_out(const Commit& commit, Millis now) {
  for (const TransactionStep& step : commit.steps) {
    if (step.message != nullptr) {
      shard_.route(step.message, commit.client, commit.ticket, needs_room(*step.message), now);
    } else {
      Client& client = *shard_.find(commit.client);
      client.settle(client.session().find_delivery({step.tag, step.ack_token}), step.settlement);
    }
  }
  shard_.complete(commit.client, commit.ticket);
  if (Client* client = shard_.find(commit.client)) shard_.held_back.on_publish(*client);
}

void QueueRoutes::give_up(const Commit& commit, Millis now) {
  for (const auto& [owner, reservation] : std::span(commit.reservations).first(commit.granted)) {
    if (owner == shard_.id()) {
      unreserve(reservation, reservation.rooms.size(), now);
    } else {
      shard_.post(owner,
                  {.kind = EnvelopeKind::kUnreserve, .reservation = new Reservation(reservation)});
    }
  }
  for (const TransactionStep& step : commit.steps) {
    if (step.message != nullptr) step.message->drop_reference();
  }
  shard_.refuse(commit.client, commit.ticket);
}

void QueueRoutes::take_rooms(Applicant commit, Millis now) {
  const std::vector<Reservation::Room>& rooms = commit.reservation->rooms;
  for (; commit.rooms_taken < rooms.size(); ++commit.rooms_taken) {
    const auto& [queue, messages, bytes] = rooms[commit.rooms_taken];
    if (!queues_.is_open(queue, messages, bytes, now)) {
      commit.messages = messages;
      commit.bytes = bytes;
      if (queues_.wait(queue, commit, now)) return;
      ++shard_.metrics.queue_refused;
      unreserve(*commit.reservation, commit.rooms_taken, now);
      answer_commit(commit, false, now);
      return;
    }
    queues_.reserve(queue, messages, bytes, now);
  }
  answer_commit(commit, true, now);
}

void QueueRoutes::answer_commit(const Applicant& commit, bool is_granted, Millis now) {
  if (commit.home == shard_.id()) {
    on_reserved(commit.token, is_granted, now);
  } else {
    shard_.post(commit.home, {.kind = EnvelopeKind::kReserved,
                              .detail = static_cast<uint16_t>(is_granted ? 1 : 0),
                              .token = commit.token});
  }
}

void QueueRoutes::unreserve(const Reservation& reservation, size_t rooms, Millis now) {
  for (const auto& [queue, messages, bytes] : std::span(reservation.rooms).first(rooms)) {
    queues_.unreserve(queue, messages, bytes, now);
  }
}

// -- Mail.

void QueueRoutes::on_envelope(Envelope& envelope, Millis now) {
  const ConsumerKey key = {envelope.from, envelope.client, envelope.ticket};
  switch (envelope.kind) {
    case EnvelopeKind::kConsume:
      queues_.add_consumer(*envelope.name,
                           {envelope.from, envelope.client, static_cast<uint32_t>(envelope.token)},
                           std::move(*envelope.consumer), now);
      shard_.post(
          envelope.from,
          {.kind = EnvelopeKind::kConsuming, .ticket = envelope.ticket, .client = envelope.client});
      break;
    case EnvelopeKind::kConsuming:
      shard_.complete(envelope.client, envelope.ticket);
      break;
    case EnvelopeKind::kRelease:
      queues_.remove_consumer(key, envelope.token, now);
      break;
    case EnvelopeKind::kHandOut:
      give(envelope.client, envelope.ticket, *envelope.message, envelope.token, envelope.detail);
      envelope.message->drop_reference();
      break;
    case EnvelopeKind::kSettle: {
      const auto [settlement, is_cumulative] = SettleDetail::decode(envelope.detail);
      queues_.settle(key, envelope.token, settlement, is_cumulative, now);
      break;
    }
    case EnvelopeKind::kBrowsed:
      tell_browse_end(envelope.client, envelope.ticket);
      break;
    case EnvelopeKind::kReserve:
      take_rooms({.home = envelope.from,
                  .client = envelope.client,
                  .since = now,
                  .reservation = std::make_unique<Reservation>(std::move(*envelope.reservation)),
                  .token = envelope.token},
                 now);
      break;
    case EnvelopeKind::kReserved:
      on_reserved(envelope.token, envelope.detail != 0, now);
      break;
    case EnvelopeKind::kUnreserve:
      unreserve(*envelope.reservation, envelope.reservation->rooms.size(), now);
      break;
    default:
      CHECK(false);
  }
}

}  // namespace stampede::core
