#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "core/shard.h"
#include "net/closer.h"
#include "net/connection.h"
#include "net/net_metrics.h"
#include "net/receiver.h"
#include "net/ring.h"
#include "net/send_watch.h"

namespace stampede::net {

// What a gathered send needs in memory until it completes.
struct SendSlot {
  msghdr message;
  std::array<iovec, core::kSendSpansMax> spans;
};

// Sender carries out what the core plans: sends, half-closes, aborts.
//
// Owns:      the slots of gathered sends in flight. What is sent belongs to the core.
// Thread:    home shard.
// Invariant: at most one send of a connection is in flight; the core hears sent() when all octets
// were taken, never before.
class Sender {
 public:
  Sender(Ring& ring, ConnectionTable& connections, core::Shard& shard, Closer& closer,
         Receiver& receiver, NetMetrics& metrics)
      : ring_(ring),
        connections_(connections),
        shard_(shard),
        closer_(closer),
        receiver_(receiver),
        metrics_(metrics) {}

  // Visits at most `max` clients that are ready; gives how many.
  size_t flush(size_t max, core::Millis now) noexcept;
  void on_send(const Completion& completion, core::Millis now) noexcept;
  [[nodiscard]] size_t slots_used() const { return slots_.size() - free_slots_.size(); }

 private:
  void start(uint32_t handle, std::span<const core::SendSpan> spans, size_t bytes) noexcept;
  void prep_send(uint32_t handle) noexcept;
  void advance(Connection& connection, size_t sent_bytes) noexcept;
  void finish(uint32_t handle) noexcept;
  uint32_t take_slot() noexcept;

  Ring& ring_;
  ConnectionTable& connections_;
  core::Shard& shard_;
  Closer& closer_;
  Receiver& receiver_;
  NetMetrics& metrics_;
  std::deque<SendSlot> slots_;  // addresses must hold while the kernel reads them
  std::vector<uint32_t> free_slots_;
  SendWatch watch_;
};

}  // namespace stampede::net
