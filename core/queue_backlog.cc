#include "core/queue_backlog.h"

#include <algorithm>
#include <utility>

#include "proto/base/check.h"

namespace stampede::core {

QueueBacklog::Node QueueBacklog::enter(Message* message, QueuedState state) {
  const Place place = place_of(message->properties().priority, ++sequence_);
  QueuedMessages maker;  // only a map makes nodes
  const auto made = maker.try_emplace(place, message, place, message->body().size()).first;
  QueuedMessage& queued = made->second;
  queued.state = state;
  ++count_of(state);
  bytes_ += message->memory_bytes();
  groups_.join(queued);
  arm(queued);
  return maker.extract(made);
}

void QueueBacklog::become(QueuedMessage& queued, QueuedState state) {
  --count_of(queued.state);
  ++count_of(state);
  queued.state = state;
  deadlines_.disarm(queued);
  arm(queued);
}

void QueueBacklog::leave(QueuedMessage& queued) {
  DCHECK(queued.in == nullptr);
  deadlines_.disarm(queued);
  groups_.leave(queued);
  --count_of(queued.state);
  bytes_ -= queued.message->memory_bytes();
}

void QueueBacklog::arm(QueuedMessage& queued) {
  if (queued.state == QueuedState::kUnsettled) return;
  const MessageProperties& properties = queued.message->properties();
  const bool is_delayed = queued.state == QueuedState::kDelayed;
  deadlines_.arm(queued, is_delayed ? std::min(properties.due_at, properties.expires_at)
                                    : properties.expires_at);
}

void QueueBacklog::wait_in(QueuedMessages& where, Node node) {
  node.mapped().in = &where;
  where.insert(where.end(), std::move(node));
}

QueueBacklog::Node QueueBacklog::take_out(QueuedMessage& queued) {
  QueuedMessages* const in = std::exchange(queued.in, nullptr);
  const auto first = in->begin();
  return first->first == queued.place ? in->extract(first) : in->extract(queued.place);
}

void QueueBacklog::take_out_all(const QueueConsumers& consumers, QueuedMessages& out) {
  const auto take_all = [&](QueuedMessages& messages) {
    for (auto& [place, queued] : messages) queued.in = nullptr;
    out.merge(messages);
  };
  take_all(open_);
  for (auto* one = consumers.front(); one != nullptr; one = QueueConsumers::next(*one)) {
    take_all(one->own);
  }
}

QueuedMessage* QueueBacklog::first_for(QueueConsumer& consumer) {
  QueuedMessage* own = nullptr;
  while (own == nullptr && !consumer.own.empty()) {
    own = &consumer.own.begin()->second;
    if (consumer.takes(*own->message)) break;
    wait_in(consumer.refused, take_out(*std::exchange(own, nullptr)));
  }
  QueuedMessage* const open = first_open_for(consumer);
  if (own == nullptr || open == nullptr) return own == nullptr ? open : own;
  return own->place < open->place ? own : open;
}

QueuedMessage* QueueBacklog::first_open_for(QueueConsumer& consumer) {
  for (auto at = open_.begin(); at != open_.end();) {
    QueuedMessage& queued = at->second;
    if (consumer.has_looked_at(queued.place)) {
      at = open_.upper_bound(consumer.looked_to(queued.place));
      continue;
    }
    if (!consumer.is_picky() || consumer.takes(*queued.message)) return &queued;
    consumer.note_refused(queued.place);
    ++at;
  }
  return nullptr;
}

template <typename Visit>
void QueueBacklog::for_each_waiting(const QueueConsumers& consumers, Visit&& visit) {
  visit(open_);
  if (groups_.empty()) return;
  for (auto* owner = consumers.front(); owner != nullptr; owner = QueueConsumers::next(*owner)) {
    visit(owner->own);
    visit(owner->refused);
  }
}

QueuedMessage* QueueBacklog::next_waiting(Place behind, const QueueConsumers& consumers) {
  QueuedMessage* first = nullptr;
  for_each_waiting(consumers, [&](QueuedMessages& messages) {
    const auto found = messages.upper_bound(behind);
    if (found == messages.end()) return;
    if (first == nullptr || found->first < first->place) first = &found->second;
  });
  return first;
}

QueuedMessage* QueueBacklog::oldest_without_client(const QueueConsumers& consumers) {
  QueuedMessage* oldest = nullptr;
  const auto look_at = [&](QueuedMessages& messages) {
    for (auto at = messages.begin(); at != messages.end();) {
      QueuedMessage& queued = at->second;
      if (oldest == nullptr || sequence_of(queued.place) < sequence_of(oldest->place)) {
        oldest = &queued;
      }
      // The first of each priority is the oldest of it.
      at = messages.lower_bound(first_place_of(rank_of(queued.place) + 1));
    }
  };
  for_each_waiting(consumers, look_at);
  look_at(delayed_);
  return oldest;
}

void QueueBacklog::assign(QueueGroup& group, QueueConsumer& consumer) {
  DCHECK(group.owner == nullptr && group.unsettled == 0);
  group.owner = &consumer;
  consumer.groups.push_back(group);
  for (auto* queued = group.members.front(); queued != nullptr; queued = queued->mates.next) {
    if (queued->in != &open_) continue;
    const bool is_refused = consumer.has_looked_at(queued->place);
    wait_in(is_refused ? consumer.refused : consumer.own, take_out(*queued));
  }
}

void QueueBacklog::release(QueueGroup& group, QueuedMessages& out) {
  DCHECK(group.unsettled == 0);
  QueueConsumer& owner = *std::exchange(group.owner, nullptr);
  owner.groups.remove(group);
  for (auto* queued = group.members.front(); queued != nullptr; queued = queued->mates.next) {
    if (queued->in != &owner.own && queued->in != &owner.refused) continue;
    out.insert(out.end(), take_out(*queued));
  }
}

void QueueBacklog::release_settled_groups(QueueConsumer& consumer, QueuedMessages& out) {
  for (QueueGroup* group = consumer.groups.front(); group != nullptr;) {
    QueueGroup* const next = group->of_owner.next;
    if (group->unsettled == 0) release(*group, out);
    group = next;
  }
}

}  // namespace stampede::core
