#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/client.h"
#include "core/destination_map.h"
#include "core/drain.h"
#include "core/envelope.h"
#include "core/held_back.h"
#include "core/interests.h"
#include "core/mailbox.h"
#include "core/memory_watch.h"
#include "core/message.h"
#include "core/metrics.h"
#include "core/options.h"
#include "core/owner.h"
#include "core/queue_routes.h"
#include "core/ready_list.h"
#include "core/recalls.h"
#include "core/shard.h"
#include "core/timer_wheel.h"
#include "core/topics.h"
#include "proto/stomp_parser.h"
#include "proto/ws_decoder.h"

namespace stampede::core {

// ShardState is what the parts of one shard share: its tables, and the routes between home and
// owner. Shard is its face to net.
//
// Owns:      everything of the shard. Thread: the shard's.
// Invariant: nothing here closes a client while a message is being delivered; those that must go
//            are noted and ended by settle(), which every entry from outside calls last.
class ShardState {
 public:
  ShardState(ShardId id, ShardId shard_count, const Options& options, MailboxGrid& mailboxes,
             ShardObserver& observer, MemoryBudget* memory_budget = nullptr);
  ~ShardState();

  // -- Clients.
  Client* open(const Endpoint& endpoint, uint32_t handle, Millis now);
  void release(Client& client);
  // Null if the client is gone, or only waits for its socket to be closed.
  [[nodiscard]] Client* find(ClientRef ref);
  void on_closing(Client& client, CloseReason reason, std::string_view detail,
                  std::string_view peer, uint64_t frames_received);
  template <typename Visit>
  void for_each_client(Visit&& visit) {
    for (Slot& slot : slots_) {
      if (slot.client != nullptr) visit(*slot.client);
    }
  }
  [[nodiscard]] size_t client_count() const { return client_count_; }
  // Ends the clients that were found to lag too much, and tells of those that miss something.
  void settle();

  // -- Publishing: home -> owner -> homes.
  // Takes over the reference. `ticket` of `client` is completed when the owner has numbered the
  // message.
  void publish(Message* message, Client& client, uint32_t ticket, Millis now);
  // The same for a message whose sender may be gone. `is_reserved`: a queue keeps room for it.
  // Gives the owner.
  ShardId route(Message* message, ClientRef sender, uint32_t ticket, bool is_reserved, Millis now);
  // A temporary destination is owned by the home shard of its connection, so that it is there
  // before anybody is told its name, and gone with it at once.
  [[nodiscard]] ShardId owner_of(const Message& message) const {
    if (!message.properties().is_temporary) return owner_shard(message.route_hash(), shard_count_);
    return home_of_temporary(message.route(), shard_count_, id_);
  }
  // Of what a client of this shard subscribes to.
  [[nodiscard]] ShardId owner_of_own(std::string_view route) const {
    return is_temporary_route(route) ? id_ : owner_shard(hash_route(route), shard_count_);
  }
  [[nodiscard]] uint64_t hash_route(std::string_view route) const {
    return hash_text(route, options_.boot_id);
  }
  // Whether a client of this shard is subscribed to its temporary destination.
  [[nodiscard]] bool has_temporary(const MappedDestination& one) const {
    return one.kind == DestinationKind::kQueue
               ? queue_routes.has_temporary(one.route)
               : owner_.has_interest(one.route, hash_route(one.route));
  }
  // Nobody publishes to that any more which this shard owns.
  void forget(std::string_view route) { owner_.forget(route); }
  // On the owner: gives the message its sequence and id. False: it is a duplicate. Requires: a
  // queue's message, as nobody is told of it.
  [[nodiscard]] bool number(Message& message, Millis now);
  // Tells the sender how many of this shard's subscriptions the message is for, or how many
  // consumers its queue has. Requires: the message has a count_ticket().
  void report_count(const Message& message, uint64_t subscriptions);
  // A part of the client's pending RECEIPT is done, which carries these header lines; the client
  // may be gone.
  void complete(ClientRef client, uint32_t ticket, std::string_view lines = {});
  // A queue had no room for what the client sent. Fails it, unless it is gone.
  void refuse(ClientRef client, uint32_t ticket);
  // Every owner is asked for a word behind what the client sent, so that what it is owed until then
  // includes what became of that.
  void confirm_sent(Client& client);
  // The two ends of a SEND that waited for room in a queue.
  void on_let_in(ClientRef client, uint32_t ticket, uint32_t reports);
  void on_turned_away(ClientRef client, uint32_t ticket);
  void post(ShardId to, Envelope envelope);

