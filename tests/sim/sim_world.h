#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/mailbox.h"
#include "core/options.h"
#include "core/shard.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_random.h"
#include "tests/sim/sim_socket.h"

namespace stampede::sim {

struct SimScale {
  uint32_t shards = 4;
  uint32_t publishers = 8;
  uint32_t destinations = 50;
  uint32_t subscribers = 500;  // arrivals over the run
  uint32_t subscribers_at_once = 60;
  uint32_t sends = 400;
};

// SimWorld is the whole broker in one thread: N shards of the real core, a virtual clock, peers
// that are raw octet streams cut at random, and one source of chance that decides what happens
// next. It drives core::Shard as net does.
//
// The promise it checks. A witness subscribes to everything before the first SEND and never leaves;
// what it sees is the canonical order of each destination. Then, for every subscription and
// destination:
//   - what it got is one unbroken piece of the canonical order: nothing lost, doubled or reordered;
//   - the piece begins no later than the first SEND made after the subscription's RECEIPT was seen;
//   - the piece reaches the end if the subscriber was still there at the end;
//   - nothing comes after the RECEIPT of its UNSUBSCRIBE.
// A publisher's order to a destination is kept; each SEND is in the canonical order exactly once,
// but of those with one message-id only the first; each SEND with a receipt got it, in order.
// Octets of a send do not change while it is under way. When all have left, every table is empty.
//
// A drain, which the shards learn of one by one while publishers go on, ends it with the same
// promise: what one publisher said is taken in up to some frame, and all of that reaches everyone
// who did not leave before it is told goodbye; what has a RECEIPT was taken in.
class SimWorld : private core::ShardObserver {
 public:
  SimWorld(uint64_t seed, const SimScale& scale);
  ~SimWorld() override;

  // Each throws std::runtime_error with what was violated.
  void run();
  void run_with_drain();

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
  struct Peer {
    uint32_t index = 0;
    SimSocket socket;
    std::unique_ptr<SimClient> protocol;
    std::vector<std::unique_ptr<Sub>> subs;
    std::deque<std::string> receipts_expected;
    bool is_connected = false;
    bool is_leaving = false;  // DISCONNECT sent, or the stream ended by the peer
    bool is_cut = false;      // reset: what it saw may end anywhere
    bool is_witness = false;
    bool is_dismissed = false;  // got the ERROR of the drain
    int publisher = -1;
    bool is_released = false;
    uint32_t stuck = 0;  // steps until it reads again
  };
  struct Send {
    uint32_t destination;
    int publisher;
    std::string message_id;
    bool is_duplicate = false;  // an earlier SEND to the destination had its message-id
    bool is_acknowledged = false;
  };

  void on_client_closed(const core::ClosedClient& client) override;

  // -- What peers do.
  Peer& open_peer(uint32_t shard);
  void write(Peer& peer, const std::string& octets) { peer.socket.to_broker += octets; }
  void subscribe(Peer& peer, const std::string& destination);
  void unsubscribe(Peer& peer, Sub& sub);
  void publish(Peer& peer);
  void leave(Peer& peer);
  void act();
  // Opens the witness and the publishers; gives the witness, which is subscribed.
  Peer& populate();
  // Publishers publish up to that many, the others come and go.
  void live(size_t sends);
  void on_frame(Peer& peer, const SimFrame& frame);
  void on_message(Peer& peer, const SimFrame& frame);
  [[nodiscard]] std::string body_of(uint32_t number) const;

  // -- What happens to the broker.
  void step();
  bool step_peer(Peer& peer);
  void step_shard(core::ShardId shard);
  void flush(core::ShardId shard);
  void complete(Peer& peer);
  void run_until_quiet();
  [[nodiscard]] bool is_quiet();
  void drain();

  // -- What must hold.
  void check_canonical(const Sub& witness);
  void check_sends_taken(const std::vector<uint32_t>& seen) const;
  void check_subscriptions();
  void check_farewells() const;
  void check_tables_are_empty();
  [[noreturn]] void fail(const std::string& what) const;

  SimRandom random_;
  const SimScale scale_;
  const uint64_t seed_;
  core::Options options_;
  proto::UpgradePolicy upgrade_;
  core::MailboxGrid mailboxes_;
  std::vector<std::unique_ptr<core::Shard>> shards_;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::vector<Peer*> present_;  // not released
  std::vector<Peer*> publishers_;
  std::vector<Send> sends_;
  std::vector<std::vector<uint32_t>> canonical_;  // by destination: numbers of SENDs in order
  std::vector<uint32_t> mail_stall_;  // by shard: steps until it looks at its mail again
  core::Millis now_ = 1'000'000;
  size_t sends_max_ = 0;
  uint32_t arrivals_ = 0;
  bool is_draining_ = false;
  bool is_over_ = false;
};

}  // namespace stampede::sim
