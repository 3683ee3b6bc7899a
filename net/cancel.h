#pragma once

#include <liburing.h>

#include <cstdint>

#include "net/connection.h"
#include "net/ring.h"

namespace stampede::net {

// Asks the kernel to end the connection's operation. By its user_data, which is found by a hash; a
// cancel of all that a descriptor has looks at every operation of the ring that is armed. Its own
// completion has Op::kCancel, and is counted as pending until then. Thread: home shard.
inline void cancel(Ring& ring, ConnectionTable& connections, uint32_t handle, Op op) noexcept {
  io_uring_sqe* const sqe = ring.get_sqe();
  io_uring_prep_cancel64(sqe, connections.tag(op, handle).encode(), 0);
  sqe->user_data = connections.tag(Op::kCancel, handle).encode();
  ++connections.at(handle).cancels_pending;
}

}  // namespace stampede::net
