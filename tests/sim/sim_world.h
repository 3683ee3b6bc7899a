#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/publish_check.h"
#include "tests/sim/sim_broker.h"

namespace stampede::sim {

struct SimScale {
  uint32_t shards = 4;
  uint32_t publishers = 8;
  uint32_t destinations = 50;
  uint32_t subscribers = 500;  // arrivals over the run
  uint32_t subscribers_at_once = 60;
  uint32_t sends = 400;
  SimFaults faults = {};
};

// SimWorld is a broker of topics: publishers, and subscribers that come and go.
//
// The promise it checks. A witness subscribes to everything before the first SEND and never leaves;
// what it sees is the canonical order of each destination. Then, for every subscription and
// destination:
//   - what it got is one unbroken piece of the canonical order: nothing lost, doubled or reordered;
//   - the piece begins no later than the first SEND made after the subscription's RECEIPT was seen;
//   - the piece reaches the end if the subscriber was still there at the end;
//   - nothing comes after the RECEIPT of its UNSUBSCRIBE.
// A publisher's order to a destination is kept; each SEND is in the canonical order exactly once,
// but of those with one message-id only the first; each SEND with a receipt got it, in order. If a
// publisher's connection breaks, that goes for its SENDs up to some frame, and for each that has
// its RECEIPT; none behind it is there. Another publisher takes its place. Whatever anybody sends
// once a RECEIPT was seen comes behind the SEND that has it.
// When all have left, every table is empty.
//
// A drain, which the shards learn of one by one while publishers go on, ends it with the same
// promise: what one publisher said is taken in up to some frame, and all of that reaches everyone
// who did not leave before it is told goodbye; what has a RECEIPT was taken in.
//
// Where subscribers are told goodbye one after the other, each has got what had a RECEIPT before
// the drain began, and what it got is a piece of the order as far as the witness saw it.
class SimWorld : private SimBroker {
 public:
  SimWorld(uint64_t seed, const SimScale& scale);

  // Each throws std::runtime_error with what was violated.
  void run();
  void run_with_drain();
  void run_with_spread_drain();
  // SENDs that were written, and did not arrive whole.
  [[nodiscard]] size_t sends_lost() const { return sends_lost_; }

 private:
  struct Sub {
    std::string id;
    std::string destination;
    bool is_live = false;            // RECEIPT seen
    bool is_ended = false;           // UNSUBSCRIBE's RECEIPT seen
    bool is_ending = false;          // UNSUBSCRIBE sent
    size_t sends_before_live = 0;    // of the world, when the RECEIPT was seen
    std::vector<uint32_t> received;  // numbers of SENDs
  };
  struct Peer : SimPeer {
    std::vector<std::unique_ptr<Sub>> subs;
    std::deque<std::string> receipts_expected;
    bool is_witness = false;
    bool is_dismissed = false;  // got the ERROR of the drain
    int publisher = -1;
  };
  struct Send {
    uint32_t destination;
    int publisher;
    uint64_t end = 0;  // of its octets, among the publisher's
    std::string message_id;
    bool is_duplicate = false;  // an earlier SEND to the destination had its message-id
    bool is_acknowledged = false;
    size_t sends_before_receipt = 0;  // of the world, when its RECEIPT was seen
    bool is_acknowledged_before_drain = false;
  };

  static Peer& as_peer(SimPeer& peer) { return static_cast<Peer&>(peer); }

  // -- What peers do.
  Peer& open_peer();
  void open_publisher();
  void subscribe(Peer& peer, const std::string& destination);
  void unsubscribe(Peer& peer, Sub& sub);
  void publish(Peer& peer);
  void leave(Peer& peer);
  void act() override;
  void on_broken(SimPeer& peer) override;
  // Opens the witness and the publishers; gives the witness, which is subscribed.
  Peer& populate();
  // Publishers publish up to that many, the others come and go.
  void live(size_t sends);
  void leave_all();
  void on_frame(SimPeer& peer, const SimFrame& frame) override;
  void on_message(Peer& peer, const SimFrame& frame);
  [[nodiscard]] std::string body_of(uint32_t number) const;

  // -- What must hold.
  void check_canonical(const Sub& witness);
  void check_order_of_receipts(const std::vector<uint32_t>& order) const;
  void check_sends_taken(const std::vector<uint32_t>& seen);
  void check_subscriptions();
  void check_farewells() const;
  void check_those_who_left_early(const Sub& witness) const;
  void check_left_early(const Sub& sub) const;
  [[nodiscard]] static bool sub_matches(const Sub& sub, uint32_t destination);

  const SimScale scale_;
  std::vector<Peer*> publishers_;
  std::vector<Send> sends_;
  std::vector<std::vector<uint32_t>> canonical_;  // by destination: numbers of SENDs in order
  size_t sends_max_ = 0;
  size_t sends_lost_ = 0;
  uint32_t arrivals_ = 0;
};

}  // namespace stampede::sim
