#include "core/queues.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "core/destination_map.h"
#include "core/destination_name.h"
#include "proto/base/check.h"

namespace stampede::core {

namespace {

constexpr std::string_view kQueuePrefix = "/queue/";
constexpr std::string_view kDeadLetterPrefix = "/queue/dlq.";

// A selector, as a queue asks it. The subject is the shard's, which all selectors share.
class SelectorFilter : public MessageFilter {
 public:
  SelectorFilter(std::shared_ptr<const Selector> selector, SelectorSubject& subject)
      : selector_(std::move(selector)), subject_(subject) {}
  [[nodiscard]] bool takes(const Message& message) const override {
    subject_.begin(message);
    return selector_->matches(subject_);
  }

 private:
  const std::shared_ptr<const Selector> selector_;
  SelectorSubject& subject_;
};

}  // namespace

size_t Queues::HashText::operator()(std::string_view text) const { return hash_text(text, seed); }

size_t Queues::HashKey::operator()(const ConsumerKey& key) const {
  const std::array<uint32_t, 4> words = {key.home, key.client.slot, key.client.generation,
                                         key.subscription};
  return hash_text({reinterpret_cast<const char*>(words.data()), sizeof words}, 0);
}

Queues::Queues(const Options& options, ShardMetrics& metrics, TimerWheel& timers,
               SelectorSubject& selector_subject, QueueOutlet& outlet)
    : options_(options),
      metrics_(metrics),
      timers_(timers),
      selector_subject_(selector_subject),
      outlet_(outlet),
      table_(16, HashText{options.boot_id}) {}

Queues::~Queues() {
  for (const auto& [name, entry] : table_) timers_.disarm(entry->timer);
}

Queues::Entry& Queues::find_or_make(std::string_view name, Millis now) {
  if (const auto found = table_.find(name); found != table_.end()) return *found->second;
  QueueSink& sink = *this;
  auto made = std::make_unique<Entry>(name, options_, sink);
  Entry& entry = *made;
  table_.emplace(entry.name, std::move(made));
  // It may be that nothing comes of what it was made for.
  entry.idle_since = now;
  idle_.push_back(entry);
  return entry;
}

void Queues::end_change(Entry& entry, Millis now) {
  selector_subject_.end();
  const Millis deadline =
      std::min(entry.queue.next_deadline(), entry.door.next_deadline(options_.queue_full_wait_ms));
  if (deadline == kNever) {
    timers_.disarm(entry.timer);
  } else if (deadline != entry.timer.deadline) {
    timers_.arm(entry.timer, std::max(deadline, now));
  }
  const uint64_t dropped = entry.queue.dropped();
  metrics_.queue_dropped += dropped - std::exchange(entry.dropped, dropped);
  if (entry.idle_since != kNever) idle_.remove(entry);
  const bool is_idle = entry.queue.is_idle() && entry.door.is_empty();
  entry.idle_since = is_idle ? now : kNever;
  if (is_idle) idle_.push_back(entry);
  if (entry.may_let_in() && !std::exchange(entry.is_stirred, true)) stirred_.push_back(entry);
  publish_dead(now);
}

// -- Publishing.

bool Queues::has_room(Entry& entry, size_t messages, size_t bytes, Millis now) {
  if (entry.queue.has_room(messages, bytes)) return true;
  // What has expired and was not looked at since takes no room.
  entry.queue.run(now);
  end_change(entry, now);
  return entry.queue.has_room(messages, bytes);
}

void Queues::publish(Message* message, Millis now) {
  Entry& entry = find_or_make(message->route(), now);
  entry.queue.publish(message, now);
  end_change(entry, now);
}

void Queues::reserve(std::string_view name, size_t messages, size_t bytes, Millis now) {
  Entry& entry = find_or_make(name, now);
  entry.queue.reserve(messages, bytes);
  end_change(entry, now);
}

void Queues::unreserve(std::string_view name, size_t messages, size_t bytes, Millis now) {
  const auto found = table_.find(name);
  CHECK(found != table_.end());
  Entry& entry = *found->second;
  entry.queue.unreserve(messages, bytes);
  end_change(entry, now);
}

// -- Waiting for room. Whoever is let in changes its queue and may change others, so that happens
// behind the change that made room, one queue after the other.

bool Queues::is_open(std::string_view name, size_t messages, size_t bytes, Millis now) {
  Entry& entry = find_or_make(name, now);
  return entry.door.is_empty() && has_room(entry, messages, bytes, now);
}

bool Queues::wait(std::string_view name, Applicant& applicant, Millis now) {
  Entry& entry = find_or_make(name, now);
  if (are_doors_closed_ || options_.queue_full_wait_ms == 0 ||
      !entry.queue.fits(applicant.messages, applicant.bytes)) {
    return false;
  }
  ++metrics_.queue_waited;
  ++waiting_;
  entry.door.join(std::move(applicant), now);
  end_change(entry, now);
  return true;
}

void Queues::let_in(Millis now) {
  while (Entry* entry = stirred_.pop_front()) {
    entry->is_stirred = false;
    while (entry->may_let_in()) {
      --waiting_;
      outlet_.let_in(entry->door.take_first(now), now);
    }
    end_change(*entry, now);
  }
}

void Queues::turn_away(std::vector<Applicant> applicants, Millis now) {
  waiting_ -= applicants.size();
  metrics_.queue_refused += applicants.size();
  for (Applicant& applicant : applicants) outlet_.turn_away(std::move(applicant), now);
}

void Queues::close_doors(Millis now) {
  are_doors_closed_ = true;
  std::vector<Applicant> all;
  for (const auto& [name, entry] : table_)
    std::ranges::move(entry->door.take_all(), std::back_inserter(all));
  turn_away(std::move(all), now);
}

size_t Queues::consumers_of(std::string_view name) const {
  const auto found = table_.find(name);
  return found == table_.end() ? 0 : found->second->queue.consumers();
}

// -- Consumers.

void Queues::add_consumer(std::string_view name, const ConsumerKey& key, ConsumerRequest request,
                          Millis now) {
  Entry& entry = find_or_make(name, now);
  consumers_.emplace(key, &entry);
  if (request.selector != nullptr) {
    request.options.filter =
        std::make_shared<SelectorFilter>(std::move(request.selector), selector_subject_);
  }
  entry.queue.add_consumer(key, std::move(request.options), now);
  end_change(entry, now);
}

void Queues::remove_consumer(const ConsumerKey& key, uint64_t first_tag_not_given, Millis now) {
  const auto found = consumers_.find(key);
  if (found == consumers_.end()) return;
  Entry& entry = *found->second;
  consumers_.erase(found);
  entry.queue.remove_consumer(key, now, first_tag_not_given);
  end_change(entry, now);
  if (is_temporary_route(entry.name) && entry.queue.consumers() == 0) end_temporary(entry);
}

void Queues::end_temporary(Entry& entry) {
  metrics_.temporary_dropped += entry.queue.messages();
  if (entry.idle_since != kNever) idle_.remove(entry);
  timers_.disarm(entry.timer);
  const std::string name = entry.name;
  table_.erase(table_.find(name));
  outlet_.forget_queue(name);
}

void Queues::settle(const ConsumerKey& key, uint64_t tag, Settlement settlement, bool is_cumulative,
                    Millis now) {
  const auto found = consumers_.find(key);
  if (found == consumers_.end()) return;
  Entry& entry = *found->second;
  const size_t settled = entry.queue.settle(key, tag, settlement, is_cumulative, now);
  if (settlement == Settlement::kAck) metrics_.queue_acknowledged += settled;
  end_change(entry, now);
}

// -- What the queues say.

void Queues::on_deliver(const ConsumerKey& consumer, Message& message, uint64_t tag,
                        uint32_t earlier_deliveries) {
  ++metrics_.queue_delivered;
  if (earlier_deliveries > 0) ++metrics_.queue_redelivered;
  outlet_.hand_out(consumer, message, tag, earlier_deliveries);
}

void Queues::on_browsed(const ConsumerKey& browser) { outlet_.end_browse(browser); }

void Queues::on_dead(Message& message, DeadReason reason, uint32_t deliveries) {
  ++metrics_.queue_dead[static_cast<size_t>(reason)];
  message.add_references(1);
  dead_.push_back({&message, reason, deliveries});
}

// -- Dead letters.

// Dead letters may die in their turn and add to the list.
void Queues::publish_dead(Millis now) {
  if (dead_.empty()) return;
  for (const Dead& dead : std::exchange(dead_, {})) {
    publish_dead_letter(dead, now);
    dead.message->drop_reference();
  }
}

void Queues::publish_dead_letter(const Dead& dead, Millis now) {
  const std::string_view route = dead.message->route();
  // What was only good until then is nobody's loss, what was for one connection nobody else's, and
  // none comes twice to the dead.
  if (dead.reason == DeadReason::kExpired || route.starts_with(kDeadLetterPrefix) ||
      is_temporary_route(route)) {
    ++metrics_.queue_dead_dropped;
    return;
  }
  const std::string destination =
      std::string(kDeadLetterPrefix).append(route.substr(kQueuePrefix.size()));
  const std::string deliveries = std::to_string(dead.deliveries);
  std::vector<proto::StompHeader> headers = {
      {"dead-letter-reason", to_string(dead.reason)},
      {"original-destination", dead.message->destination()},
      {"original-message-id", dead.message->message_id()},
      {"original-delivery-count", deliveries},
  };
  dead.message->for_each_header([&](std::string_view name, std::string_view value) {
    headers.push_back({name, value});
  });
  Message::Content content;
  content.destination = destination;
  content.headers = headers;
  content.body = dead.message->body();
  content.origin = dead.message->origin();
  content.properties.is_for_queue = true;
  content.properties.priority = dead.message->properties().priority;
  outlet_.publish_dead_letter(Message::create(content, hash_text(destination, options_.boot_id)),
                              now);
}

// -- Time.

void Queues::on_timer(Timer& timer, Millis now) {
  Entry& entry = static_cast<QueueTimer&>(timer).entry;
  entry.queue.run(now);
  turn_away(entry.door.take_late(options_.queue_full_wait_ms, now), now);
  end_change(entry, now);
}

void Queues::expire(Millis now) {
  while (!idle_.empty() && now - idle_.front()->idle_since >= options_.queue_idle_ms) {
    Entry& entry = *idle_.pop_front();
    timers_.disarm(entry.timer);
    table_.erase(table_.find(entry.name));
  }
}

void Queues::count_tables(ShardTables& tables) const {
  tables.queues += table_.size();
  tables.consumers += consumers_.size();
  tables.queue_applicants += waiting_;
  for (const auto& [name, entry] : table_) {
    tables.queued += entry->queue.waiting() + entry->queue.delayed();
    tables.unsettled += entry->queue.unsettled();
    tables.queue_bytes += entry->queue.bytes();
  }
}

std::vector<QueueEntry> Queues::list(ListRange range) const {
  std::vector<QueueEntry> entries;
  for (const auto& [name, entry] : table_) {
    if (entries.size() == range.limit) break;
    if (range.offset > 0) {
      --range.offset;
      continue;
    }
    const Queue& queue = entry->queue;
    entries.push_back({.name = queue.name(),
                       .waiting = queue.waiting(),
                       .delayed = queue.delayed(),
                       .unsettled = queue.unsettled(),
                       .bytes = queue.bytes(),
                       .consumers = queue.consumers(),
                       .held_out = entry->door.size()});
  }
  return entries;
}

}  // namespace stampede::core
