#pragma once

#include <cstdint>
#include <vector>

#include "tests/sim/sim_broker.h"

namespace stampede::sim {

// One SEND of a publisher that says nothing but CONNECT and SENDs.
struct WrittenSend {
  const SimPeer* publisher = nullptr;
  uint64_t end = 0;              // of its octets, among the publisher's
  bool is_duplicate = false;     // one before it had its message-id
  bool is_acknowledged = false;  // its RECEIPT came
  uint32_t times_seen = 0;       // by who sees all that is published
};

// Throws unless of each publisher that was published, once, which its session handled before its
// connection ended: its SENDs up to some frame, all of them if it is still there, and not fewer
// than were heard or have their RECEIPT. `sends` are in the order in which they were written.
void check_published(const std::vector<WrittenSend>& sends);

}  // namespace stampede::sim
