#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tsl/robin_map.h>

#include "core/envelope.h"
#include "core/message.h"
#include "core/queue_subscription.h"
#include "core/queues.h"
#include "core/shard_types.h"
#include "core/transactions.h"

namespace stampede::core {

class Client;
class ShardState;

// QueueRoutes is how a shard's clients reach the owners of queues, and how the queues that the
// shard owns reach their consumers: home -> owner -> home, by a direct call where both are this
// shard. It carries out transactions, which may need room in queues of several owners first.
//
// Owns:      the queues of this shard as owner; transactions that wait for room.
// Thread:    the shard's.
// Invariant: a transaction is carried out whole or not at all, and publishes in its order. All take
//            room in the order of owners and then of names, so that no two wait for each other.
class QueueRoutes : private QueueOutlet {
 public:
  QueueRoutes(ShardState& shard, const Options& options, ShardMetrics& metrics, TimerWheel& timers,
              SelectorSubject& selector_subject);
  ~QueueRoutes() override;

  // -- Home side.
  // A consumer was added to the client's session. `ticket` is completed once it gets messages.
  void consume(Client& client, const QueueSubscription& consumer, std::string_view queue,
               ConsumerRequest request, uint32_t ticket, Millis now);
  // It is about to end. What it was given and did not settle goes back.
  void release(Client& client, const QueueSubscription& consumer, Millis now);
  void settle(Client& client, const QueueSubscription& consumer, uint64_t tag,
              Settlement settlement, bool is_cumulative, Millis now);
  // Appends whole MESSAGEs of the client's subscriptions in turn, until a send is full. Requires:
  // it has some, here and below.
  void gather(Client& client, QueueSubscriptions::Which which, size_t bytes_max, std::string& out);
  // The send with the last that were gathered is complete: what auto subscriptions got of it is
  // consumed.
  void settle_sent(Client& client, Millis now);
  // Does what the transaction holds. `ticket` has a part for each message and one more. The client
  // is not listened to before that is done, or found impossible.
  void commit(Client& client, Transaction& transaction, uint32_t ticket, Millis now);
  // True while a transaction waits: this shard may still publish something.
  [[nodiscard]] bool is_committing() const { return !commits_.empty(); }
  // Requires: the route is of a temporary queue of this shard's.
  [[nodiscard]] bool has_temporary(std::string_view route) const { return queues_.has(route); }

  // -- Owner side.
  // Whether a temporary queue takes the message: it is there, and has room.
  [[nodiscard]] bool takes_temporary(const Message& message, Millis now);
  // Publishes to a queue of this shard, numbered. What is no client's, as dead letters, does not
  // wait. Takes over the reference.
  enum class Outcome : uint8_t {
    kTaken,
    kWaits,    // for room: the home shard will be told how it ends
    kRefused,  // there is no room, and the message was dropped
  };
  struct Sender {
    ShardId home;
    ClientRef client;
    uint32_t ticket;
  };
  [[nodiscard]] Outcome publish_owned(Message* message, const Sender& sender, bool is_reserved,
                                      Millis now);
  // Lets those in that wait for room which is there now. Call when a change is whole.
  void let_in(Millis now) {
    if (queues_.may_let_in()) queues_.let_in(now);
  }
  // Turns away all that wait for room, and lets nobody wait from now on.
  void close_doors(Millis now) { queues_.close_doors(now); }
  void on_timer(Timer& timer, Millis now) { queues_.on_timer(timer, now); }
  void expire(Millis now) { queues_.expire(now); }
  [[nodiscard]] size_t queue_count() const { return queues_.queue_count(); }
  [[nodiscard]] size_t consumer_count() const { return queues_.consumer_count(); }
  void count_tables(ShardTables& tables) const { queues_.count_tables(tables); }
  [[nodiscard]] std::vector<QueueEntry> list(ListRange range) const { return queues_.list(range); }

  // An envelope about queues. What it refers to is the caller's to free, but what is null
  // afterwards was taken over.
  void on_envelope(Envelope& envelope, Millis now);

 private:
  // A transaction on its way from owner to owner.
  struct Commit {
    ClientRef client;
    uint32_t ticket = 0;
    std::vector<TransactionStep> steps = {};
    std::vector<std::pair<ShardId, Reservation>> reservations = {};
    size_t granted = 0;       // so many of these are
    bool is_waiting = false;  // and its client is not listened to
  };

  void hand_out(const ConsumerKey& consumer, Message& message, uint64_t tag,
                uint32_t earlier_deliveries) override;
  void end_browse(const ConsumerKey& browser) override;
  void publish_dead_letter(Message* message, Millis now) override;
  void forget_queue(std::string_view name) override;
  void let_in(Applicant applicant, Millis now) override;
  void turn_away(Applicant applicant, Millis now) override;

  void give(ClientRef client, uint32_t number, Message& message, uint64_t tag,
            uint32_t earlier_deliveries);
  void tell_browse_end(ClientRef client, uint32_t number);
  // Requires: there is room. Takes over the reference.
  void publish_numbered(Message* message, Millis now);
  // Takes room after room for a COMMIT, and answers its home when it has all, or cannot have one.
  void take_rooms(Applicant commit, Millis now);
  void answer_commit(const Applicant& commit, bool is_granted, Millis now);
  void unreserve(const Reservation& reservation, size_t rooms, Millis now);
  [[nodiscard]] std::vector<std::pair<ShardId, Reservation>> room_needed(
      const std::vector<TransactionStep>& steps) const;
  void ask_for_room(uint64_t token, Millis now);
  void on_reserved(uint64_t token, bool is_granted, Millis now);
  void end_commit(const Commit& commit, bool is_granted, Millis now);
  void carry_out(const Commit& commit, Millis now);
  void give_up(const Commit& commit, Millis now);

  ShardState& shard_;
  Queues queues_;
  tsl::robin_map<uint64_t, Commit> commits_;
  uint64_t next_token_ = 1;
};

}  // namespace stampede::core
