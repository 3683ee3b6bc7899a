#include "core/replays.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "core/client.h"
#include "core/topics.h"
#include "proto/base/check.h"

namespace stampede::core {

// -- MessageBacklog.

void MessageBacklog::push(Message& message) {
  messages_.push_back(&message);
  bytes_ += message.memory_bytes();
}

std::span<Message* const> MessageBacklog::front(size_t bytes_max) const {
  size_t bytes = messages_[first_]->memory_bytes();
  size_t end = first_ + 1;
  while (end < messages_.size() && bytes + messages_[end]->memory_bytes() <= bytes_max) {
    bytes += messages_[end++]->memory_bytes();
  }
  return std::span(messages_).subspan(first_, end - first_);
}

void MessageBacklog::pop(size_t count) {
  for (; count > 0; --count) {
    Message& message = *messages_[first_++];
    bytes_ -= message.memory_bytes();
    message.drop_reference();
  }
  if (!empty()) return;
  messages_.clear();
  first_ = 0;
}

// -- Coming.

Replays::Arrival Replays::arrive(Subscription& subscription, Group& group, const RecallFrom& from,
                                 Millis now) {
  for (Replay* one = group.replays.front(); one != nullptr; one = group.replays.next(*one)) {
    Replay& replay = *one;
    if (replay.is_abandoned) continue;
    if (replay.from == from && replay.owners_heard == 0) {
      replay.log.attach(subscription);
      replay.last_came = now;
      return {.is_placed = true, .pending = &replay};
    }
    if (!replay.beginning || !replay.is_answered()) continue;
    if (replay.from == from && replay.is_fresh) {
      replay.last_came = now;
      const Start start = start_of(replay);
      put(subscription, replay, *replay.beginning);
      return {.is_placed = true, .start = start};
    }
    const bool is_same_epoch = from.epoch.empty() || from.epoch == replay.epoch;
    if (from.place == RecallFrom::Place::kSequence && is_same_epoch) {
      const Start start = {true, replay.epoch, from.sequence - 1};
      replay.last_came = now;
      if (place_at(subscription, replay, from.sequence)) return {.is_placed = true, .start = start};
    }
  }
  return {};
}

bool Replays::place_at(Subscription& subscription, Replay& replay, uint64_t sequence) {
  if (sequence < replay.unbroken_from) return false;
  const size_t waiting_bytes = replay.brought.bytes() + replay.live.bytes();
  if (lingering_bytes_ + waiting_bytes > options_.replay_bytes_max) return false;
  while (replay.has_waiting()) write_piece(replay);
  // It holds its beginning, so it stays.
  (void)go_on(replay);
  FanOutLog& log = replay.group.log;
  const uint64_t last = std::max(replay.last_sequence, log.last_sequence());
  if (const auto place = replay.log.find(sequence)) {
    put(subscription, replay, *place);
  } else if (const auto live_place = log.find(sequence)) {
    if (log.attach_at(subscription, *live_place)) ready_.mark_behind(subscription);
    subscription.pardon();
  } else if (sequence == last + 1) {
    log.attach(subscription);
  } else {
    // The client was ahead of this shard.
    return false;
  }
  return true;
}

void Replays::put(Subscription& subscription, Replay& replay, LogPlace place) {
  if (replay.log.attach_at(subscription, place)) {
    ready_.mark_behind(subscription);
  } else {
    on_caught_up(subscription);
  }
}

Replay& Replays::make(Subscription& subscription, Group& group, const RecallFrom& from,
                      uint64_t owners, Millis now) {
  Topic& topic = group.topic;
  const bool marks_frames = group.is_acked || !topic.is_pattern;
  topic.replays.push_back(std::make_unique<Replay>(group, from, pool_, marks_frames));
  Replay& replay = *topic.replays.back();
  replay.index = topic.replays.size() - 1;
  group.replays.push_back(replay);
  replay.owners_missing = owners;
  replay.last_came = now;
  if (group.is_acked) replay.log.raise_frame_numbers(group.log.next_frame_number());
  replay.log.attach(subscription);
  ++count_;
  return replay;
}

void Replays::take_in(Replay& replay, ShardId owner, Recall& answer) {
  using enum RecallFrom::Place;
  const uint64_t bit = uint64_t{1} << owner;
  DCHECK((replay.owners_missing & bit) != 0);
  replay.owners_missing &= ~bit;
  replay.owners_heard |= bit;
  replay.is_complete &= answer.is_complete;
  if (!answer.is_pattern) {
    replay.epoch = answer.epoch;
    replay.last_sequence = answer.sequence;
    replay.begins_behind =
        answer.messages.empty() ? answer.sequence : answer.messages.front()->sequence() - 1;
    replay.unbroken_from = std::max(answer.unbroken_from, replay.begins_behind + 1);
    // More will ask for it, if this client is one of many that lost their connections.
    const RecallFrom::Place place = replay.from.place;
    const bool lingers = place == kFirst || place == kSequence || place == kTime;
    if (lingers && !answer.messages.empty()) {
      replay.beginning = replay.log.hold_end();
      lingering_.push_back(replay);
    }
  }
  for (Message* message : answer.messages) {
    if (topics_.takes(replay.group, *message)) {
      replay.brought.push(*message);
    } else {
      message->drop_reference();
    }
    topics_.end_taking();
  }
  answer.messages.clear();
}

// -- Going on.

void Replays::advance(Replay& replay) {
  (void)go_on(replay);
  keep_to_limit();
}

bool Replays::go_on(Replay& replay) {
  while (replay.has_waiting() && replay.log.caught_up_front() != nullptr) write_piece(replay);
  if (!replay.is_answered() || replay.has_waiting() || replay.junction) return true;
  join(replay);
  return !end_if_unused(replay);
}

void Replays::write_piece(Replay& replay) {
  MessageBacklog& waiting = replay.brought.empty() ? replay.live : replay.brought;
  const std::span<Message* const> piece = waiting.front(kPieceBytes);
  const size_t octets = topics_.write_replay(replay.group, replay.log, piece);
  if (&waiting == &replay.brought) replay.brought_octets += octets;
  if (replay.beginning) lingering_bytes_ += octets;
  waiting.pop(piece.size());
}

// What was delivered to the group so far is in the replay too, so it must all be in the group's log
// before the place is held.
void Replays::join(Replay& replay) {
  FanOutLog& log = replay.group.log;
  topics_.append_gathered(replay.group.topic);
  if (replay.group.is_acked) log.raise_frame_numbers(replay.log.next_frame_number());
  replay.junction = log.hold_end();
  while (Cursor* cursor = replay.log.caught_up_front()) {
    go_over(static_cast<Subscription&>(*cursor));
  }
}

void Replays::go_over(Subscription& subscription) {
  Replay& replay = *subscription.replay();
  replay.log.detach(subscription);
  if (replay.group.log.attach_at(subscription, *replay.junction)) ready_.mark_behind(subscription);
  // It could not have had that before.
  subscription.pardon();
}

void Replays::on_caught_up(Subscription& subscription) {
  Replay& replay = *subscription.replay();
  if (replay.junction) {
    go_over(subscription);
    (void)end_if_unused(replay);
  } else {
    (void)go_on(replay);
  }
  keep_to_limit();
}

void Replays::feed(Topic& topic, Message& message, ShardId owner) {
  // From behind, as the one at hand may end, and the last one takes its index.
  for (size_t index = topic.replays.size(); index-- > 0;) {
    Replay& replay = *topic.replays[index];
    replay.is_fresh = false;
    bool is_there = true;
    if (!replay.junction) {
      if ((replay.owners_heard >> owner & 1) == 0) continue;
      replay.last_sequence = message.sequence();
      if (topics_.takes(replay.group, message)) {
        message.add_references(1);
        replay.live.push(message);
        is_there = go_on(replay);
      }
    } else if (replay.beginning &&
               replay.group.log.bytes_behind(*replay.junction) > kLingerLogBytes) {
      is_there = end_lingering(replay);
    }
    if (is_there) check_lag(replay, message.memory_bytes());
  }
  keep_to_limit();
}

// What was brought does not count, or a replay larger than the limit could not be read at all. Who
// lags most stands in front.
void Replays::check_lag(Replay& replay, size_t newest_bytes) {
  const size_t since =
      replay.junction ? replay.group.log.bytes_behind(*replay.junction) : replay.live.bytes();
  const size_t limit = options_.slow_consumer_bytes + replay.brought_octets + newest_bytes;
  const auto is_within = [&] { return replay.log.bytes() + since <= limit; };
  if (is_within()) return;
  if (replay.beginning && !end_lingering(replay)) return;
  if (is_within()) return;
  for (Cursor* cursor = replay.log.front_standing(); cursor != nullptr;
       cursor = cursor->standing.next) {
    topics_.note_lagging(cursor->client->ref());
  }
}

size_t Replays::unsent(const Subscription& subscription) {
  const Replay& replay = *subscription.replay();
  const size_t live = replay.junction ? replay.group.log.bytes_behind(*replay.junction) : 0;
  return replay.log.lag(subscription) + live;
}

// -- Leaving.

void Replays::detach(Subscription& subscription) {
  Replay& replay = *subscription.replay();
  replay.log.detach(subscription);
  // One that is not whole yet is of no use to others.
  if (!replay.junction && !replay.log.has_cursors()) {
    end(replay);
  } else {
    (void)end_if_unused(replay);
  }
}

void Replays::on_unfollowed(Group& group) {
  for (Replay* replay = group.replays.front(); replay != nullptr;) {
    Replay* const next = group.replays.next(*replay);
    if (replay->beginning) (void)end_lingering(*replay);
    replay = next;
  }
}

void Replays::abandon(Topic& topic) {
  for (size_t index = topic.replays.size(); index-- > 0;) {
    Replay& replay = *topic.replays[index];
    replay.is_abandoned = true;
    replay.owners_missing = replay.owners_heard = 0;
    if (replay.asked != nullptr) replay.asked->replay = nullptr;
    replay.asked = nullptr;
    replay.brought.clear();
    replay.live.clear();
    if (replay.beginning) (void)end_lingering(replay);
  }
}

void Replays::end_all_of(Group& group) {
  while (Replay* replay = group.replays.front()) end(*replay);
}

void Replays::expire(Millis now) {
  for (Replay* replay = lingering_.front(); replay != nullptr;) {
    Replay* const next = lingering_.next(*replay);
    if (now - replay->last_came >= kLingerMs) (void)end_lingering(*replay);
    replay = next;
  }
}

void Replays::keep_to_limit() {
  while (lingering_bytes_ > options_.replay_bytes_max) (void)end_lingering(*lingering_.front());
}

void Replays::stop_lingering(Replay& replay) {
  lingering_.remove(replay);
  lingering_bytes_ -= replay.log.bytes();
  replay.log.release(*replay.beginning);
  replay.beginning.reset();
}

bool Replays::end_lingering(Replay& replay) {
  stop_lingering(replay);
  return !end_if_unused(replay);
}

bool Replays::end_if_unused(Replay& replay) {
  if (replay.log.has_cursors() || replay.beginning) return false;
  end(replay);
  return true;
}

void Replays::end(Replay& replay) {
  if (replay.asked != nullptr) replay.asked->replay = nullptr;
  if (replay.beginning) stop_lingering(replay);
  if (replay.junction) replay.group.log.release(*replay.junction);
  replay.group.replays.remove(replay);
  std::vector<std::unique_ptr<Replay>>& all = replay.group.topic.replays;
  const size_t index = replay.index;
  std::swap(all[index], all.back());
  all[index]->index = index;
  all.pop_back();
  --count_;
}

}  // namespace stampede::core
