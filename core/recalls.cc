#include "core/recalls.h"

#include <bit>
#include <string>
#include <utility>

#include "core/client.h"
#include "core/owner.h"
#include "core/shard_state.h"
#include "core/topics.h"
#include "proto/base/check.h"

namespace stampede::core {

namespace {

// Header lines of the RECEIPT: whether the gap was closed, if the client said where it was, and
// from where it can go on if it loses its connection before the first MESSAGE.
std::string receipt_lines(const RecallFrom& from, const Replays::Start& start) {
  std::string lines;
  if (from.place != RecallFrom::Place::kRetained) {
    lines = start.is_complete ? "recovered:true\n" : "recovered:false\n";
  }
  if (!start.epoch.empty()) {
    lines.append("epoch:").append(start.epoch);
    lines.append("\nseq:").append(std::to_string(start.begins_behind)).push_back('\n');
  }
  return lines;
}

}  // namespace

bool Recalls::is_direct(const Topic& topic, const RecallFrom& from, bool tells_position) const {
  if (tells_position) return false;
  // The owner's confirmation brings the last value (Interests).
  if (topic.live_owners == 0) return from.place == RecallFrom::Place::kRetained;
  if (!shard_.interests.is_announced(topic)) return false;
  if (from.place == RecallFrom::Place::kNext) return true;
  return from.place == RecallFrom::Place::kRetained && !topic.has_retained;
}

void Recalls::begin(Client& client, Subscription& subscription, Group& group,
                    const RecallFrom& from, RecallReceipt receipt, Millis now) {
  Topics& topics = shard_.topics;
  if (is_direct(group.topic, from, receipt.tells_position)) {
    topics.attach(subscription, group);
    return shard_.interests.announce(group.topic, client, receipt.ticket, now);
  }
  const RecallWaiter waiter = {client.ref(), receipt};
  topics.enroll(subscription, group);
  client.session().extend_reply(receipt.ticket);
  shard_.interests.announce(group.topic, client, receipt.ticket, now);
  const Replays::Arrival arrival = topics.replays().arrive(subscription, group, from, now);
  if (arrival.pending != nullptr) {
    arrival.pending->asked->waiters.push_back(waiter);
  } else if (arrival.is_placed) {
    tell(waiter, from, arrival.start);
  } else {
    ask(topics.replays().make(subscription, group, from, owners_of(group.topic), now), waiter, now);
  }
}

void Recalls::tell(const RecallWaiter& waiter, const RecallFrom& from,
                   const Replays::Start& start) {
  const RecallReceipt& receipt = waiter.receipt;
  const bool is_resume =
      from.place == RecallFrom::Place::kSequence || from.place == RecallFrom::Place::kTime;
  if (is_resume) {
    ++(start.is_complete ? shard_.metrics.resumes_recovered : shard_.metrics.resumes_incomplete);
  }
  shard_.complete(waiter.client, receipt.ticket,
                  receipt.tells_position ? receipt_lines(from, start) : std::string());
}

uint64_t Recalls::owners_of(const Topic& topic) const {
  if (!topic.is_pattern) return uint64_t{1} << shard_.owner_of_own(topic.name);
  return shard_.shard_count() == 64 ? ~uint64_t{0} : (uint64_t{1} << shard_.shard_count()) - 1;
}

void Recalls::ask(Replay& replay, const RecallWaiter& waiter, Millis now) {
  const Topic& topic = replay.group.topic;
  const uint64_t owners = replay.owners_missing;
  const uint64_t own = uint64_t{1} << shard_.id();
  const uint64_t token = next_token_++;
  auto asked = std::make_unique<AskedRecall>(
      AskedRecall{.replay = &replay,
                  .answers_missing = static_cast<ShardId>(std::popcount(owners)),
                  .waiters = {waiter}});
  replay.asked = asked.get();
  asked_.emplace(token, std::move(asked));
  for (uint64_t left = owners & ~own; left != 0; left &= left - 1) {
    shard_.post(static_cast<ShardId>(std::countr_zero(left)),
                {.kind = EnvelopeKind::kRecall,
                 .recall = new Recall(topic.name, topic.is_pattern, replay.from),
                 .token = token});
  }
  if ((owners & own) == 0) return;
  Recall recall(topic.name, topic.is_pattern, replay.from);
  owner_.recall(recall, now);
  on_answer(shard_.id(), token, recall);
}

void Recalls::on_recall(ShardId home, uint64_t token, std::unique_ptr<Recall> recall, Millis now) {
  owner_.recall(*recall, now);
  shard_.post(home, {.kind = EnvelopeKind::kRecalled, .recall = recall.release(), .token = token});
}

void Recalls::on_answer(ShardId owner, uint64_t token, Recall& answer) {
  const auto found = asked_.find(token);
  CHECK(found != asked_.end());
  AskedRecall& asked = *found->second;
  Replay* const replay = asked.replay;
  if (replay != nullptr) shard_.topics.replays().take_in(*replay, owner, answer);
  if (--asked.answers_missing == 0) {
    // Who left before it was answered missed what there was.
    const Replays::Start start =
        replay != nullptr ? Replays::start_of(*replay) : Replays::Start{.is_complete = false};
    for (const RecallWaiter& waiter : asked.waiters) tell(waiter, answer.from, start);
    if (replay != nullptr) replay->asked = nullptr;
    asked_.erase(found);
  }
  if (replay != nullptr) shard_.topics.replays().advance(*replay);
}

}  // namespace stampede::core
