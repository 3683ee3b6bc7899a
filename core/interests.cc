#include "core/interests.h"

#include <string>
#include <utility>

#include "core/client.h"
#include "core/owner.h"
#include "core/shard_state.h"
#include "core/topics.h"
#include "proto/base/check.h"

namespace stampede::core {

// -- Home side.

void Interests::announce(Topic& topic, Client& client, uint32_t ticket, Millis now) {
  if (topic.interest_token == 0) {
    topic.interest_token = next_token_++;
    const ShardId name_owner = shard_.owner_of_own(topic.name);
    ShardId missing = 0;
    for (ShardId owner = 0; owner < shard_.shard_count(); ++owner) {
      if (!topic.is_pattern && owner != name_owner) continue;
      if (owner == shard_.id()) {
        announce_to_own(topic, now);
        continue;
      }
      ++missing;
      shard_.post(
          owner, {.kind = topic.is_pattern ? EnvelopeKind::kAddPattern : EnvelopeKind::kAddInterest,
                  .name = new std::string(topic.name),
                  .token = topic.interest_token});
    }
    if (missing > 0) {
      announcements_.emplace(
          topic.interest_token,
          Announcement{.topic = &topic, .confirmations_missing = missing, .waiters = {}});
    }
  }
  if (ticket == 0) return;
  const auto pending = announcements_.find(topic.interest_token);
  if (pending == announcements_.end()) {
    client.session().complete_reply(client, ticket);
  } else {
    pending.value().waiters.push_back({client.ref(), ticket});
  }
}

void Interests::announce_to_own(Topic& topic, Millis now) {
  topic.live_owners |= uint64_t{1} << shard_.id();
  if (topic.is_pattern) {
    owner_.add_pattern(topic.name, shard_.id());
  } else {
    owner_.add_interest(topic.name, shard_.id(), now);
  }
  if (const auto last_values = owner_.last_values(topic.name, topic.is_pattern, now)) {
    shard_.topics.deliver_last_values(topic, *last_values);
  }
}

bool Interests::is_announced(const Topic& topic) const {
  return topic.interest_token != 0 && !announcements_.contains(topic.interest_token);
}

void Interests::withdraw(Topic& topic, Millis now) {
  const auto pending = announcements_.find(topic.interest_token);
  if (pending != announcements_.end()) pending.value().topic = nullptr;
  topic.interest_token = 0;
  topic.live_owners = 0;
  topic.has_retained = false;
  shard_.topics.replays().abandon(topic);
  const ShardId name_owner = shard_.owner_of_own(topic.name);
  for (ShardId owner = 0; owner < shard_.shard_count(); ++owner) {
    if (!topic.is_pattern && owner != name_owner) continue;
    if (owner != shard_.id()) {
      shard_.post(owner, {.kind = topic.is_pattern ? EnvelopeKind::kRemovePattern
                                                   : EnvelopeKind::kRemoveInterest,
                          .name = new std::string(topic.name)});
    } else if (topic.is_pattern) {
      owner_.remove_pattern(topic.name, shard_.id());
    } else {
      owner_.remove_interest(topic.name, shard_.id(), now);
    }
  }
  if (is_temporary_route(topic.name)) owner_.forget(topic.name);
}

void Interests::on_confirmed(uint64_t token, ShardId owner, const Recall* last_values) {
  const auto pending = announcements_.find(token);
  CHECK(pending != announcements_.end());
  if (Topic* topic = pending->second.topic) {
    topic->live_owners |= uint64_t{1} << owner;
    if (last_values != nullptr) shard_.topics.deliver_last_values(*topic, *last_values);
  }
  if (--pending.value().confirmations_missing > 0) return;
  const std::vector<Waiter> waiters = std::move(pending.value().waiters);
  announcements_.erase(pending);
  for (const Waiter& waiter : waiters) shard_.complete(waiter.client, waiter.ticket);
}

// -- Owner side.

void Interests::confirm(const Envelope& envelope, bool is_pattern, Millis now) {
  shard_.post(envelope.from,
              {.kind = EnvelopeKind::kInterestLive,
               .recall = owner_.last_values(*envelope.name, is_pattern, now).release(),
               .token = envelope.token});
}

void Interests::on_envelope(const Envelope& envelope, Millis now) {
  switch (envelope.kind) {
    case EnvelopeKind::kAddInterest:
      owner_.add_interest(*envelope.name, envelope.from, now);
      confirm(envelope, false, now);
      break;
    case EnvelopeKind::kRemoveInterest:
      owner_.remove_interest(*envelope.name, envelope.from, now);
      break;
    case EnvelopeKind::kAddPattern:
      owner_.add_pattern(*envelope.name, envelope.from);
      confirm(envelope, true, now);
      break;
    case EnvelopeKind::kRemovePattern:
      owner_.remove_pattern(*envelope.name, envelope.from);
      break;
    default:
      on_confirmed(envelope.token, envelope.from, envelope.recall);
      break;
  }
}

}  // namespace stampede::core
