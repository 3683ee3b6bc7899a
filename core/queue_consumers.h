#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <tsl/robin_map.h>

#include "core/intrusive_list.h"
#include "core/queue_groups.h"
#include "core/queue_types.h"
#include "core/queued_message.h"

namespace stampede::core {

// QueueConsumer is one consumer, or browser, of a queue.
//
// Owns:      its unsettled deliveries and what waits for it alone. Thread: owner shard.
struct QueueConsumer {
  QueueConsumer(const ConsumerKey& its_key, ConsumerOptions its_options);

  [[nodiscard]] bool takes(const Message& message) const;
  // Whether some message could be given to it; if it has_room_for() that one.
  [[nodiscard]] bool has_credit() const {
    return !is_stalled && unsettled.size() < options.credit_messages;
  }
  [[nodiscard]] bool has_room_for(size_t body_bytes) const;
  // Makes it its next delivery; gives the tag.
  uint64_t hold(QueuedMessages::node_type node);
  // The same for a browser: the message stays where it is.
  uint64_t hold_credit_for(const QueuedMessage& queued);

  // How far a picky consumer has looked: all that is open to everybody and stands there or before
  // was refused by it.
  [[nodiscard]] bool is_picky() const { return options.is_no_local || options.filter != nullptr; }
  [[nodiscard]] bool has_looked_at(Place place) const {
    return looked != nullptr && (*looked)[rank_of(place)] >= place;
  }
  [[nodiscard]] Place looked_to(Place place) const { return (*looked)[rank_of(place)]; }
  void note_refused(Place place);
  // Something that it did not look at comes to stand there.
  void forget_look(Place place);

  const ConsumerKey key;
  const ConsumerOptions options;
  ListLink<QueueConsumer> arrival;
  ListLink<QueueConsumer> turn;
  QueuedMessages unsettled;  // by tag
  size_t unsettled_bytes = 0;
  uint64_t last_tag = 0;
  bool is_ready = false;    // has a turn in the round
  bool is_stalled = false;  // has no room for the message that comes next

  // What waits in its groups; nobody else may take it.
  OwnedGroups groups;
  QueuedMessages own;      // not looked at
  QueuedMessages refused;  // not taken by the filter
  std::unique_ptr<std::array<Place, kRanks>> looked;

  // Of a browser: what comes next stands behind `browsed_to`; what was published after
  // `sequence_max` it does not see.
  Place browsed_to = 0;
  uint64_t sequence_max = 0;
  bool is_browsed = false;
};

// QueueConsumers are the consumers of one queue, and whose turn it is.
//
// Those that could be given a message are ready and have a turn in the round. The round is taken
// from the highest priority down; in one priority who is given a message, or becomes ready, goes to
// the end. If there is an exclusive consumer, nobody else is ever ready.
//
// Owns:      the consumers. Thread: owner shard.
// Invariant: a consumer in the round is active and has credit.
class QueueConsumers {
 public:
  [[nodiscard]] QueueConsumer* find(const ConsumerKey& key) const;
  // Requires: no such key yet. The consumer is not ready before wake().
  QueueConsumer& add(const ConsumerKey& key, ConsumerOptions options);
  // Takes it out of everything but its groups; the next exclusive one in line takes over from it.
  [[nodiscard]] std::unique_ptr<QueueConsumer> take(QueueConsumer& consumer);

  [[nodiscard]] size_t size() const { return by_key_.size(); }
  [[nodiscard]] QueueConsumer* front() const { return arrived_.front(); }
  [[nodiscard]] static QueueConsumer* next(const QueueConsumer& consumer) {
    return consumer.arrival.next;
  }

  [[nodiscard]] QueueConsumer* exclusive() const { return exclusive_; }
  [[nodiscard]] bool is_active(const QueueConsumer& consumer) const {
    return !consumer.options.is_browser && (exclusive_ == nullptr || exclusive_ == &consumer);
  }

  // Gives the consumer a turn if it may have one; true if it had none.
  bool wake(QueueConsumer& consumer);
  // It was given a message.
  void serve(QueueConsumer& consumer);
  // It has no room for the message that comes next.
  void stall(QueueConsumer& consumer);
  [[nodiscard]] QueueConsumer* first_ready() const;
  [[nodiscard]] QueueConsumer* next_ready(const QueueConsumer& consumer) const;

  // Who is not ready, and so was not asked, has to look at what stands there now. O(consumers) if
  // one of them is picky.
  void forget_looks(Place place);

 private:
  struct Level {
    int32_t priority;
    IntrusiveList<QueueConsumer, &QueueConsumer::turn> ready;  // never empty
  };
  struct HashKey {
    size_t operator()(const ConsumerKey& key) const;
  };

  [[nodiscard]] std::vector<Level>::iterator level_of(int32_t priority);
  void leave_round(QueueConsumer& consumer);

  tsl::robin_map<ConsumerKey, std::unique_ptr<QueueConsumer>, HashKey> by_key_;
  IntrusiveList<QueueConsumer, &QueueConsumer::arrival> arrived_;
  std::vector<Level> levels_;  // highest priority first
  QueueConsumer* exclusive_ = nullptr;
  size_t picky_ = 0;
};

}  // namespace stampede::core
