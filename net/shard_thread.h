#pragma once

#include <atomic>
#include <chrono>
#include <future>
#include <optional>
#include <thread>
#include <vector>

#include "core/shard_types.h"
#include "net/listening_socket.h"
#include "net/net_metrics.h"
#include "net/node.h"
#include "proto/base/result.h"

namespace stampede::net {

// ShardThread is the thread that a shard lives on: it sets the shard up there, since a ring belongs
// to the thread that made it, says how that went, and turns until the node ends.
//
// Owns:      the thread.
// Thread:    the server's; ask() and answer() any, one at a time.
// Lifetime:  the node outlives it.
class ShardThread {
 public:
  ShardThread(Node& node, core::ShardId id) : node_(node), id_(id) {}
  ~ShardThread() { join(); }
  ShardThread(const ShardThread&) = delete;
  ShardThread& operator=(const ShardThread&) = delete;

  // Returns when the shard is set up, or with what was in the way. It accepts nothing before
  // release().
  [[nodiscard]] Result<void> start(std::vector<ListeningSocket> sockets, std::optional<int> cpu);
  // True: serve. False: another shard could not be set up, end.
  void release(bool serve);
  void join();

  using Clock = std::chrono::steady_clock;
  // Asks for a snapshot and for a visit, if one is given. Each ask() is followed by its answer().
  void ask(ShardVisit visit);
  // What the shard was at the end, unvisited, if it is over. nullopt: it is stuck, and the visit
  // will not come about any more.
  [[nodiscard]] std::optional<ShardSnapshot> answer(Clock::time_point deadline);

 private:
  void run(std::vector<ListeningSocket> sockets, std::optional<int> cpu);

  Node& node_;
  const core::ShardId id_;
  std::promise<Result<void>> started_;
  std::promise<bool> serve_;
  bool released_ = false;
  std::thread thread_;
  std::future<ShardSnapshot> answer_;
  // Written by the shard before the flag.
  ShardSnapshot last_snapshot_;
  std::atomic<bool> over_ = false;
};

}  // namespace stampede::net
