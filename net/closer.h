#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/shard.h"
#include "net/connection.h"
#include "net/connection_limits.h"
#include "net/ring.h"

namespace stampede::net {

// Closer ends connections: cancels what is in the kernel, and closes the descriptor when nothing is
// left there.
//
// Owns:      the list of connections that may be closed.
// Thread:    home shard.
// Invariant: a descriptor is closed exactly once, and only when no operation and no inbound item of
// its is left; only then
//            does the core hear of it by release(), and the slot is free.
class Closer {
 public:
  Closer(Ring& ring, ConnectionTable& connections, core::Shard& shard, ConnectionLimits& limits)
      : ring_(ring), connections_(connections), shard_(shard), limits_(limits) {}

  // FlushAction::kAbort.
  void abort(uint32_t handle) noexcept;
  // Call whenever something of the connection is no longer pending.
  void on_settled(uint32_t handle) noexcept;
  void on_cancel(const Completion& completion) noexcept;

  // Closes at most `max`: a close takes 12 us, and a storm of them must not stop the turn.
  void close_some(size_t max) noexcept;
  [[nodiscard]] bool has_work() const { return !closable_.empty(); }
  // The end of the shard: whatever is left is shut down without waiting for the kernel.
  void shut_down_all() noexcept;

 private:
  void close_now(uint32_t handle) noexcept;

  Ring& ring_;
  ConnectionTable& connections_;
  core::Shard& shard_;
  ConnectionLimits& limits_;
  std::vector<uint32_t> closable_;
};

}  // namespace stampede::net
