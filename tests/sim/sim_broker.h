#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/mailbox.h"
#include "core/options.h"
#include "core/shard.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_faults.h"
#include "tests/sim/sim_random.h"
#include "tests/sim/sim_socket.h"

namespace stampede::sim {

// One peer: its connection, and what it was sent.
struct SimPeer {
  virtual ~SimPeer() = default;

  uint32_t index = 0;
  SimSocket socket;
  std::unique_ptr<SimClient> protocol;
  std::vector<SimFrame> given;  // what the send under way carries
  std::deque<SimFrame> inbox;   // sent, and not yet looked at
  bool is_connected = false;
  bool is_leaving = false;  // said that it leaves, or was cut
  bool is_cut = false;      // what it said, or what it got, may end anywhere
  bool is_released = false;
  bool has_left = false;   // its turn to leave came, in a drain one by one
  bool is_spared = false;  // its connection does not break
  // When the broker ended the session, and how many frames it had handled by then; nothing if it
  // did not.
  std::optional<core::Millis> closed_at;
  std::optional<uint64_t> frames_handled;
  uint32_t stuck = 0;  // steps until it reads again
};

// SimBroker is the whole broker in one thread: N shards of the real core, a virtual clock, peers
// that are raw octet streams cut at random, and one source of chance that decides what happens
// next. It drives core::Shard as net does. What the peers say, and what must hold for what they
// get, is the business of the worlds that are made of it.
//
// Checks at every step: at most one operation of a connection is under way, and none behind its
// end; octets of a send do not change while it is under way; sends are whole frames, and are what
// SimClient reads.
class SimBroker : private core::ShardObserver {
 public:
  ~SimBroker() override;
  SimBroker(const SimBroker&) = delete;
  SimBroker& operator=(const SimBroker&) = delete;

 protected:
  SimBroker(uint64_t seed, core::ShardId shards);
  // Call once, when options_ are as they should be.
  void open_shards();
  // From now on these happen now and then. Requires: open_shards() is still to come.
  //   - The clock jumps ahead, by up to jump_max_; deadlines that end clients are longer than all
  //     of that.
  //   - One shard at a time stands still for 500 ms, with all that its connections are about.
  //   - A connection breaks, in the middle of whatever it carries: it is reset, or only its send
  //     fails, or the peer ends its own direction. Then on_broken() is called.
  void let_happen(const SimFaults& faults);
  void let_shards_stall();

  // -- What a world is told.
  // The frame is part of a send that begins. What a peer was given may never reach it.
  virtual void on_given(SimPeer& /*peer*/, const SimFrame& /*frame*/) {}
  // The send that carries peer.given is complete.
  virtual void on_sent(SimPeer& /*peer*/) {}
  // The peer looks at a frame.
  virtual void on_frame(SimPeer& peer, const SimFrame& frame) = 0;
  // The broker ended the peer's session, for a reason that no peer gives.
  virtual void on_failed(SimPeer& peer, const core::ClosedClient& closed);
  // The broker ended the peer's session, for whatever reason.
  virtual void on_closed(SimPeer& /*peer*/, core::CloseReason /*reason*/) {}
  // Its connection broke: nothing more comes from it, and the broker may not know yet.
  virtual void on_broken(SimPeer& /*peer*/) {}
  // In a drain one by one its turn has come: its subscriptions have ended, and it may still be sent
  // what was under way.
  virtual void on_left(SimPeer& /*peer*/) {}
  // Somebody may do something.
  virtual void act() = 0;

  // -- What peers do.
  // Connects: handshake and CONNECT are under way.
  void open(std::unique_ptr<SimPeer> peer, core::ShardId shard);
  static void write(SimPeer& peer, const std::string& octets) { peer.socket.write(octets); }
  // Nothing more comes from the peer, but it still reads.
  static void end_stream(SimPeer& peer);
  void cut(SimPeer& peer);
  [[nodiscard]] core::ShardId any_shard();
  [[nodiscard]] SimPeer& anybody() { return *present_[random_.below(present_.size())]; }

  // -- What happens to the broker.
  void step();
  // Some steps, then somebody acts.
  void live_on();
  // The handshakes and CONNECTs that are under way come to their end.
  void wait_until_connected();
  void run_until_quiet();
  // Time passes while nothing happens.
  void rest(core::Millis time);
  // The shards learn of a drain one by one, while peers go on; all peers leave together.
  void drain();
  // The same, but peers leave one after the other while the rest goes on.
  void drain_one_by_one();

  // -- What must hold. Each throws std::runtime_error with what was violated.
  // Requires: all have left.
  void check_tables_are_empty();
  [[noreturn]] static void fail(const std::string& what);

  SimRandom random_;
  core::Options options_;
  core::MailboxGrid mailboxes_;
  std::vector<std::unique_ptr<core::Shard>> shards_;
  std::vector<std::unique_ptr<SimPeer>> peers_;
  std::vector<SimPeer*> present_;  // not released
  core::Millis now_ = 1'000'000;
  core::Millis jump_max_ = 3'600'000;
  bool are_alike_ = false;  // all peers speak 1.2 over WebSocket
  bool is_draining_ = false;
  bool is_leaving_one_by_one_ = false;

 private:
  void on_client_closed(const core::ClosedClient& client) override;
  bool step_peer(SimPeer& peer);
  void step_shard(core::ShardId shard);
  void flush(core::ShardId shard);
  void begin_send(SimPeer& peer, const std::vector<core::SendSpan>& spans, size_t bytes);
  void look_for_leavers();
  // The peer gets some of the frames that are under way to it.
  void reach(SimPeer& peer);
  void complete(SimPeer& peer);
  void release(SimPeer& peer);
  void look_at_inbox(SimPeer& peer);
  // False: there were none.
  bool tell_receive_changes(core::Shard& shard);
  [[nodiscard]] bool is_quiet();
  void disturb();
  void break_connection(SimPeer& peer);
  void fail_send(SimPeer& peer);
  // Tells the shard of an operation that ended with an error; false if it did not now.
  bool tell_failure(SimPeer& peer);
  [[nodiscard]] bool is_stalled(core::ShardId shard) const {
    return shard == stalled_ && now_ < stalled_until_;
  }

  const proto::UpgradePolicy upgrade_;
  std::vector<uint32_t> mail_stall_;  // by shard: steps until it looks at its mail again
  SimFaults faults_;
  core::ShardId stalled_ = 0;
  core::Millis stalled_until_ = 0;
  bool is_over_ = false;
};

}  // namespace stampede::sim
