#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/fan_out_log.h"
#include "core/intrusive_list.h"
#include "core/message.h"
#include "core/recall.h"
#include "core/shard_types.h"

namespace stampede::core {

struct Group;
struct Replay;

// MessageBacklog is messages that wait to be written to a log, by reference and in order.
//
// Owns:      a reference of each. Thread: home shard.
class MessageBacklog {
 public:
  MessageBacklog() = default;
  ~MessageBacklog() { clear(); }
  MessageBacklog(const MessageBacklog&) = delete;
  MessageBacklog& operator=(const MessageBacklog&) = delete;

  // Takes over a reference.
  void push(Message& message);
  // The oldest ones, about `bytes_max` of memory and one at least. Requires: not empty.
  [[nodiscard]] std::span<Message* const> front(size_t bytes_max) const;
  void pop(size_t count);
  void clear() { pop(messages_.size() - first_); }

  [[nodiscard]] bool empty() const { return first_ == messages_.size(); }
  [[nodiscard]] size_t bytes() const { return bytes_; }

 private:
  std::vector<Message*> messages_;
  size_t first_ = 0;
  size_t bytes_ = 0;  // memory of the messages
};

// A RECEIPT that waits until owners answered.
struct RecallReceipt {
  uint32_t ticket = 0;          // 0: none was asked for
  bool tells_position = false;  // it says where the subscription begins
};
struct RecallWaiter {
  ClientRef client;
  RecallReceipt receipt;
};

// A recall that not every owner has answered.
struct AskedRecall {
  Replay* replay;  // null: who asked has left
  ShardId answers_missing;
  std::vector<RecallWaiter> waiters;
};

// Replay is what some subscribers of a group get first: what was published before they came, and
// what is published until they have caught up with the group. It is a log like the group's, and
// they are cursors in it, so that whoever begins at the same place shares one encoding. It is
// written a piece at a time, as its cursors read. Once everything is in it, a place at the end of
// the group's log is held, the junction: a cursor that has been given all of the replay goes on
// there. Nothing is between the two, and nothing in both.
//
// A replay of one name stays for a moment, whole, so that others who resume are put into it, or
// into the group's log behind the junction, at the sequence that they ask for: a cursor set back.
//
// Owns:      a reference of each message that is not written yet. Thread: home shard.
// Lifetime:  of the group, which lives while one of the replay's cursors does; Replays ends it once
//            nobody is in it.
// Invariant: junction is set once all owners have answered and nothing waits. Until then what the
//            owners that answered publish is added to `live`, afterwards to the group's log only.
struct Replay {
  Replay(Group& of_group, RecallFrom begins_from, ChunkPool& pool, bool marks_frames)
      : log(pool, marks_frames, this), group(of_group), from(std::move(begins_from)) {}

  FanOutLog log;
  Group& group;
  const RecallFrom from;
  size_t index = 0;  // in the topic's replays
  ListLink<Replay> in_group;

  // -- What the owners said; a bit each.
  uint64_t owners_missing = 0;
  uint64_t owners_heard = 0;
  AskedRecall* asked = nullptr;  // null: all have answered
  bool is_complete = true;       // as Recall has it, of all
  // Of one name.
  std::string epoch;
  uint64_t begins_behind = 0;  // the sequence before its first message
  uint64_t unbroken_from = 0;
  uint64_t last_sequence = 0;  // nothing behind it was in the replay

  // -- What is not in the log yet; `brought` by owners goes before `live`.
  MessageBacklog brought;
  MessageBacklog live;
  size_t brought_octets = 0;  // frames written of what was brought

  // -- Places that it holds.
  std::optional<LogPlace> beginning;  // in its own log, while others may come
  std::optional<LogPlace> junction;   // in the group's
  ListLink<Replay> lingering;         // in the list while it holds its beginning
  Millis last_came = 0;
  bool is_fresh = true;       // nothing was published since the owners answered
  bool is_abandoned = false;  // the topic's interest ended

  [[nodiscard]] bool is_answered() const { return owners_missing == 0; }
  [[nodiscard]] bool has_waiting() const { return !brought.empty() || !live.empty(); }
};

}  // namespace stampede::core
