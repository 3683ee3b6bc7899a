#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "core/shard.h"
#include "net/buffer_ring.h"
#include "net/closer.h"
#include "net/connection.h"
#include "net/inbound_queue.h"
#include "net/net_metrics.h"
#include "net/ring.h"

namespace stampede::net {

// Receiver keeps a multishot receive armed for each connection, queues what arrives and hands it to
// the core at the pace of the turn, so that intake cannot outrun the flush of what it causes.
//
// Owns:      the inbound queue and the list of connections that wait for buffers.
// Thread:    home shard.
// Invariant: at most one receive of a connection is in the kernel; the core sees a connection's
// octets in order, and its
//            end after them.
class Receiver {
 public:
  Receiver(Ring& ring, BufferRing& buffers, ConnectionTable& connections, core::Shard& shard,
           Closer& closer, NetMetrics& metrics)
      : ring_(ring),
        buffers_(buffers),
        connections_(connections),
        shard_(shard),
        closer_(closer),
        metrics_(metrics) {}

  // Arms the receive, unless something speaks against it now; then what that was arms it later.
  void arm(uint32_t handle) noexcept;
  void on_receive(const Completion& completion) noexcept;
  // A send failed: told to the core behind what was received before.
  void on_send_failed(uint32_t handle, int error) noexcept;

  // Hands queued octets to the core until `budget` octets are used up or nothing is left; gives how
  // many were used.
  size_t take_in(size_t budget, core::Millis now) noexcept;
  // Pauses and resumes as the core asks.
  void follow_receive_changes() noexcept;
  [[nodiscard]] bool has_work() const {
    return !queue_.is_empty() || (!starved_.empty() && buffers_.available() > 0);
  }
  [[nodiscard]] size_t waiting() const { return queue_.size(); }

 private:
  void push_end(uint32_t handle, InboundItem::Kind kind, int error) noexcept;
  void hand_over(const InboundItem& item, core::Millis now) noexcept;
  void on_receive_ended(uint32_t handle, int result) noexcept;
  void rearm_starved() noexcept;

  Ring& ring_;
  BufferRing& buffers_;
  ConnectionTable& connections_;
  core::Shard& shard_;
  Closer& closer_;
  NetMetrics& metrics_;
  InboundQueue queue_;
  // In the order in which they ran dry. An entry counts only while its connection is marked
  // starved.
  std::deque<uint32_t> starved_;
};

}  // namespace stampede::net
