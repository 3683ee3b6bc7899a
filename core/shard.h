#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/listings.h"
#include "core/memory_budget.h"
#include "core/metrics.h"
#include "core/options.h"
#include "core/shard_types.h"
#include "core/slow_terms.h"
#include "proto/http_upgrade.h"

namespace stampede::core {

class Client;
class MailboxGrid;
class ShardState;

// What net learned about a connection when it accepted it. `upgrade` is null for plain TCP.
struct Endpoint {
  Transport transport;
  const proto::UpgradePolicy* upgrade;  // constant, outlives the shard
  std::string_view peer;                // "127.0.0.1:40312", for the log; copied
};

struct ClosedClient {
  uint64_t id;  // unique on this shard
  std::string_view peer;
  CloseReason reason;
  std::string_view detail;  // one readable clause; may repeat client text, so a log must escape it
  uint64_t frames_received;
  size_t pending_bytes;  // of its subscriptions, unsent
};

// A subscription lags so much that it misses messages, or does no more.
struct SlowConsumer {
  uint64_t client_id;
  std::string_view peer;
  std::string_view destination;
  SlowPolicy policy;
  bool has_recovered;
  size_t unsent_bytes;
};

// Told of what operators want to read. Called on the shard's thread, must not block, must not call
// back.
class ShardObserver {
 public:
  virtual ~ShardObserver() = default;
  virtual void on_client_closed(const ClosedClient& client) = 0;
  virtual void on_slow_consumer(const SlowConsumer& /*consumer*/, Millis /*now*/) {}
  // The node is at another stage of its limit of memory; told once, by one shard.
  virtual void on_memory_step(MemoryBudget::Step /*step*/, uint64_t /*used*/, uint64_t /*limit*/) {}
};

// What net is to do with a connection next.
enum class FlushAction : uint8_t {
  kNothing,
  kSend,           // one send of the spans given; then call sent()
  kShutdownWrite,  // all is sent: half-close, go on receiving, then call sent()
  kAbort,  // end the socket now, whatever is in flight; once no operation of its is pending, close
           // the descriptor and call release()
};

struct FlushPlan {
  FlushAction action;
  size_t spans;  // kSend: how many entries of the array were filled
  size_t bytes;  // kSend: their sum
};

// When the clients leave in a drain: one after the other up to `leave_by`, evenly; and at `end_at`
// all that are still there, so that shards end together. In the past: at once.
struct DrainTimes {
  Millis leave_by = 0;
  Millis end_at = 0;
};

// Shard is one shard of the broker: a pure state machine that is handed octets, envelopes and the
// time, and leaves octets to send and envelopes to post. It does no system call.
//
// Owns:      its clients, sessions, topics, groups and the destinations that hash to it.
// Thread:    one; everything here is called on the shard's own thread (the simulation calls all
//            shards from one).
// Lifetime:  the options, the grid and the observer outlive it. A Client* is valid from open() to
// release(). Invariant: a client that is closing is in no table, whatever its socket still does; at
// most one send of a
//            client is in flight; spans given by flush() stay untouched until sent() or release().
class Shard {
 public:
  // `memory_budget`, which the shards of a node share, outlives it; null: there is no limit.
  Shard(ShardId id, ShardId shard_count, const Options& options, MailboxGrid& mailboxes,
        ShardObserver& observer, MemoryBudget* memory_budget = nullptr);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  // -- Connections.
  // A connection was accepted. `handle` is net's own number for it, given back by handle_of().
  Client* open(const Endpoint& endpoint, uint32_t handle, Millis now);
  [[nodiscard]] static uint32_t handle_of(const Client& client);
  // Octets arrived. Nothing of `octets` is kept. Ignored once the client is closing (it drains its
  // input).
  void receive(Client& client, std::span<const uint8_t> octets, Millis now);
  // The peer ended its stream (reset false), or the socket failed (reset true; detail says how).
  void peer_closed(Client& client, bool reset, std::string_view detail, Millis now);
  // True while no octets of this client should be taken from the kernel, because a shard that its
  // frames go to has no room. Changes are told through next_receive_change().
  [[nodiscard]] static bool receive_paused(const Client& client);
  // Clients whose receive_paused() changed since asked last; null when there are no more.
  Client* next_receive_change();

  // -- Flushing. A client is in the ready list at most once, and never while a send is in flight.
  [[nodiscard]] bool has_ready() const;
  [[nodiscard]] size_t ready_count() const;
  // Takes one client off the ready list and says what to do with it. Null: none is ready. `spans`
  // should have room for kSendSpansMax. After kSend and kShutdownWrite the client has an operation
  // in flight until sent(); kAbort is told once.
  Client* next_flush(std::span<SendSpan> spans, FlushPlan& plan, Millis now);
  // The operation of the last plan is complete. A send that the kernel ended short is not complete:
  // net sends the rest first. A failed one is told by peer_closed(reset) instead, before release().
  void sent(Client& client, Millis now);
  // The descriptor is closed and nothing of the client is in flight: it is destroyed.
  void release(Client& client);

  // -- The turn.
  // Takes at most `budget` envelopes from the mailboxes; true if more are waiting.
  bool take_mail(size_t budget, Millis now);
  void run_timers(Millis now);
  // Puts what was delivered and gathered into the logs of about `groups_max` groups, after intake
  // and before the flush.
  void fan_out(size_t groups_max, Millis now);
  // True if fan_out() has something to do.
  [[nodiscard]] bool is_gathering() const;
  // Makes this turn's envelopes visible to their shards; bit n is set if shard n got some (or still
  // has overflow waiting for room) and must be woken if it sleeps.
  [[nodiscard]] uint64_t post_mail();
  // True if envelopes are waiting in a mailbox of this shard. Any order with a peer's post: callers
  // who are about to sleep publish that first (net/wakeup.h).
  [[nodiscard]] bool has_mail() const;
  // True while envelopes of ours wait outside of a full mailbox: call post_mail() again soon.
  [[nodiscard]] bool has_overflow() const;
  // When run_timers() has something to do next; kNever if nothing is due.
  [[nodiscard]] Millis next_deadline() const;

  // -- Ending.
  // Clients leave, at the times given. When a client's turn has come, and what had been
  // acknowledged to anybody by then has arrived here, no more frames of its are taken; it is
  // flushed what it still has to get, then closed (RFC 6455 code 1012; STOMP over TCP: ERROR
  // server-draining). Clients opened later are closed likewise. Only the first call counts.
  void begin_drain(Millis now, DrainTimes times = {});
  // True when no client is left.
  [[nodiscard]] bool is_drained() const;
  // Ends every client without ceremony.
  void abort_all(CloseReason reason, Millis now);

  // As they are now.
  [[nodiscard]] const ShardMetrics& metrics() const;
  [[nodiscard]] ShardTables tables() const;

  // Pages of tables, for operators. Skipping costs about a nanosecond an entry; only what is listed
  // is looked at.
  [[nodiscard]] std::vector<ClientEntry> list_clients(ListRange range, Millis now) const;
  [[nodiscard]] std::vector<TopicEntry> list_topics(ListRange range) const;
  [[nodiscard]] std::vector<QueueEntry> list_queues(ListRange range) const;

 private:
  std::unique_ptr<ShardState> state_;
};

// The most spans that next_flush() fills: one of the outbox, the rest of subscriptions' logs.
inline constexpr size_t kSendSpansMax = 16;

}  // namespace stampede::core
