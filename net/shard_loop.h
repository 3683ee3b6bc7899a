#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/shard.h"
#include "net/acceptor.h"
#include "net/buffer_ring.h"
#include "net/closer.h"
#include "net/connection.h"
#include "net/idle_spin.h"
#include "net/node.h"
#include "net/receiver.h"
#include "net/ring.h"
#include "net/sender.h"

namespace stampede::net {

// ShardLoop drives one core::Shard with one ring: the turn.
//
// Owns:      the shard, the ring, its buffers and connections.
// Thread:    the shard's thread creates it, runs it and destroys it.
// Lifetime:  the node outlives it.
// Invariant: a turn's work is bounded at every step; the loop sleeps only when nothing at all is
// left to do.
class ShardLoop {
 public:
  [[nodiscard]] static Result<std::unique_ptr<ShardLoop>> create(
      Node& node, core::ShardId id, std::vector<ListeningSocket> sockets);
  ShardLoop(const ShardLoop&) = delete;
  ShardLoop& operator=(const ShardLoop&) = delete;

  // Until the node is drained or stopped.
  void run() noexcept;
  [[nodiscard]] ShardSnapshot snapshot() const;

 private:
  ShardLoop(Node& node, core::ShardId id, std::unique_ptr<Ring> ring,
            std::unique_ptr<BufferRing> buffers, std::vector<ListeningSocket> sockets);

  void turn() noexcept;
  void take_mail() noexcept;
  void reap_completions() noexcept;
  void on_completion(const Completion& completion) noexcept;
  void take_inbound() noexcept;
  void run_timers() noexcept;
  void post_mail() noexcept;
  void fan_out() noexcept;
  void flush_sends() noexcept;
  void close_connections() noexcept;
  void answer_requests() noexcept;
  void submit_and_wait() noexcept;

  void follow_phase() noexcept;
  void begin_end() noexcept;
  void follow_memory() noexcept;
  void return_memory() noexcept;
  void end_all() noexcept;
  [[nodiscard]] bool is_over() noexcept;
  [[nodiscard]] bool has_work() const noexcept;
  [[nodiscard]] bool has_news() const noexcept;
  [[nodiscard]] bool spin(int64_t idle_since_ns) noexcept;
  [[nodiscard]] int64_t sleep_ns(int64_t now_ns) const noexcept;
  void arm_wakeup() noexcept;

  // Constant after construction.
  Node& node_;
  ShardControl& control_;
  ShardLog& log_;
  const core::ShardId id_;
  // Home shard. The order is that of destruction, backwards: the ring ends last, behind all that it
  // may refer to.
  NetMetrics metrics_;
  std::unique_ptr<Ring> ring_;
  std::unique_ptr<BufferRing> buffers_;
  ConnectionTable connections_;
  ConnectionLimits limits_;
  core::Shard shard_;
  Closer closer_;
  Receiver receiver_;
  Sender sender_;
  Acceptor acceptor_;
  // Of this round: see kInboundBytesPerRound.
  size_t round_flushes_left_ = 0;
  size_t last_round_flushes_ = 0;  // of the last round that had any
  size_t round_intake_left_;
  IdleSpin idle_spin_;
  core::Millis now_ = 0;
  int64_t started_ns_ = 0;
  int64_t waited_ns_ = 0;
  core::MemoryStage memory_stage_ = core::MemoryStage::kCalm;
  core::Millis next_return_ = 0;  // of memory, to the system
  bool more_mail_ = false;
  bool stop_counted_ = false;   // in Node::accepting_shards
  bool drain_counted_ = false;  // in Node::drained_shards
  ShardControl::Phase phase_ = ShardControl::Phase::kServe;
  core::Millis begin_end_at_ = core::kNever;  // when accepting stops and clients begin to leave
  bool is_ending_ = false;                    // that has been
  core::Millis end_by_ = core::kNever;        // when clients that are to leave are made to
  core::Millis give_up_at_ = core::kNever;
};

}  // namespace stampede::net
