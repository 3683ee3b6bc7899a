#include "core/shard.h"

#include "core/client.h"
#include "core/shard_state.h"

namespace stampede::core {
namespace {

std::string_view name_of(ClientPhase phase) {
  switch (phase) {
    case ClientPhase::kHandshake:
      return "handshake";
    case ClientPhase::kConnecting:
      return "connecting";
    case ClientPhase::kConnected:
      return "connected";
    default:
      return "closing";
  }
}

ClientEntry entry_of(const Client& client, Millis now) {
  const bool is_connected = client.phase() == ClientPhase::kConnected;
  return {.id = client.id(),
          .peer = client.peer(),
          .transport = client.transport(),
          .phase = name_of(client.phase()),
          .version = is_connected ? proto::to_string(client.session().version()) : "",
          .subscriptions = client.session().subscription_count(),
          .lag_bytes = client.lag_bytes(),
          .phase_ms = now - client.phase_since()};
}

}  // namespace

Shard::Shard(ShardId id, ShardId shard_count, const Options& options, MailboxGrid& mailboxes,
             ShardObserver& observer, MemoryBudget* memory_budget)
    : state_(std::make_unique<ShardState>(id, shard_count, options, mailboxes, observer,
                                          memory_budget)) {}

Shard::~Shard() = default;

Client* Shard::open(const Endpoint& endpoint, uint32_t handle, Millis now) {
  return state_->open(endpoint, handle, now);
}

uint32_t Shard::handle_of(const Client& client) { return client.handle(); }

void Shard::receive(Client& client, std::span<const uint8_t> octets, Millis now) {
  state_->set_now(now);
  client.receive(octets, now);
  state_->settle();
}

void Shard::peer_closed(Client& client, bool reset, std::string_view detail, Millis now) {
  state_->set_now(now);
  if (reset) {
    client.abort(CloseReason::kPeerReset, detail);
  } else {
    client.on_peer_ended(now);
  }
}

bool Shard::receive_paused(const Client& client) { return client.is_paused; }

Client* Shard::next_receive_change() { return state_->held_back.next_receive_change(); }

bool Shard::has_ready() const { return !state_->ready.empty(); }

size_t Shard::ready_count() const { return state_->ready.size(); }

Client* Shard::next_flush(std::span<SendSpan> spans, FlushPlan& plan, Millis now) {
  state_->set_now(now);
  Client* client = state_->ready.pop();
  if (client != nullptr) client->plan_flush(spans, plan, now);
  return client;
}

void Shard::sent(Client& client, Millis now) {
  state_->set_now(now);
  client.on_sent();
}

void Shard::release(Client& client) { state_->release(client); }

bool Shard::take_mail(size_t budget, Millis now) { return state_->take_mail(budget, now); }

void Shard::run_timers(Millis now) { state_->run_timers(now); }

void Shard::fan_out(size_t groups_max, Millis now) {
  state_->set_now(now);
  state_->fan_out(groups_max);
  state_->settle();
}

bool Shard::is_gathering() const { return state_->is_gathering(); }

uint64_t Shard::post_mail() { return state_->post_mail(); }

bool Shard::has_mail() const { return state_->has_mail(); }

bool Shard::has_overflow() const { return state_->has_overflow(); }

Millis Shard::next_deadline() const { return state_->timers.next_deadline(); }

void Shard::begin_drain(Millis now, DrainTimes times) {
  state_->set_now(now);
  state_->drain.begin(times, now);
}

bool Shard::is_drained() const { return state_->client_count() == 0; }

void Shard::abort_all(CloseReason reason, Millis now) {
  state_->set_now(now);
  state_->for_each_client([reason](Client& client) { client.abort(reason, "the server stops"); });
}

const ShardMetrics& Shard::metrics() const {
  state_->metrics.selector_bodies_parsed = state_->selector_subject.bodies_parsed();
  return state_->metrics;
}

ShardTables Shard::tables() const { return state_->tables(); }

std::vector<ClientEntry> Shard::list_clients(ListRange range, Millis now) const {
  std::vector<ClientEntry> entries;
  state_->for_each_client([&](const Client& client) {
    if (entries.size() == range.limit) return;
    if (range.offset > 0) {
      --range.offset;
    } else {
      entries.push_back(entry_of(client, now));
    }
  });
  return entries;
}

std::vector<TopicEntry> Shard::list_topics(ListRange range) const {
  return state_->topics.list(range);
}

std::vector<QueueEntry> Shard::list_queues(ListRange range) const {
  return state_->queue_routes.list(range);
}

}  // namespace stampede::core
