#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tsl/robin_map.h>

#include "core/envelope.h"
#include "core/intrusive_list.h"
#include "core/listings.h"
#include "core/message.h"
#include "core/metrics.h"
#include "core/options.h"
#include "core/queue.h"
#include "core/queue_door.h"
#include "core/queue_types.h"
#include "core/selector/selector_subject.h"
#include "core/shard_types.h"
#include "core/timer_wheel.h"

namespace stampede::core {

// Where that goes which the queues of a shard decide.
class QueueOutlet {
 public:
  virtual ~QueueOutlet() = default;
  // Takes a reference of its own if it keeps the message.
  virtual void hand_out(const ConsumerKey& consumer, Message& message, uint64_t tag,
                        uint32_t earlier_deliveries) = 0;
  virtual void end_browse(const ConsumerKey& browser) = 0;
  // A dead letter, to be published like a SEND. Takes over the reference.
  virtual void publish_dead_letter(Message* message, Millis now) = 0;
  // A temporary queue is gone.
  virtual void forget_queue(std::string_view name) = 0;
  // There is room for one who waited: it is published or reserved now. Takes over the message.
  virtual void let_in(Applicant applicant, Millis now) = 0;
  // It has waited for too long. Takes over the message.
  virtual void turn_away(Applicant applicant, Millis now) = 0;
};

// Queues is a shard's part as owner of queues: which there are, who consumes which, who waits for
// room in a full one, and what becomes of dead letters. How one queue works is Queue's business.
//
// Owns:      the queues, and through them the messages. Thread: owner shard.
// Lifetime:  a queue is made by the first SEND, COMMIT or SUBSCRIBE, and goes once it has been
//            without messages and consumers for --queue-idle-time. A temporary one is made by a
//            SUBSCRIBE and goes with its last consumer, and what is in it too.
// Invariant: a consumer is in the table as long as it is in its queue. Nobody waits for room that
//            is there once let_in() was called.
class Queues : private QueueSink {
 public:
  Queues(const Options& options, ShardMetrics& metrics, TimerWheel& timers,
         SelectorSubject& selector_subject, QueueOutlet& outlet);
  ~Queues() override;

  // -- Publishing.
  [[nodiscard]] bool has(std::string_view name) const { return table_.contains(name); }
  [[nodiscard]] bool has_room(std::string_view name, size_t messages, size_t bytes, Millis now) {
    return has_room(find_or_make(name, now), messages, bytes, now);
  }
  // Requires: has_room(), and that the message was numbered. Takes over the reference.
  void publish(Message* message, Millis now);
  void reserve(std::string_view name, size_t messages, size_t bytes, Millis now);
  void unreserve(std::string_view name, size_t messages, size_t bytes, Millis now);

  // -- Waiting for room (--queue-full-wait).
  // True if there is room, and nobody waits for it already.
  [[nodiscard]] bool is_open(std::string_view name, size_t messages, size_t bytes, Millis now);
  // Lets it wait for room; it ends with QueueOutlet::let_in() or turn_away(). False, and nothing is
  // done: it would be in vain. Requires: not is_open().
  [[nodiscard]] bool wait(std::string_view name, Applicant& applicant, Millis now);
  // Somebody waits for room that is there: let_in() is to be called once the change is whole.
  [[nodiscard]] bool may_let_in() const { return !stirred_.empty(); }
  void let_in(Millis now);
  // Turns away all that wait, and lets nobody wait from now on.
  void close_doors(Millis now);

  // How many there are, browsers included.
  [[nodiscard]] size_t consumers_of(std::string_view name) const;

  // -- Consumers. A key that is not there is ignored: its connection may be gone.
  void add_consumer(std::string_view name, const ConsumerKey& key, ConsumerRequest request,
                    Millis now);
  void remove_consumer(const ConsumerKey& key, uint64_t first_tag_not_given, Millis now);
  void settle(const ConsumerKey& key, uint64_t tag, Settlement settlement, bool is_cumulative,
              Millis now);

  // -- Time.
  // Requires: the timer is a queue's.
  void on_timer(Timer& timer, Millis now);
  // Forgets queues that have been idle for long. Call about once a second.
  void expire(Millis now);

  [[nodiscard]] size_t queue_count() const { return table_.size(); }
  [[nodiscard]] size_t consumer_count() const { return consumers_.size(); }
  void count_tables(ShardTables& tables) const;
  [[nodiscard]] std::vector<QueueEntry> list(ListRange range) const;

 private:
  struct Entry;
  struct QueueTimer : Timer {
    explicit QueueTimer(Entry& of_entry) : Timer(Kind::kQueue), entry(of_entry) {}
    Entry& entry;
  };
  struct Entry {
    Entry(std::string_view of_name, const Options& options, QueueSink& sink)
        : name(of_name), queue(name, options, sink), timer(*this) {}
    const std::string name;
    Queue queue;
    QueueDoor door;
    QueueTimer timer;  // of the next deadline of either
    ListLink<Entry> idle;
    ListLink<Entry> stirred;
    bool is_stirred = false;
    [[nodiscard]] bool may_let_in() const {
      return !door.is_empty() && queue.has_room(door.first().messages, door.first().bytes);
    }
    uint64_t dropped = 0;        // of the queue's, so many are counted
    Millis idle_since = kNever;  // kNever: it is not, and not in the list
  };
  struct HashText {
    using is_transparent = void;
    uint64_t seed;
    size_t operator()(std::string_view text) const;
  };
  struct HashKey {
    size_t operator()(const ConsumerKey& key) const;
  };
  struct Dead {
    Message* message;  // one reference
    DeadReason reason;
    uint32_t deliveries;
  };

  void on_deliver(const ConsumerKey& consumer, Message& message, uint64_t tag,
                  uint32_t earlier_deliveries) override;
  void on_browsed(const ConsumerKey& browser) override;
  void on_dead(Message& message, DeadReason reason, uint32_t deliveries) override;

  Entry& find_or_make(std::string_view name, Millis now);
  [[nodiscard]] bool has_room(Entry& entry, size_t messages, size_t bytes, Millis now);
  // What every change ends with: timer and list of idle queues follow, and dead letters go out.
  void end_change(Entry& entry, Millis now);
  void end_temporary(Entry& entry);
  void turn_away(std::vector<Applicant> applicants, Millis now);
  void publish_dead(Millis now);
  void publish_dead_letter(const Dead& dead, Millis now);

  const Options& options_;
  ShardMetrics& metrics_;
  TimerWheel& timers_;
  SelectorSubject& selector_subject_;
  QueueOutlet& outlet_;
  tsl::robin_map<std::string_view, std::unique_ptr<Entry>, HashText, std::equal_to<>> table_;
  tsl::robin_map<ConsumerKey, Entry*, HashKey> consumers_;
  IntrusiveList<Entry, &Entry::idle> idle_;  // in the order in which they became it
  // Those at whose door somebody waits for whom there is room.
  IntrusiveList<Entry, &Entry::stirred> stirred_;
  size_t waiting_ = 0;  // at all doors
  bool are_doors_closed_ = false;
  std::vector<Dead> dead_;
};

}  // namespace stampede::core
