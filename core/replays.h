#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/fan_out_log.h"
#include "core/intrusive_list.h"
#include "core/message.h"
#include "core/options.h"
#include "core/ready_list.h"
#include "core/recall.h"
#include "core/replay.h"
#include "core/shard_types.h"

namespace stampede::core {

class Topics;
struct Group;
struct Subscription;
struct Topic;

// Replays is a shard's part as home of subscribers that begin in the past: which replays there are,
// what comes into them, and how cursors get from them into the logs of their groups.
//
// Owns:      nothing but lists; a topic owns its replays. Thread: home shard.
// Invariant: a subscription that is in a replay has a cursor in the replay's log and in no other.
class Replays {
 public:
  Replays(Topics& topics, const Options& options, ChunkPool& pool, ReadyList& ready)
      : topics_(topics), options_(options), pool_(pool), ready_(ready) {}

  // -- Coming. The subscription is enrolled in the group, and its cursor is in no log.
  // What is told to who came.
  struct Start {
    bool is_complete = true;
    std::string epoch = {};      // of one name
    uint64_t begins_behind = 0;  // the sequence before the first one that comes
  };
  struct Arrival {
    bool is_placed = false;
    Replay* pending = nullptr;  // placed in it; what there is to tell is not known yet
    Start start = {};           // else
  };
  // Places the cursor in a replay that is there, or in the group's log behind one, if that is the
  // same as if the owners were asked.
  [[nodiscard]] Arrival arrive(Subscription& subscription, Group& group, const RecallFrom& from,
                               Millis now);
  // A new one, with the cursor in it. `owners` will answer, a bit each.
  [[nodiscard]] Replay& make(Subscription& subscription, Group& group, const RecallFrom& from,
                             uint64_t owners, Millis now);
  // An owner has answered: takes the messages out of the answer. Call advance() then.
  void take_in(Replay& replay, ShardId owner, Recall& answer);
  // Goes on with what can be written. The replay may be gone afterwards.
  void advance(Replay& replay);
  [[nodiscard]] static Start start_of(const Replay& replay) {
    return {replay.is_complete, replay.epoch, replay.begins_behind};
  }

  // -- Going on.
  // The message, which `owner` numbered, was taken for the topic.
  void feed(Topic& topic, Message& message, ShardId owner);
  // The subscription has been given all that its replay's log holds.
  void on_caught_up(Subscription& subscription);
  // Octets that were written for the subscription, which is in a replay, and that it was not given
  // yet.
  [[nodiscard]] static size_t unsent(const Subscription& subscription);

  // -- Leaving.
  // Takes the cursor of the subscription, which is in a replay, out of its log.
  void detach(Subscription& subscription);
  // The last subscription of the group ended. What is delivered from now on is not in its log, so
  // nobody may be put there who comes while it is still there.
  void on_unfollowed(Group& group);
  // The topic's interest ended: nobody can come any more.
  void abandon(Topic& topic);
  // The group is about to end.
  void end_all_of(Group& group);
  // Lets go of those to which nobody came for a while. Call about once a second.
  void expire(Millis now);

  [[nodiscard]] size_t count() const { return count_; }

 private:
  [[nodiscard]] bool place_at(Subscription& subscription, Replay& replay, uint64_t sequence);
  void put(Subscription& subscription, Replay& replay, LogPlace place);
  // Each gives false if the replay is gone.
  [[nodiscard]] bool go_on(Replay& replay);
  [[nodiscard]] bool end_lingering(Replay& replay);

  void write_piece(Replay& replay);
  void join(Replay& replay);
  // The subscription goes on in its group's log.
  void go_over(Subscription& subscription);
  void check_lag(Replay& replay, size_t newest_bytes);
  void stop_lingering(Replay& replay);
  void keep_to_limit();
  // True if it ended it.
  [[nodiscard]] bool end_if_unused(Replay& replay);
  void end(Replay& replay);

  // Memory of messages that are written before their readers have taken what is there: what one
  // send carries.
  static constexpr size_t kPieceBytes = 64 * 1024;
  // How long a replay stays for others, once nobody came; and how much of the group's log it may
  // make stay meanwhile.
  static constexpr Millis kLingerMs = 1'000;
  static constexpr size_t kLingerLogBytes = 256 * 1024;

  Topics& topics_;
  const Options& options_;
  ChunkPool& pool_;
  ReadyList& ready_;
  IntrusiveList<Replay, &Replay::lingering> lingering_;
  size_t lingering_bytes_ = 0;  // of their logs
  size_t count_ = 0;
};

}  // namespace stampede::core
