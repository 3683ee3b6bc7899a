#include "core/shard_state.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "core/destination_name.h"
#include "proto/base/check.h"

namespace stampede::core {

namespace {

constexpr Millis kHousekeepingMs = 1'000;

proto::StompLimits stomp_limits(const Options& options, size_t frame_bytes_max) {
  return {.frame_bytes_max = frame_bytes_max,
          .headers_max = options.headers_max,
          .header_line_bytes_max = options.header_line_bytes_max,
          .header_total_bytes_max = options.header_total_bytes_max};
}

proto::WsLimits message_limits(const Options& options) {
  constexpr uint64_t kFramesOfAMessage = 4;
  const uint64_t bytes = options.websocket_message_bytes_max;
  return {.message_bytes_max = bytes > 0 ? bytes : kFramesOfAMessage * options.frame_bytes_max,
          .fragments_max = options.websocket_fragments_max};
}

}  // namespace

ShardState::ShardState(ShardId id, ShardId shard_count, const Options& options,
                       MailboxGrid& mailboxes, ShardObserver& observer, MemoryBudget* memory_budget)
    : destination_map(options),
      selector_subject(options.selector_body_bytes_max),
      topics(id, options, metrics, ready, selector_subject),
      queue_routes(*this, options, metrics, timers, selector_subject),
      drain(*this, id, shard_count),
      interests(*this, owner_),
      recalls(*this, owner_),
      held_back(*this, mailboxes, memory_watch_),
      id_(id),
      shard_count_(shard_count),
      options_(options),
      mailboxes_(mailboxes),
      observer_(observer),
      limits_(stomp_limits(options, options.frame_bytes_max)),
      limits_before_connect_(stomp_limits(options, options.frame_bytes_before_connect_max)),
      websocket_limits_(message_limits(options)),
      owner_(id, options, metrics),
      memory_watch_(*this, memory_budget) {
  CHECK(shard_count <= kShardsMax && id < shard_count);
  timers.arm(second_, kHousekeepingMs);
}

ShardState::~ShardState() {
  // Clients take their subscriptions out of the topics, so they go first.
  for (Slot& slot : slots_) {
    if (slot.client != nullptr) release(*slot.client);
  }
  timers.disarm(second_);
}

Client* ShardState::open(const Endpoint& endpoint, uint32_t handle, Millis now) {
  now_ = now;
  uint32_t index = 0;
  if (free_slots_.empty()) {
    index = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    index = free_slots_.back();
    free_slots_.pop_back();
  }
  Slot& slot = slots_[index];
  const ClientRef ref = {index, ++slot.generation};
  slot.client = std::make_unique<Client>(*this, endpoint, ref, ++clients_opened_, handle, now);
  ++client_count_;
  ++metrics.connections_opened;
  slot.client->arm_timer(now);
  drain.on_opened(*slot.client, now);
  return slot.client.get();
}

void ShardState::release(Client& client) {
  if (!client.is_closing()) client.abort(CloseReason::kInternal, "the shard ended");
  timers.disarm(client.timer);
  ready.remove(client);
  client.on_released();
  const uint32_t index = client.ref().slot;
  slots_[index].client.reset();
  free_slots_.push_back(index);
  --client_count_;
}

Client* ShardState::find(ClientRef ref) {
  if (ref.slot >= slots_.size()) return nullptr;
  Slot& slot = slots_[ref.slot];
  if (slot.client == nullptr || slot.generation != ref.generation) return nullptr;
  return slot.client->phase() == ClientPhase::kAborting ? nullptr : slot.client.get();
}

void ShardState::on_closing(Client& client, CloseReason reason, std::string_view detail,
                            std::string_view peer, uint64_t frames_received) {
  ++metrics.connections_closed[static_cast<size_t>(reason)];
  const size_t lag = client.lag_bytes();
  metrics.bytes_discarded += lag;
  held_back.on_closing(client);
  observer_.on_client_closed({.id = client.id(),
                              .peer = peer,
                              .reason = reason,
                              .detail = detail,
                              .frames_received = frames_received,
                              .pending_bytes = lag});
}

void ShardState::tell_slow_events() {
  for (const SlowEvent& event : topics.slow_consumers().take_events()) {
    const Client* const client = find(event.client);
    if (client == nullptr) continue;
    observer_.on_slow_consumer({.client_id = client->id(),
                                .peer = client->peer(),
                                .destination = event.destination,
                                .policy = event.policy,
                                .has_recovered = event.has_recovered,
                                .unsent_bytes = event.unsent_bytes},
                               now_);
  }
}

void ShardState::settle() {
  queue_routes.let_in(now_);
  if (topics.slow_consumers().has_events()) tell_slow_events();
  if (!topics.has_lagging()) return;
  for (const ClientRef ref : topics.take_lagging()) {
    Client* client = find(ref);
    if (client == nullptr || client->is_closing()) continue;
    client->fail_slow(errors::kSlowConsumerBytes);
  }
}

// -- Publishing.

void ShardState::publish(Message* message, Client& client, uint32_t ticket, Millis now) {
  const ShardId owner = route(message, client.ref(), ticket, false, now);
  held_back.on_publish(client, owner);
}

ShardId ShardState::route(Message* message, ClientRef sender, uint32_t ticket, bool is_reserved,
                          Millis now) {
  ++metrics.messages_received;
  const ShardId owner = owner_of(*message);
  if (owner != id_) {
    post(owner, {.kind = is_reserved ? EnvelopeKind::kPublishReserved : EnvelopeKind::kPublish,
                 .ticket = ticket,
                 .client = sender,
                 .message = message});
    return owner;
  }
  const Published published = publish_owned(message, {id_, sender, ticket}, is_reserved, now);
  switch (published.outcome) {
    case QueueRoutes::Outcome::kTaken:
      on_published(sender, ticket, published.reports);
      break;
    case QueueRoutes::Outcome::kWaits:
      held_back.on_send_waits(sender);
      break;
    case QueueRoutes::Outcome::kRefused:
      refuse(sender, ticket);
      break;
  }
  return owner;
}

ShardState::Published ShardState::publish_owned(Message* message, const QueueRoutes::Sender& sender,
                                                bool is_reserved, Millis now) {
  // Who answers has made no mistake if nobody waits for it any more, or nobody reads what comes.
  if (message->properties().is_temporary && !takes_temporary(*message, now)) {
    ++metrics.temporary_dropped;
    message->drop_reference();
    return {};
  }
  const bool is_counted = message->count_ticket() != 0;
  if (message->properties().is_for_queue) {
    return {.outcome = queue_routes.publish_owned(message, sender, is_reserved, now),
            .reports = is_counted ? 1u : 0u};
  }
  const Owner::Verdict verdict = owner_.publish(*message, now);
  for (uint64_t left = verdict.interested & ~(uint64_t{1} << id_); left != 0; left &= left - 1) {
    message->add_references(1);
    post(static_cast<ShardId>(std::countr_zero(left)),
         {.kind = EnvelopeKind::kDeliver, .message = message});
  }
  if ((verdict.interested >> id_ & 1) != 0) deliver(*message, id_);
  message->drop_reference();
  return {.reports = is_counted ? static_cast<uint32_t>(std::popcount(verdict.interested)) : 0u};
}

void ShardState::on_publish(const Envelope& envelope, Millis now) {
  const bool is_reserved = envelope.kind == EnvelopeKind::kPublishReserved;
  const Published published = publish_owned(
      envelope.message, {envelope.from, envelope.client, envelope.ticket}, is_reserved, now);
  EnvelopeKind answer = EnvelopeKind::kPublished;
  switch (published.outcome) {
    case QueueRoutes::Outcome::kTaken:
      if (envelope.ticket == 0) return;
      break;
    case QueueRoutes::Outcome::kWaits:
      answer = EnvelopeKind::kHeldOut;
      break;
    case QueueRoutes::Outcome::kRefused:
      answer = EnvelopeKind::kRefused;
      break;
  }
  post(envelope.from, {.kind = answer,
                       .ticket = envelope.ticket,
                       .client = envelope.client,
                       .token = published.reports});
}

void ShardState::on_published(ClientRef ref, uint32_t ticket, uint32_t reports) {
  if (ticket == 0) return;
  Client* const client = find(ref);
  if (client == nullptr) return;
  if (reports > 0) client->session().expect_reports(ticket, reports);
  client->session().complete_reply(*client, ticket);
}

void ShardState::report_count(const Message& message, uint64_t subscriptions) {
  const MessageOrigin& origin = message.origin();
  const uint32_t ticket = message.count_ticket();
  if (origin.shard != id_) {
    post(origin.shard, {.kind = EnvelopeKind::kCounted,
                        .ticket = ticket,
                        .client = origin.client,
                        .token = subscriptions});
  } else {
    on_counted(origin.client, ticket, subscriptions);
  }
}

void ShardState::on_counted(ClientRef ref, uint32_t ticket, uint64_t subscriptions) {
  if (Client* client = find(ref)) client->session().report(*client, ticket, subscriptions);
}

bool ShardState::number(Message& message, Millis now) {
  return !owner_.publish(message, now).is_duplicate;
}

void ShardState::deliver(Message& message, ShardId owner) {
  const uint64_t subscriptions = topics.deliver(message, owner);
  metrics.messages_delivered += subscriptions;
  if (message.count_ticket() != 0) report_count(message, subscriptions);
  if (!topics.take_overrun()) return;
  const MessageOrigin& origin = message.origin();
  if (origin.shard != id_) {
    post(origin.shard, {.kind = EnvelopeKind::kHoldBack, .client = origin.client});
  } else {
    held_back.on_overrun(origin.client);
  }
}

void ShardState::complete(ClientRef ref, uint32_t ticket, std::string_view lines) {
  Client* const client = ticket == 0 ? nullptr : find(ref);
  if (client == nullptr) return;
  if (!lines.empty()) client->session().note_reply(ticket, lines);
  client->session().complete_reply(*client, ticket);
}

void ShardState::refuse(ClientRef ref, uint32_t ticket) {
  if (Client* client = find(ref)) client->fail_queue_full(ticket);
}

void ShardState::on_let_in(ClientRef ref, uint32_t ticket, uint32_t reports) {
  on_published(ref, ticket, reports);
  held_back.on_send_ended(ref);
  if (Client* client = find(ref)) client->settle_farewell();
}

void ShardState::on_turned_away(ClientRef ref, uint32_t ticket) {
  refuse(ref, ticket);
  held_back.on_send_ended(ref);
}

void ShardState::confirm_sent(Client& client) {
  if (shard_count_ == 1) return;
  const uint32_t ticket = client.session().owe_silently(shard_count_ - 1);
  for (ShardId owner = 0; owner < shard_count_; ++owner) {
    if (owner == id_) continue;
    post(owner, {.kind = EnvelopeKind::kConfirm, .ticket = ticket, .client = client.ref()});
  }
}

void ShardState::on_commit_ended(ClientRef ref) {
  held_back.on_commit_ended(ref);
  // It may have had its turn in a drain meanwhile.
  if (Client* client = find(ref)) ready.mark_unless_sending(*client);
  drain.on_committed();
}

// -- Mail.

void ShardState::post(ShardId to, Envelope envelope) {
  envelope.from = static_cast<uint8_t>(id_);
  if (!mailboxes_.at(id_, to).post(envelope)) {
    ++metrics.mailbox_overflows;
    mailboxes_.set_pressed(id_, true);
  }
}

bool ShardState::take_mail(size_t budget, Millis now) {
  now_ = now;
  size_t empty_in_a_row = 0;
  // A share of the budget for each mailbox in turn, so that no shard starves another.
  const size_t share = std::max<size_t>(1, budget / shard_count_);
  while (budget > 0 && empty_in_a_row < shard_count_) {
    Mailbox& mailbox = mailboxes_.at(next_mail_from_, id_);
    next_mail_from_ = (next_mail_from_ + 1) % shard_count_;
    Envelope envelope;
    size_t taken = 0;
    while (taken < std::min(share, budget) && !topics.has_gathered_enough() &&
           mailbox.take(envelope)) {
      on_envelope(envelope, now);
      // At once: many envelopes may be waiting, and each adds to the lag of who lags already.
      settle();
      ++taken;
    }
    budget -= taken;
    empty_in_a_row = taken == 0 ? empty_in_a_row + 1 : 0;
  }
  return (budget == 0 || topics.has_gathered_enough()) && has_mail();
}

void ShardState::on_envelope(Envelope& envelope, Millis now) {
  const std::unique_ptr<std::string> name(envelope.name);
  const std::unique_ptr<ConsumerRequest> consumer(envelope.consumer);
  const std::unique_ptr<Reservation> reservation(envelope.reservation);
  std::unique_ptr<Recall> recall(envelope.recall);
  const ShardId from = envelope.from;
  switch (envelope.kind) {
    case EnvelopeKind::kPublish:
    case EnvelopeKind::kPublishReserved:
      on_publish(envelope, now);
      break;
    case EnvelopeKind::kDeliver:
      deliver(*envelope.message, from);
      envelope.message->drop_reference();
      break;
    case EnvelopeKind::kPublished:
      on_published(envelope.client, envelope.ticket, static_cast<uint32_t>(envelope.token));
      break;
    case EnvelopeKind::kCounted:
      on_counted(envelope.client, envelope.ticket, envelope.token);
      break;
    case EnvelopeKind::kRefused:
      refuse(envelope.client, envelope.ticket);
      break;
    case EnvelopeKind::kConfirm:
      post(
          from,
          {.kind = EnvelopeKind::kPublished, .ticket = envelope.ticket, .client = envelope.client});
      break;
    case EnvelopeKind::kHeldOut:
      held_back.on_send_waits(envelope.client);
      break;
    case EnvelopeKind::kLetIn:
      on_let_in(envelope.client, envelope.ticket, static_cast<uint32_t>(envelope.token));
      break;
    case EnvelopeKind::kTurnedAway:
      on_turned_away(envelope.client, envelope.ticket);
      break;
    case EnvelopeKind::kAddInterest:
    case EnvelopeKind::kRemoveInterest:
    case EnvelopeKind::kAddPattern:
    case EnvelopeKind::kRemovePattern:
    case EnvelopeKind::kInterestLive:
      interests.on_envelope(envelope, now);
      break;
    case EnvelopeKind::kRecall:
      recalls.on_recall(from, envelope.token, std::move(recall), now);
      break;
    case EnvelopeKind::kRecalled:
      recalls.on_answer(from, envelope.token, *recall);
      break;
    case EnvelopeKind::kHoldBack:
      held_back.on_overrun(envelope.client);
      break;
    case EnvelopeKind::kConsume:
    case EnvelopeKind::kConsuming:
    case EnvelopeKind::kRelease:
    case EnvelopeKind::kHandOut:
    case EnvelopeKind::kSettle:
    case EnvelopeKind::kBrowsed:
    case EnvelopeKind::kReserve:
    case EnvelopeKind::kReserved:
    case EnvelopeKind::kUnreserve:
      queue_routes.on_envelope(envelope, now);
      break;
    case EnvelopeKind::kFence:
      drain.on_fence(from);
      break;
    case EnvelopeKind::kFenced:
      drain.on_fenced();
      break;
    case EnvelopeKind::kIntakeEnded:
      drain.on_intake_ended();
      break;
    case EnvelopeKind::kOwnerEnded:
      drain.on_owner_ended();
      break;
  }
}

uint64_t ShardState::post_mail() {
  memory_watch_.look(now_);
  uint64_t wake = publish_mail();
  if (held_back.is_empty()) return wake;
  // What they send once they are let go belongs to this batch too.
  held_back.release();
  settle();
  wake |= publish_mail();
  return wake;
}

uint64_t ShardState::publish_mail() {
  uint64_t wake = 0;
  bool is_congested = false;
  for (ShardId to = 0; to < shard_count_; ++to) {
    if (to == id_) continue;
    Mailbox& mailbox = mailboxes_.at(id_, to);
    const bool was_congested = mailbox.is_congested();
    if (mailbox.publish() || was_congested) wake |= uint64_t{1} << to;
    is_congested |= mailbox.is_congested();
  }
  if (mailboxes_.is_pressed(id_) != is_congested) mailboxes_.set_pressed(id_, is_congested);
  return wake;
}

bool ShardState::has_mail() const {
  for (ShardId from = 0; from < shard_count_; ++from) {
    if (from != id_ && !mailboxes_.at(from, id_).is_empty()) return true;
  }
  return false;
}

bool ShardState::has_overflow() const {
  return !held_back.is_empty() || mailboxes_.is_pressed(id_);
}

// -- Time.

void ShardState::run_timers(Millis now) {
  now_ = now;
  while (Timer* timer = timers.expire(now)) {
    switch (timer->kind) {
      case Timer::Kind::kHousekeeping:
        owner_.expire(now);
        queue_routes.expire(now);
        topics.replays().expire(now);
        timers.arm(second_, now + kHousekeepingMs);
        break;
      case Timer::Kind::kQueue:
        queue_routes.on_timer(*timer, now);
        break;
      case Timer::Kind::kDrain:
        drain.on_timer(now);
        break;
      case Timer::Kind::kClient: {
        Client& client = Client::of_timer(*timer);
        client.on_deadline(now);
        client.arm_timer(now);
        break;
      }
    }
  }
  settle();
}

ShardTables ShardState::tables() const {
  ShardTables tables;
  tables.clients = client_count_;
  owner_.count_tables(tables);
  topics.count_tables(tables);
  queue_routes.count_tables(tables);
  memory_watch_.count_tables(tables);
  return tables;
}

ShardState::TableSizes ShardState::table_sizes() const {
  return {.clients = client_count_,
          .subscriptions = topics.cursor_count(),
          .groups = topics.group_count(),
          .topics = topics.topic_count(),
          .destinations = owner_.destination_count(),
          .queues = queue_routes.queue_count(),
          .consumers = queue_routes.consumer_count()};
}

}  // namespace stampede::core
