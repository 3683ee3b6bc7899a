#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/shard.h"
#include "tests/sim/sim_random.h"

namespace stampede::sim {

// One connection as net would hold it: octets under way to the broker, and one send under way from
// it.
struct SimSocket {
  core::Client* client = nullptr;  // null once released
  uint32_t shard = 0;
  std::string to_broker;  // written by the peer, not yet received
  size_t to_broker_taken = 0;
  std::vector<core::SendSpan> sending;
  std::string sending_copy;    // what the spans held when they were given
  bool has_operation = false;  // a send or a shutdown is under way
  bool is_shutdown = false;    // the broker ended its direction
  bool is_aborted = false;     // kAbort was told; waits for release
  bool is_paused = false;      // the broker asked for no octets, and that was heard
  bool peer_ended = false;     // the peer ended its direction; told once all octets are received
  bool peer_end_told = false;
  // The connection broke. The receive ends with an error behind the octets that arrived, and a send
  // under way at any time; each is told.
  bool is_reset = false;
  bool has_send_failed = false;
  bool send_failure_told = false;

  uint64_t written = 0;  // octets by the peer, ever
  uint64_t taken = 0;    // of them, by the broker
  uint64_t heard = 0;    // of them, when it last took all that it was given, and was not ending

  // What the peer writes behind its end goes nowhere.
  void write(const std::string& octets) {
    written += octets.size();
    if (!peer_ended && !is_reset) to_broker += octets;
  }
  // Of what was not received yet the end may be lost, from anywhere on; true if there is one.
  bool lose_end(SimRandom& random);
  [[nodiscard]] bool has_octets() const { return to_broker_taken < to_broker.size(); }
  // Takes between one octet and all that is under way.
  [[nodiscard]] std::string take_some(SimRandom& random);
  // Throws if the octets under way are not those that were given.
  void check_unchanged() const;
};

// The octets of the spans, read as the kernel would.
[[nodiscard]] std::string read_spans(const std::vector<core::SendSpan>& spans);

}  // namespace stampede::sim
