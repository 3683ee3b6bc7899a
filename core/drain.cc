#include "core/drain.h"

#include <algorithm>
#include <utility>

#include "core/shard_state.h"
#include "proto/base/check.h"

namespace stampede::core {

namespace {

// What a client gets to come as far as CONNECTED when its turn to leave has come: a refusal in the
// middle of a handshake looks like an outage, a goodbye behind it like a restart.
constexpr Millis kArrivalMs = 2'000;
// How often those are looked at.
constexpr Millis kArrivalLookMs = 50;

}  // namespace

Drain::~Drain() { shard_.timers.disarm(timer_); }

void Drain::begin(DrainTimes times, Millis now) {
  if (stage_ != Stage::kServing) return;
  if (times.end_at <= now) {
    close_down();
  } else {
    spread(times, now);
  }
}

// -- One after the other.

void Drain::spread(DrainTimes times, Millis now) {
  stage_ = Stage::kSpreading;
  end_at_ = times.end_at;
  std::vector<Departures::Candidate> candidates;
  shard_.for_each_client([&](const Client& client) {
    candidates.push_back({.client = client.ref(), .idle_ms = now - client.active_at()});
  });
  departures_ = Departures(std::move(candidates), now, std::min(times.leave_by, times.end_at),
                           shard_.options().boot_id + id_);
  arm_timer(now);
}

void Drain::on_opened(Client& client, Millis now) {
  switch (stage_) {
    case Stage::kServing:
      return;
    case Stage::kSpreading:
      arriving_.push_back(client.ref());
      arm_timer(now);
      return;
    case Stage::kClosing:
      client.begin_drain();
      if (owners_ended_ == shard_count_) client.dismiss();
  }
}

void Drain::on_timer(Millis now) {
  if (stage_ != Stage::kSpreading) return;
  if (now >= end_at_) {
    close_down();
    return;
  }
  while (departures_.next_at() <= now) depart(departures_.pop(), now);
  for (const ClientRef client : std::exchange(arriving_, {})) depart(client, now);
  ask_for_fence();
  arm_timer(now);
}

void Drain::depart(ClientRef ref, Millis now) {
  const Client* const client = shard_.find(ref);
  if (client == nullptr || client->is_closing()) return;
  (is_busy(*client, now) ? arriving_ : leaving_).push_back(ref);
}

// A transaction may settle deliveries, which are its client's only as long as that is subscribed.
// And whose SENDs wait for room is told first what became of them.
bool Drain::is_busy(const Client& client, Millis now) {
  const bool is_arriving =
      client.phase() != ClientPhase::kConnected && now < client.phase_since() + kArrivalMs;
  return is_arriving || client.waits_for_room();
}

void Drain::arm_timer(Millis now) {
  if (stage_ != Stage::kSpreading) return;
  Millis next = std::min(departures_.next_at(), end_at_);
  if (!arriving_.empty()) next = std::min(next, now + kArrivalLookMs);
  shard_.timers.arm(timer_, next);
}

// Mailboxes keep their order: what an owner had numbered, and told a publisher so, is before its
// answer. A batch at a time, so that there are no more fences than round trips.
void Drain::ask_for_fence() {
  if (fences_missing_ > 0 || leaving_.empty()) return;
  fenced_ = std::exchange(leaving_, {});
  fences_missing_ = shard_count_;
  post_to_others(EnvelopeKind::kFence);
  on_fenced();
}

void Drain::on_fence(ShardId from) { shard_.post(from, {.kind = EnvelopeKind::kFenced}); }

void Drain::on_fenced() {
  DCHECK(fences_missing_ > 0);
  if (--fences_missing_ > 0) return;
  shard_.topics.fan_out(SIZE_MAX);
  for (const ClientRef ref : std::exchange(fenced_, {})) {
    Client* const client = shard_.find(ref);
    if (client == nullptr) continue;
    if (client->waits_for_room()) {
      arriving_.push_back(ref);
    } else {
      client->leave();
    }
  }
  ask_for_fence();
  arm_timer(shard_.now());
}

// -- All that are left. Each shard learns of it at its own time, and nobody is told goodbye while
// another shard may still send something. So a shard says behind its last kPublish that none
// follows, and as an owner, once it heard that from all shards, the same behind its last kDeliver.
// Meanwhile the turns go on; if a shard never says it, the others' clients stay until abort_all().

void Drain::close_down() {
  stage_ = Stage::kClosing;
  shard_.timers.disarm(timer_);
  shard_.for_each_client([](Client& client) { client.begin_drain(); });
  // Consumers get no more, so that there will be no room.
  shard_.queue_routes.close_doors(shard_.now());
  end_intake();
}

void Drain::on_committed() { end_intake(); }

// A transaction that was accepted is carried out first.
void Drain::end_intake() {
  if (stage_ != Stage::kClosing || shard_.queue_routes.is_committing()) return;
  if (std::exchange(has_ended_intake_, true)) return;
  post_to_others(EnvelopeKind::kIntakeEnded);
  on_intake_ended();
}

void Drain::on_intake_ended() {
  if (++intakes_ended_ < shard_count_) return;
  post_to_others(EnvelopeKind::kOwnerEnded);
  on_owner_ended();
}

void Drain::on_owner_ended() {
  if (++owners_ended_ < shard_count_) return;
  // A client that has nothing left to send is told goodbye.
  shard_.topics.fan_out(SIZE_MAX);
  shard_.for_each_client([](Client& client) { client.dismiss(); });
}

void Drain::post_to_others(EnvelopeKind kind) {
  for (ShardId to = 0; to < shard_count_; ++to) {
    if (to != id_) shard_.post(to, {.kind = kind});
  }
}

}  // namespace stampede::core
