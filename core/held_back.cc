#include "core/held_back.h"

#include <algorithm>
#include <utility>

#include "core/client.h"
#include "core/shard_state.h"
#include "proto/base/check.h"

namespace stampede::core {

namespace {

// What readers get to catch up before their publisher is listened to again.
constexpr Millis kCatchUpMs = 5;
// How often a publisher is heard that waits for room in a queue and has something to settle.
constexpr Millis kSettleEveryMs = 100;
// How often those are looked at who wait for memory: it may take long, and they may be many.
constexpr Millis kMemoryReleaseMs = 10;

}  // namespace

bool HeldBack::is_pressed(ShardId owner) const {
  const ShardId home = shard_.id();
  return mailboxes_.is_pressed(owner) ||
         (owner != home && mailboxes_.at(home, owner).is_congested());
}

bool HeldBack::is_any_pressed() const {
  for (ShardId owner = 0; owner < shard_.shard_count(); ++owner) {
    if (is_pressed(owner)) return true;
  }
  return false;
}

// -- Reasons.

void HeldBack::hold(Client& client, Millis until) {
  if (client.is_closing()) return;
  client.held_until = std::max(client.held_until, until);
  if (!std::exchange(client.is_paused, true)) {
    ++shard_.metrics.publishers_held_back;
    receive_changes_.push_back(client.ref());
  }
  list(client);
}

void HeldBack::list(Client& client) {
  if (!std::exchange(client.is_held_back, true)) listed_.push_back(client.ref());
}

void HeldBack::on_publish(Client& client, ShardId owner) {
  if (is_pressed(owner)) hold(client, 0);
  on_keep(client);
}

void HeldBack::on_publish(Client& client) {
  if (is_any_pressed()) hold(client, 0);
  on_keep(client);
}

void HeldBack::on_keep(Client& client) {
  if (memory_.holds_publishers()) hold(client, memory_.held_until(client, shard_.now()));
}

void HeldBack::on_overrun(ClientRef ref) {
  if (Client* client = shard_.find(ref)) hold(*client, shard_.now() + kCatchUpMs);
}

void HeldBack::on_commit_waits(Client& client) {
  client.is_committing = true;
  hold(client, 0);
}

void HeldBack::on_commit_ended(ClientRef ref) {
  Client* const client = shard_.find(ref);
  if (client == nullptr) return;
  client->is_committing = false;
  if (client->is_paused) list(*client);
}

void HeldBack::on_send_waits(ClientRef ref) {
  Client* const client = shard_.find(ref);
  if (client == nullptr) return;
  ++client->sends_held_out;
  // One that has deliveries to settle is heard now and then: they may be what takes the room.
  hold(*client, client->session().has_unfinished() ? shard_.now() + kSettleEveryMs : 0);
}

void HeldBack::on_send_ended(ClientRef ref) {
  Client* const client = shard_.find(ref);
  if (client == nullptr) return;
  DCHECK(client->sends_held_out > 0);
  if (--client->sends_held_out > 0 || !client->is_paused) return;
  client->held_until = 0;
  list(*client);
}

void HeldBack::on_closing(Client& client) {
  if (client.is_paused) list(client);
}

// -- Letting go.

void HeldBack::release() {
  if (memory_.holds_publishers()) {
    if (shard_.now() < next_release_) return;
    next_release_ = shard_.now() + kMemoryReleaseMs;
  }
  const bool is_pressed = is_any_pressed();
  for (const ClientRef ref : std::exchange(listed_, {})) {
    Client* const client = shard_.find(ref);
    if (client == nullptr) continue;
    if (!client->is_closing()) {
      if (client->is_held_out()) {
        client->is_held_back = false;
        continue;
      }
      if (is_pressed || shard_.now() < client->held_until || !memory_.may_go_on(*client) ||
          !client->take_held(shard_.now())) {
        listed_.push_back(ref);
        continue;
      }
    }
    client->is_paused = false;
    client->is_held_back = false;
    receive_changes_.push_back(ref);
  }
}

Client* HeldBack::next_receive_change() {
  while (!receive_changes_.empty()) {
    const ClientRef ref = receive_changes_.back();
    receive_changes_.pop_back();
    if (Client* client = shard_.find(ref)) return client;
  }
  return nullptr;
}

}  // namespace stampede::core
