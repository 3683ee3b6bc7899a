#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include <tsl/robin_map.h>

#include "core/envelope.h"
#include "core/recall.h"
#include "core/shard_types.h"

namespace stampede::core {

class Client;
class Owner;
class ShardState;
struct Topic;

// Interests is how owners learn which shards have subscribers: home -> owner -> home, by a direct
// call where both are this shard. An exact name has one owner; a pattern may match names of every
// owner. The confirmation brings the last values of what is subscribed; in the mailbox that is
// before all that the owner publishes for it.
//
// Owns:      announcements that were not confirmed yet. Thread: the shard's.
class Interests {
 public:
  Interests(ShardState& shard, Owner& owner) : shard_(shard), owner_(owner) {}

  // -- Home side.
  // A subscription to the topic was attached. `ticket` of `client` is completed once routing is
  // live at every owner that may publish to the topic.
  void announce(Topic& topic, Client& client, uint32_t ticket, Millis now);
  // True if every owner has confirmed the topic's interest.
  [[nodiscard]] bool is_announced(const Topic& topic) const;
  // The topic's last subscription ended.
  void withdraw(Topic& topic, Millis now);

  // -- Mail: kAddInterest, kRemoveInterest, kAddPattern, kRemovePattern and kInterestLive.
  void on_envelope(const Envelope& envelope, Millis now);

 private:
  struct Waiter {
    ClientRef client;
    uint32_t ticket;
  };
  // An announcement that not every owner has confirmed.
  struct Announcement {
    Topic* topic = nullptr;  // null once withdrawn
    ShardId confirmations_missing = 0;
    std::vector<Waiter> waiters;
  };

  void announce_to_own(Topic& topic, Millis now);
  // On the owner, once it took note of the interest.
  void confirm(const Envelope& envelope, bool is_pattern, Millis now);
  void on_confirmed(uint64_t token, ShardId owner, const Recall* last_values);

  ShardState& shard_;
  Owner& owner_;
  tsl::robin_map<uint64_t, Announcement> announcements_;
  uint64_t next_token_ = 1;
};

}  // namespace stampede::core
