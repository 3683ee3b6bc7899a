#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/publish_check.h"
#include "tests/sim/resume_order.h"
#include "tests/sim/resume_records.h"
#include "tests/sim/sim_broker.h"

namespace stampede::sim {

struct ResumeScale {
  core::ShardId shards = 4;
  uint32_t topics_with_history = 3;
  uint32_t publishers = 3;
  uint32_t fans = 16;
  uint32_t sends = 400;
  SimFaults faults = {};
};

// ResumeWorld is a broker of topics with last values, most of them with a short history, and fans:
// clients that lose their connections in the middle of anything, come back on whatever shard, and
// go on behind what they saw last, by epoch and sequence. Some come for the first time, or say
// other beginnings; some follow patterns, select, acknowledge, unsubscribe, or do not read for a
// while. In some lives nobody is there for so long that what was kept, or whole topics, are
// forgotten. Publishers whose connections break are replaced. What must hold is with ResumeOrder
// and check_published. When all have left, every table is empty, and no message is left.
class ResumeWorld : private SimBroker {
 public:
  ResumeWorld(uint64_t seed, const ResumeScale& scale);

  // Each throws std::runtime_error with what was violated.
  void run();
  void run_with_drain();

 private:
  struct Position {
    std::string epoch;
    uint64_t sequence = 0;
    core::Millis at = 0;  // when that was known
  };
  // A wish, and where in what it brings the fan is.
  struct Interest {
    Wish wish;
    std::string id;
    std::optional<Position> position;
    ResumeSub* sub = nullptr;  // of the connection that is there; null: none
  };
  struct Peer;
  struct Fan {
    std::vector<Interest> interests;
    Peer* peer = nullptr;  // the last one
  };
  struct Peer : SimPeer {
    Fan* fan = nullptr;  // null: a publisher, or the witness
    std::vector<std::unique_ptr<ResumeSub>> subs;
    std::deque<std::string> receipts_expected;
    struct Unacknowledged {
      const ResumeSub* sub;
      std::string ack;
      std::string message_id;
    };
    std::deque<Unacknowledged> unacknowledged;
    bool is_dismissed = false;  // got the ERROR of the drain

    [[nodiscard]] bool can_act() const { return is_connected && !is_leaving && !is_released; }
  };
  static Peer& as_peer(SimPeer& peer) { return static_cast<Peer&>(peer); }

  // -- What peers do.
  Peer& open_peer();
  void act() override;
  void on_broken(SimPeer& peer) override;
  void act_as_fan(Fan& fan);
  void come_back(Fan& fan);
  void subscribe(Peer& peer, Interest& interest);
  // Chooses where it begins; gives the headers that say so.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> choose_beginning(
      const Interest& interest, ResumeSub& sub);
  void write_subscribe(Peer& peer, std::unique_ptr<ResumeSub> sub,
                       std::vector<std::pair<std::string, std::string>> headers);
  void unsubscribe(Peer& peer);
  void acknowledge(Peer& peer, size_t count);
  void publish();
  void leave(Peer& peer);
  void on_frame(SimPeer& peer, const SimFrame& frame) override;
  void on_message(Peer& peer, const SimFrame& frame);
  void on_receipt(Peer& peer, const SimFrame& frame);
  // The last time at which the broker knew of the subscription for certain.
  [[nodiscard]] core::Millis last_followed(const Peer& peer, const ResumeSub& sub) const;
  [[nodiscard]] std::string body_of(size_t number) const;

  // -- A life.
  void populate();
  void live(size_t sends);
  // Nobody publishes until what was kept is forgotten, and most fans are away.
  void idle();
  void settle();
  void leave_all();

  // -- What must hold.
  void check_all_is_published();
  void check_subscriptions() const;

  const ResumeScale scale_;
  ResumeRules rules_;
  std::vector<Said> said_;
  std::vector<WrittenSend> sends_;  // the same
  std::vector<size_t> said_by_topic_;
  ResumeOrder order_;
  std::vector<std::unique_ptr<Fan>> fans_;
  std::vector<Peer*> publishers_;
  const Peer* witness_ = nullptr;
  size_t sends_max_ = 0;
};

}  // namespace stampede::sim
