#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/memory_budget.h"
#include "core/options.h"
#include "core/shard_types.h"
#include "net/event_log.h"
#include "net/inherited_sockets.h"
#include "net/listen_uri.h"
#include "net/net_metrics.h"
#include "proto/base/result.h"

namespace stampede::net {

struct Node;
class ShardThread;

// Has the allocator give back to the system what the thread freed, if memory `is_short`.
using MemoryReturner = std::function<void(bool is_short)>;

enum class Pin : uint8_t { kAuto, kOn, kOff };

// Everything about a broker that is not its behaviour (that is core::Options).
struct ServerOptions {
  std::vector<ListenUri> listeners;
  core::ShardId shards = 0;  // 0: one per usable core
  Pin pin = Pin::kAuto;      // auto: only if each shard gets a CPU of its own
  std::vector<int> cpus;     // to be pinned to, in turn; empty: those that the process may use
  int send_buffer_bytes =
      256 * 1024;  // SO_SNDBUF; 0: the kernel tunes it, up to 4 MB for a stalled reader
  // TCP_USER_TIMEOUT, and keep-alives to match: a peer that acknowledges nothing for so long is
  // gone. A reader that takes nothing counts too, so the core's own patience with those comes
  // first: nullopt is twice that, and 30 s at least. 0: the kernel's 15 minutes.
  std::optional<int64_t> user_timeout_ms;
  uint64_t connections_max = 0;  // 0: what the limit of descriptors allows, less 256 for ourselves
  uint32_t connections_per_address_max = 0;  // 0: no limit
  // What all shards may take together; 0: kMemoryPart of what the process may use.
  uint64_t memory_limit_bytes = 0;
  bool allow_anonymous = false;  // without it only loopback addresses may be listened on
  // A drain spreads the goodbyes over three quarters of its time, but not thinner than so many a
  // second: a hundred who come back at once are no crowd anywhere.
  uint32_t drain_rate = 100;
  // How long a shard that ran dry looks for work before it sleeps, while traffic flows. 0: never.
  // Never either if there are more shards than usable cores.
  int64_t spin_us = 20;
  LogSink log;                   // called on the log's thread
  MemoryReturner return_memory;  // called on the shards' threads
};

// A listening address as it was bound.
struct BoundListener {
  core::Transport transport;
  std::string host;
  uint16_t port;
  std::vector<std::string> paths;

  [[nodiscard]] std::string uri() const;  // "ws://127.0.0.1:15674"
};

struct DrainOrder {
  int64_t for_ms = 0;    // then whoever is left is cut off
  int64_t delay_ms = 0;  // before that everything goes on, but is_serving() is false already
};

// Server is a running broker: its listening sockets, its shards on their threads, its log.
//
// Owns:      all of that.
// Thread:    start, wait and destruction: one. The others: any.
// Invariant: when start() returns a server, every shard accepts; when it returns an error, nothing
// is left behind.
class Server {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Server>> start(ServerOptions options,
                                                             core::Options core_options,
                                                             InheritedSockets inherited = {});
  // Stops at once if it still runs.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // In the order of ServerOptions::listeners.
  [[nodiscard]] const std::vector<BoundListener>& bound() const { return bound_; }
  [[nodiscard]] core::ShardId shards() const;
  [[nodiscard]] uint64_t connections() const;
  [[nodiscard]] uint64_t connections_max() const;
  [[nodiscard]] const core::MemoryBudget& memory() const;
  [[nodiscard]] bool is_pinned() const { return is_pinned_; }

  // Clients leave, each with what it still has to get and a goodbye: one after the other if they
  // are so many that those who come back would be a crowd, else all together. Only the first call
  // counts. Returns at once.
  void drain(const DrainOrder& order);
  // The listening sockets once more, for a process that is to go on with them; none from drain() or
  // stop_now() on.
  [[nodiscard]] std::vector<SharedSocket> copy_listening_sockets();
  // Ends within a second, also during a drain. Returns at once.
  void stop_now();
  // Until the shards have ended after drain() or stop_now(); every line of the log is out then.
  void wait();

  // False from drain() or stop_now() on.
  [[nodiscard]] bool is_serving() const;

  // One entry a shard, copied by each between two of its turns, where `visit` looks at its tables;
  // if a shard ended already, what it was then, and no visit. nullopt for one that gives no answer
  // within 2 s. Visits of several shards run at the same time; none runs after the return.
  [[nodiscard]] std::vector<std::optional<ShardSnapshot>> ask_shards(const ShardVisit& visit = {});

 private:
  Server();

  std::unique_ptr<Node> node_;
  std::vector<std::unique_ptr<ShardThread>> threads_;
  std::vector<BoundListener> bound_;
  bool is_pinned_ = false;
  // True if another process has them, too.
  [[nodiscard]] bool forget_listening();

  std::mutex listening_mutex_;
  std::vector<SharedSocket> listening_;
  bool are_shared_ = false;  // with another process, which goes on with what waits in them
  uint32_t drain_rate_ = 0;
  std::atomic<bool> has_ended_ = false;  // drain() or stop_now() was called
  std::mutex ask_mutex_;                 // one asker at a time
};

// Raises the soft limit of descriptors to the hard one; returns what it is then.
uint64_t raise_descriptor_limit();

}  // namespace stampede::net
