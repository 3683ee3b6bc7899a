#pragma once

#include <cstdint>
#include <memory>

#include <tsl/robin_map.h>

#include "core/envelope.h"
#include "core/recall.h"
#include "core/replay.h"
#include "core/replays.h"
#include "core/shard_types.h"

namespace stampede::core {

class Client;
class Owner;
class ShardState;
struct Group;
struct Subscription;
struct Topic;

// Recalls is how a shard's new subscribers get what was published before they came: home -> owner
// -> home, by a direct call where both are this shard. An owner's answer is behind what the owner
// published before, and before what it publishes afterwards, so that it is where the subscription
// begins.
//
// Owns:      what was asked and not answered yet. Thread: the shard's.
class Recalls {
 public:
  Recalls(ShardState& shard, Owner& owner) : shard_(shard), owner_(owner) {}

  // -- Home side.
  // Attaches the subscription, announces the topic, and sees that it gets what it wants from the
  // past. A part of the ticket is completed once routing is live and what was asked for is there.
  void begin(Client& client, Subscription& subscription, Group& group, const RecallFrom& from,
             RecallReceipt receipt, Millis now);

  // -- Mail: kRecall and kRecalled.
  void on_recall(ShardId home, uint64_t token, std::unique_ptr<Recall> recall, Millis now);
  void on_answer(ShardId owner, uint64_t token, Recall& answer);

 private:
  // True if the subscriber can be attached to its group's log as it is.
  [[nodiscard]] bool is_direct(const Topic& topic, const RecallFrom& from,
                               bool tells_position) const;
  void ask(Replay& replay, const RecallWaiter& waiter, Millis now);
  void tell(const RecallWaiter& waiter, const RecallFrom& from, const Replays::Start& start);
  [[nodiscard]] uint64_t owners_of(const Topic& topic) const;

  ShardState& shard_;
  Owner& owner_;
  tsl::robin_map<uint64_t, std::unique_ptr<AskedRecall>> asked_;
  uint64_t next_token_ = 1;
};

}  // namespace stampede::core
