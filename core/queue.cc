#include "core/queue.h"

#include <utility>

#include "proto/base/check.h"

namespace stampede::core {

Queue::Queue(std::string_view name, const Options& options, QueueSink& sink)
    : name_(name), options_(options), sink_(sink), backlog_(options.boot_id) {}

// -- Room.

bool Queue::has_room(size_t messages, size_t bytes) const {
  const bool makes_room = options_.queue_full_policy != QueueFullPolicy::kRefuse;
  const size_t used_messages = makes_room ? 0 : this->messages() + reserved_messages_;
  const size_t used_bytes = makes_room ? 0 : this->bytes() + reserved_bytes_;
  return used_messages + messages <= options_.queue_messages_max &&
         used_bytes + bytes <= options_.queue_bytes_max;
}

void Queue::reserve(size_t messages, size_t bytes) {
  reserved_messages_ += messages;
  reserved_bytes_ += bytes;
}

void Queue::unreserve(size_t messages, size_t bytes) {
  DCHECK(messages <= reserved_messages_ && bytes <= reserved_bytes_);
  reserved_messages_ -= messages;
  reserved_bytes_ -= bytes;
}

void Queue::make_room(size_t bytes) {
  if (options_.queue_full_policy == QueueFullPolicy::kRefuse) return;
  while (messages() + reserved_messages_ >= options_.queue_messages_max ||
         this->bytes() + reserved_bytes_ + bytes > options_.queue_bytes_max) {
    QueuedMessage* const oldest = backlog_.oldest_without_client(consumers_);
    if (oldest == nullptr) return;
    Node node = QueueBacklog::take_out(*oldest);
    if (options_.queue_full_policy == QueueFullPolicy::kDeadLetter) {
      bury(std::move(node), DeadReason::kFull);
    } else {
      backlog_.leave(*oldest);
      ++dropped_;
    }
  }
}

// -- What happens to a queue.

void Queue::publish(Message* message, Millis now) {
  run(now);
  last_used_ = now;
  DCHECK(has_room(1, message->memory_bytes()));
  make_room(message->memory_bytes());

  const MessageProperties& properties = message->properties();
  const bool is_delayed = properties.due_at > now;
  Node node = backlog_.enter(message, is_delayed ? QueuedState::kDelayed : QueuedState::kWaiting);
  if (properties.expires_at <= now) {
    bury(std::move(node), DeadReason::kExpired);
  } else if (is_delayed) {
    backlog_.delay(std::move(node));
  } else {
    offer(std::move(node));
  }
}

void Queue::run(Millis now) {
  if (next_deadline() > now) return;
  QueuedMessages due;
  while (QueuedMessage* queued = backlog_.first_passed(now)) {
    Node node = QueueBacklog::take_out(*queued);
    if (queued->message->properties().expires_at <= now) {
      bury(std::move(node), DeadReason::kExpired);
    } else {
      backlog_.become(*queued, QueuedState::kWaiting);
      due.insert(std::move(node));
    }
  }
  hand_out(due, nullptr);
}

void Queue::add_consumer(const ConsumerKey& key, ConsumerOptions options, Millis now) {
  run(now);
  last_used_ = now;
  QueueConsumer& consumer = consumers_.add(key, std::move(options));
  if (consumer.options.is_browser) {
    consumer.sequence_max = backlog_.sequence();
    browse(consumer);
    return;
  }
  QueuedMessages back;
  if (consumers_.exclusive() == &consumer) {
    for (auto* other = consumers_.front(); other != nullptr; other = QueueConsumers::next(*other)) {
      QueueBacklog::release_settled_groups(*other, back);
    }
  }
  consumers_.wake(consumer);
  hand_out(back, &consumer);
}

void Queue::remove_consumer(const ConsumerKey& key, Millis now, uint64_t first_tag_not_given) {
  run(now);
  QueueConsumer* const found = consumers_.find(key);
  if (found == nullptr) return;
  last_used_ = now;
  const bool was_exclusive = consumers_.exclusive() == found;
  const auto gone = consumers_.take(*found);
  if (gone->options.is_browser) return;

  QueuedMessages back;
  while (!gone->unsettled.empty()) {
    const bool was_given = gone->unsettled.begin()->first < first_tag_not_given;
    take_back(end_delivery(*gone, gone->unsettled.begin()),
              was_given ? Settlement::kRequeue : Settlement::kReturn, now, back);
  }
  QueueBacklog::release_settled_groups(*gone, back);

  QueueConsumer* const successor = was_exclusive ? consumers_.exclusive() : nullptr;
  if (successor != nullptr) {
    consumers_.wake(*successor);
  } else if (was_exclusive) {
    // Many become ready at once, so everything that waits is offered anew, in order.
    backlog_.take_out_all(consumers_, back);
    for (auto* one = consumers_.front(); one != nullptr; one = QueueConsumers::next(*one)) {
      consumers_.wake(*one);
    }
  }
  hand_out(back, successor);
}

size_t Queue::settle(const ConsumerKey& key, uint64_t tag, Settlement settlement,
                     bool is_cumulative, Millis now) {
  run(now);
  QueueConsumer* const consumer = consumers_.find(key);
  if (consumer == nullptr || tag > consumer->last_tag) return 0;

  QueuedMessages& unsettled = consumer->unsettled;
  QueuedMessages back;
  size_t settled = 0;
  auto delivery = unsettled.begin();
  if (!is_cumulative && !unsettled.empty() && delivery->first != tag) {
    delivery = unsettled.find(tag);
  }
  while (delivery != unsettled.end() && delivery->first <= tag) {
    Node node = end_delivery(*consumer, delivery++);
    if (!consumer->options.is_browser) take_back(std::move(node), settlement, now, back);
    ++settled;
    if (!is_cumulative) break;
  }
  if (settled == 0) return 0;

  last_used_ = now;
  consumer->is_stalled = false;
  if (consumer->options.is_browser) {
    browse(*consumer);
    return settled;
  }
  if (!consumers_.is_active(*consumer)) QueueBacklog::release_settled_groups(*consumer, back);
  const bool is_hungry = consumers_.wake(*consumer);
  hand_out(back, is_hungry ? consumer : nullptr);
  return settled;
}

// -- Handing out.

void Queue::hand_out(QueuedMessages& back, QueueConsumer* hungry) {
  while (true) {
    QueuedMessage* const wanted =
        hungry != nullptr && hungry->is_ready ? backlog_.first_for(*hungry) : nullptr;
    if (!back.empty() && (wanted == nullptr || back.begin()->first < wanted->place)) {
      offer(back.extract(back.begin()));
    } else if (wanted == nullptr) {
      return;
    } else if (has_room_or_stalls(*hungry, *wanted)) {
      deliver(*hungry, QueueBacklog::take_out(*wanted));
    }
  }
}

void Queue::offer(Node node) {
  const QueuedMessage& queued = node.mapped();
  if (queued.group != nullptr && queued.group->owner != nullptr) {
    offer_to_owner(std::move(node), *queued.group->owner);
    return;
  }
  for (QueueConsumer* consumer = consumers_.first_ready(); consumer != nullptr;) {
    QueueConsumer* const next = consumers_.next_ready(*consumer);  // before it leaves the round
    if (consumer->is_picky() && !consumer->takes(*queued.message)) {
      consumer->note_refused(queued.place);
    } else if (has_room_or_stalls(*consumer, queued)) {
      deliver(*consumer, std::move(node));
      return;
    }
    consumer = next;
  }
  // Nobody has looked behind the newest.
  if (!backlog_.is_newest(queued)) consumers_.forget_looks(queued.place);
  backlog_.wait_open(std::move(node));
}

void Queue::offer_to_owner(Node node, QueueConsumer& owner) {
  const QueuedMessage& queued = node.mapped();
  if (!owner.is_ready) {
    QueueBacklog::wait_in(owner.own, std::move(node));
  } else if (!owner.takes(*queued.message)) {
    QueueBacklog::wait_in(owner.refused, std::move(node));
  } else if (has_room_or_stalls(owner, queued)) {
    deliver(owner, std::move(node));
  } else {
    QueueBacklog::wait_in(owner.own, std::move(node));
  }
}

bool Queue::has_room_or_stalls(QueueConsumer& consumer, const QueuedMessage& queued) {
  if (consumer.has_room_for(queued.body_bytes)) return true;
  consumers_.stall(consumer);
  return false;
}

void Queue::deliver(QueueConsumer& consumer, Node node) {
  QueuedMessage& queued = node.mapped();
  backlog_.become(queued, QueuedState::kUnsettled);
  if (queued.group != nullptr) {
    if (queued.group->owner == nullptr) backlog_.assign(*queued.group, consumer);
    ++queued.group->unsettled;
  }
  const uint64_t tag = consumer.hold(std::move(node));
  consumers_.serve(consumer);
  sink_.on_deliver(consumer.key, *queued.message, tag, queued.deliveries);
}

void Queue::browse(QueueConsumer& browser) {
  while (!browser.is_browsed) {
    const QueuedMessage* const queued = backlog_.next_waiting(browser.browsed_to, consumers_);
    if (queued == nullptr) {
      browser.is_browsed = true;
      sink_.on_browsed(browser.key);
    } else if (sequence_of(queued->place) > browser.sequence_max) {
      // So are all that stand behind it in its priority.
      browser.browsed_to = first_place_of(rank_of(queued->place) + 1) - 1;
    } else if (!browser.takes(*queued->message)) {
      browser.browsed_to = queued->place;
    } else if (!browser.has_credit() || !browser.has_room_for(queued->body_bytes)) {
      return;
    } else {
      browser.browsed_to = queued->place;
      const uint64_t tag = browser.hold_credit_for(*queued);
      sink_.on_deliver(browser.key, *queued->message, tag, queued->deliveries);
    }
  }
}

// -- Deliveries end.

Queue::Node Queue::end_delivery(QueueConsumer& consumer, QueuedMessages::iterator delivery) {
  Node node = consumer.unsettled.extract(delivery);
  const QueuedMessage& queued = node.mapped();
  consumer.unsettled_bytes -= queued.body_bytes;
  if (queued.group != nullptr) --queued.group->unsettled;
  return node;
}

void Queue::take_back(Node node, Settlement settlement, Millis now, QueuedMessages& back) {
  QueuedMessage& queued = node.mapped();
  if (settlement == Settlement::kAck) {
    backlog_.leave(queued);
    return;
  }
  if (settlement != Settlement::kReturn) ++queued.deliveries;
  if (settlement == Settlement::kReject) {
    bury(std::move(node), DeadReason::kRejected);
  } else if (settlement == Settlement::kRequeue &&
             queued.deliveries >= options_.queue_deliveries_max) {
    bury(std::move(node), DeadReason::kDeliveryLimit);
  } else if (queued.message->properties().expires_at <= now) {
    bury(std::move(node), DeadReason::kExpired);
  } else {
    backlog_.become(queued, QueuedState::kWaiting);
    node.key() = queued.place;
    back.insert(back.end(), std::move(node));
  }
}

void Queue::bury(Node node, DeadReason reason) {
  QueuedMessage& queued = node.mapped();
  backlog_.leave(queued);
  sink_.on_dead(*queued.message, reason, queued.deliveries);
}

}  // namespace stampede::core