  // A transaction that waited for room in queues was carried out, or given up.
  void on_commit_ended(ClientRef client);

  // -- The turn.
  bool take_mail(size_t budget, Millis now);
  void fan_out(size_t groups_max) {
    topics.fan_out(memory_watch_.groups_to_fan_out(groups_max, now_));
  }
  [[nodiscard]] bool is_gathering() const {
    return topics.is_gathering() && !memory_watch_.is_fan_out_held();
  }
  void run_timers(Millis now);
  [[nodiscard]] uint64_t post_mail();
  [[nodiscard]] bool has_mail() const;
  [[nodiscard]] bool has_overflow() const;

  [[nodiscard]] ShardTables tables() const;

  // -- Memory.
  // How many there are, without a walk.
  struct TableSizes {
    size_t clients;
    size_t subscriptions;
    size_t groups;
    size_t topics;
    size_t destinations;
    size_t queues;
    size_t consumers;
  };
  [[nodiscard]] TableSizes table_sizes() const;
  void tell_memory_step(MemoryBudget::Step step, uint64_t used, uint64_t limit) {
    observer_.on_memory_step(step, used, limit);
  }

  // -- What clients work with.
  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] const proto::StompLimits& limits_before_connect() const {
    return limits_before_connect_;
  }
  [[nodiscard]] const proto::StompLimits& limits() const { return limits_; }
  [[nodiscard]] const proto::WsLimits& websocket_limits() const { return websocket_limits_; }
  [[nodiscard]] ShardId id() const { return id_; }
  [[nodiscard]] ShardId shard_count() const { return shard_count_; }
  [[nodiscard]] Millis now() const { return now_; }
  void set_now(Millis now) { now_ = now; }

  ShardMetrics metrics;
  TimerWheel timers;
  ReadyList ready;
  proto::WsContextPool websocket_contexts;
  DestinationMap destination_map;
  std::string frame_scratch;  // where a frame is put together before it gets its framing; warm
  SelectorSubject selector_subject;
  Topics topics;
  QueueRoutes queue_routes;
  Drain drain;
  Interests interests;
  Recalls recalls;
  HeldBack held_back;

 private:
  struct Slot {
    std::unique_ptr<Client> client;
    uint32_t generation = 0;
  };

  void tell_slow_events();
  void on_envelope(Envelope& envelope, Millis now);
  [[nodiscard]] bool takes_temporary(const Message& message, Millis now) {
    return message.properties().is_for_queue
               ? queue_routes.takes_temporary(message, now)
               : owner_.has_interest(message.route(), message.route_hash());
  }
  // On the owner: numbers the message and hands it to the shards with interest, or to its queue.
  // Takes over the reference.
  struct Published {
    QueueRoutes::Outcome outcome = QueueRoutes::Outcome::kTaken;
    uint32_t reports = 0;  // so many shards report how many subscriptions it was for
  };
  [[nodiscard]] Published publish_owned(Message* message, const QueueRoutes::Sender& sender,
                                        bool is_reserved, Millis now);
  void on_published(ClientRef client, uint32_t ticket, uint32_t reports);
  void on_counted(ClientRef client, uint32_t ticket, uint64_t subscriptions);
  void on_publish(const Envelope& envelope, Millis now);
  [[nodiscard]] uint64_t publish_mail();
  void deliver(Message& message, ShardId owner);

  const ShardId id_;
  const ShardId shard_count_;
  const Options& options_;
  MailboxGrid& mailboxes_;
  ShardObserver& observer_;
  const proto::StompLimits limits_;
  const proto::StompLimits limits_before_connect_;
  const proto::WsLimits websocket_limits_;
  Owner owner_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_slots_;
  size_t client_count_ = 0;
  uint64_t clients_opened_ = 0;
  MemoryWatch memory_watch_;
  ShardId next_mail_from_ = 0;  // round robin over the mailboxes
  Timer second_;                // housekeeping
  Millis now_ = 0;
};

}  // namespace stampede::core
