#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "net/server.h"
#include "tests/net/fault_peer.h"
#include "tests/net/ring_faults.h"
#include "tests/sim/sim_random.h"

namespace stampede::net {

// FaultWorld is a broker on real sockets under faults of every kind, chosen by the seed, with
// publishers, subscribers and passers-by, TCP and WebSocket, who are driven by one loop.
//
// The promise it checks. A subscriber whose connection lived saw what each publisher sent to a
// topic from the first message on, in order, each once; all who lived saw the same; and what has a
// RECEIPT is part of it. No connection ends in order inside a frame. Who died is in the log once,
// with a reason, and was counted under it. When all are gone, tables, buffers, messages and
// descriptors are what they were at the start.
//
// The seed chooses faults and what peers do; when the kernel does what is its own affair, so a seed
// replays what happens at the rings and not when.
class FaultWorld {
 public:
  explicit FaultWorld(uint64_t seed);
  ~FaultWorld();

  // Each throws std::runtime_error with what was violated, and what had happened by then.
  void run() {
    explain([this] { live(); });
  }
  // The broker drains while publishers go on.
  void run_with_drain() {
    explain([this] { live_and_drain(); });
  }

 private:
  static constexpr size_t kPublishers = 4;
  static constexpr size_t kTopics = 3;
  using Counts = std::array<std::array<uint32_t, kTopics>, kPublishers>;

  enum class Role : uint8_t { kPublisher, kSubscriber, kPasser };
  struct Member {
    std::unique_ptr<FaultPeer> peer;
    Role role;
    size_t publisher = 0;      // kPublisher
    uint32_t sends_left = 0;   // kPublisher
    size_t receipts_left = 0;  // of SUBSCRIBEs; of SENDs, where they come in order
    uint32_t stuck = 0;        // turns until it reads again
    bool is_connected = false;
    bool is_leaving = false;
    bool is_dismissed = false;  // told of the drain
    bool is_lost = false;       // its connection ended, and it had not asked for that
    Counts next = {};           // kSubscriber: what it is to see next
    std::map<std::pair<size_t, size_t>, uint32_t> seen;  // kPasser
  };

  // -- A life.
  void explain(const std::function<void()>& life);
  void live();
  void live_and_drain();
  void choose_faults();
  void start_server();
  void populate();
  void join(Role role);
  // Everything that publishers have to say is said and answered, or they are lost.
  void publish_all();
  void wait_until_all_is_delivered();
  // Nobody joins any more, and who did is connected.
  void let_nobody_in();
  void leave_all();
  void end_server();

  // -- A turn.
  void turn();
  void exchange(Member& member);
  void act(Member& member);
  void publish(Member& member);
  void leave(Member& member);
  void on_frame(Member& member, const sim::SimFrame& frame);
  void on_message(Member& member, const sim::SimFrame& frame);
  void on_receipt(Member& member, const std::string& id);
  // Turns until it is so. Throws if that takes too long.
  template <typename Condition>
  void wait_until(const char* what, Condition&& condition);

  // -- What must hold.
  void check_survivors();
  // Tables, buffers, pools and messages are what they were at the start.
  [[nodiscard]] bool is_nothing_left();
  void check_log();
  [[nodiscard]] static bool has_lived(const Member& member);
  [[noreturn]] static void fail(const std::string& what);

  sim::SimRandom random_;
  const size_t descriptors_before_;
  RingFaults faults_;
  std::mutex lines_mutex_;
  std::vector<std::string> lines_;
  std::unique_ptr<Server> server_;
  std::vector<std::unique_ptr<Member>> members_;
  Counts published_ = {};
  Counts acknowledged_ = {};
  uint32_t passers_left_ = 0;
  bool is_draining_ = false;
};

}  // namespace stampede::net
