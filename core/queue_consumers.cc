#include "core/queue_consumers.h"

#include <algorithm>
#include <utility>

#include "proto/base/check.h"

namespace stampede::core {

QueueConsumer::QueueConsumer(const ConsumerKey& its_key, ConsumerOptions its_options)
    : key(its_key), options(std::move(its_options)) {
  if (is_picky() && !options.is_browser) looked = std::make_unique<std::array<Place, kRanks>>();
}

bool QueueConsumer::takes(const Message& message) const {
  const MessageOrigin& origin = message.origin();
  if (options.is_no_local && origin.shard == key.home && origin.client == key.client) return false;
  return options.filter == nullptr || options.filter->takes(message);
}

bool QueueConsumer::has_room_for(size_t body_bytes) const {
  if (unsettled.empty()) return true;
  return body_bytes <= options.credit_bytes && unsettled_bytes <= options.credit_bytes - body_bytes;
}

uint64_t QueueConsumer::hold(QueuedMessages::node_type node) {
  unsettled_bytes += node.mapped().body_bytes;
  node.key() = ++last_tag;
  unsettled.insert(unsettled.end(), std::move(node));
  return last_tag;
}

uint64_t QueueConsumer::hold_credit_for(const QueuedMessage& queued) {
  unsettled_bytes += queued.body_bytes;
  ++last_tag;
  unsettled.try_emplace(unsettled.end(), last_tag, nullptr, queued.place, queued.body_bytes);
  return last_tag;
}

void QueueConsumer::note_refused(Place place) {
  Place& looked_to = (*looked)[rank_of(place)];
  looked_to = std::max(looked_to, place);
}

void QueueConsumer::forget_look(Place place) {
  if (has_looked_at(place)) (*looked)[rank_of(place)] = place - 1;
}

size_t QueueConsumers::HashKey::operator()(const ConsumerKey& key) const {
  // Nobody outside chooses these numbers; odd factors spread them over the table's low bits.
  uint64_t hash = (uint64_t{key.client.slot} << 32 | key.client.generation) * 0x9e3779b97f4a7c15;
  hash ^= (uint64_t{key.home} << 32 | key.subscription) * 0xc2b2ae3d27d4eb4f;
  return static_cast<size_t>(hash ^ hash >> 32);
}

QueueConsumer* QueueConsumers::find(const ConsumerKey& key) const {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : found->second.get();
}

QueueConsumer& QueueConsumers::add(const ConsumerKey& key, ConsumerOptions options) {
  options.credit_messages = std::max(options.credit_messages, 1u);
  auto made = std::make_unique<QueueConsumer>(key, std::move(options));
  QueueConsumer& consumer = *made;
  CHECK(by_key_.emplace(key, std::move(made)).second);
  arrived_.push_back(consumer);
  if (consumer.looked != nullptr) ++picky_;
  if (exclusive_ == nullptr && consumer.options.is_exclusive && !consumer.options.is_browser) {
    exclusive_ = &consumer;
    while (QueueConsumer* other = first_ready()) leave_round(*other);
  }
  return consumer;
}

std::unique_ptr<QueueConsumer> QueueConsumers::take(QueueConsumer& consumer) {
  if (consumer.is_ready) leave_round(consumer);
  arrived_.remove(consumer);
  if (consumer.looked != nullptr) --picky_;
  if (exclusive_ == &consumer) {
    exclusive_ = arrived_.front();
    while (exclusive_ != nullptr &&
           (!exclusive_->options.is_exclusive || exclusive_->options.is_browser)) {
      exclusive_ = next(*exclusive_);
    }
  }
  const auto found = by_key_.find(consumer.key);
  std::unique_ptr<QueueConsumer> taken = std::move(found.value());
  by_key_.erase(found);
  return taken;
}

bool QueueConsumers::wake(QueueConsumer& consumer) {
  if (consumer.is_ready || !consumer.has_credit() || !is_active(consumer)) return false;
  const int32_t priority = consumer.options.priority;
  auto level = level_of(priority);
  if (level == levels_.end() || level->priority != priority) {
    level = levels_.insert(level, Level{.priority = priority, .ready = {}});
  }
  level->ready.push_back(consumer);
  consumer.is_ready = true;
  return true;
}

void QueueConsumers::serve(QueueConsumer& consumer) {
  DCHECK(consumer.is_ready);
  if (!consumer.has_credit()) {
    leave_round(consumer);
    return;
  }
  auto& ready = level_of(consumer.options.priority)->ready;
  ready.remove(consumer);
  ready.push_back(consumer);
}

void QueueConsumers::stall(QueueConsumer& consumer) {
  consumer.is_stalled = true;
  leave_round(consumer);
}

QueueConsumer* QueueConsumers::first_ready() const {
  return levels_.empty() ? nullptr : levels_.front().ready.front();
}

QueueConsumer* QueueConsumers::next_ready(const QueueConsumer& consumer) const {
  if (consumer.turn.next != nullptr) return consumer.turn.next;
  for (const Level& level : levels_) {
    if (level.priority < consumer.options.priority) return level.ready.front();
  }
  return nullptr;
}

void QueueConsumers::forget_looks(Place place) {
  if (picky_ == 0) return;
  for (QueueConsumer* consumer = front(); consumer != nullptr; consumer = next(*consumer)) {
    if (!consumer->is_ready) consumer->forget_look(place);
  }
}

// Few queues have more than one level, hardly any more than a few.
std::vector<QueueConsumers::Level>::iterator QueueConsumers::level_of(int32_t priority) {
  return std::find_if(levels_.begin(), levels_.end(),
                      [&](const Level& level) { return level.priority <= priority; });
}

void QueueConsumers::leave_round(QueueConsumer& consumer) {
  const auto level = level_of(consumer.options.priority);
  level->ready.remove(consumer);
  consumer.is_ready = false;
  if (level->ready.empty()) levels_.erase(level);
}

}  // namespace stampede::core
