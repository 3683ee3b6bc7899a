#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/publish_check.h"
#include "tests/sim/sim_broker.h"

namespace stampede::sim {

// SlowWorld is a broker of topics that drop for those who lag, and subscribers that read now and
// then.
//
// The promise it checks. A witness, which misses nothing, shows each destination's order. Then, for
// every subscription to one destination:
//   - what it got is in that order, and each MESSAGE says exactly how many were missed before it;
//   - the first one that it got or missed comes no later than the first SEND after its RECEIPT;
//   - if it was still there at the end, it got the last one.
// A subscription to a pattern sees each destination in its order, and if it conflates, the last of
// each. What publishers whose connections broke had said is published up to some frame. Nobody is
// disconnected, nobody's publisher waits for who lags, and when all have left, every table is
// empty.
class SlowWorld : private SimBroker {
 public:
  SlowWorld(uint64_t seed, core::ShardId shards, const SimFaults& faults);

  // Throws std::runtime_error with what was violated.
  void run();
  // By all subscriptions, as they were told.
  [[nodiscard]] uint64_t missed() const;

 private:
  struct Got {
    uint32_t number;
    uint64_t missed;  // before it
  };
  struct Sub {
    std::string id;
    std::string destination;
    bool is_live = false;
    bool is_ended = false;
    size_t sends_before_live = 0;
    std::vector<Got> got;
    std::string to_acknowledge;  // the newest `ack` header
  };
  struct Peer : SimPeer {
    std::vector<std::unique_ptr<Sub>> subs;
    bool is_witness = false;
    bool is_publisher = false;
  };

  static Peer& as_peer(SimPeer& peer) { return static_cast<Peer&>(peer); }
  Peer& open_peer();
  Peer& open_publisher();
  void subscribe(Peer& peer, const std::string& destination);
  void publish(Peer& peer, size_t destination);
  // True if there was something.
  bool acknowledge(Peer& peer);
  // All read, and acknowledge, until there is nothing left to.
  void settle();
  void act() override;
  void on_broken(SimPeer& peer) override;
  void on_frame(SimPeer& of_peer, const SimFrame& frame) override;
  void check_all_is_published(const Sub& witness);
  void check(const Sub& sub, bool stayed) const;

  std::vector<Peer*> publishers_;
  std::vector<WrittenSend> sends_;                // by number
  std::vector<uint32_t> destination_of_;          // by number of SEND
  std::vector<std::vector<uint32_t>> canonical_;  // by destination
  size_t sends_max_ = 0;
};

}  // namespace stampede::sim
