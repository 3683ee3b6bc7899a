#pragma once

#include <cstddef>
#include <cstdint>

#include "tests/sim/queue_ledger.h"
#include "tests/sim/queue_records.h"
#include "tests/sim/queue_talk.h"
#include "tests/sim/sim_broker.h"

namespace stampede::sim {

struct QueueScale {
  core::ShardId shards = 4;
  uint32_t queues = 5;
  uint32_t topics = 2;
  uint32_t puts = 800;  // SENDs over the run
  uint32_t peers_at_once = 16;
  SimFaults faults = {};  // not of the clock: what expires when is checked
};

// QueueWorld is a broker of queues, with some topics: peers that send to them in and out of
// transactions, consume in every ack mode, browse, settle what they got or leave it, stop reading,
// and come and go. Seeds differ in the bounds of queues and what happens at them, in credit and in
// how often a message may fail. What must hold is with QueueLedger and QueueBalance.
//
// A life ends in one of three ways: all leave, and then one consumer for each queue gets what
// remains; such consumers come while others are still there; or the shards drain, and what remains
// is counted. When all have left, every table is empty, and there is no message but in queues.
class QueueWorld : private SimBroker {
 public:
  QueueWorld(uint64_t seed, const QueueScale& scale);

  // Each throws std::runtime_error with what was violated.
  void run();
  void run_with_drain();

 private:
  static QueuePeer& as_peer(SimPeer& peer) { return static_cast<QueuePeer&>(peer); }

  void on_given(SimPeer& peer, const SimFrame& frame) override;
  void on_error(QueuePeer& peer, const SimFrame& frame);
  void on_sent(SimPeer& peer) override;
  void on_frame(SimPeer& peer, const SimFrame& frame) override;
  void on_message(QueuePeer& peer, const SimFrame& frame);
  void on_failed(SimPeer& peer, const core::ClosedClient& closed) override;
  void on_closed(SimPeer& peer, core::CloseReason reason) override;
  void on_left(SimPeer& peer) override;
  [[nodiscard]] Sub& sub_of(const QueuePeer& peer, const SimFrame& frame) const;

  // -- What peers do.
  QueuePeer& open_peer();
  void act() override;
  void act_as_producer(QueuePeer& peer);
  void act_as_consumer(QueuePeer& peer);
  void leave(QueuePeer& peer);

  // -- A life.
  // Opens the witness, who sees all topics, and others.
  void populate();
  // Until there were so many SENDs.
  void live(size_t puts);
  void rest_for(core::Millis time);
  // Time goes on until nobody waits for room in a queue.
  void let_none_wait();
  void idle_once();
  // Nobody moves for so long that those who do not read are cut off.
  void stall();
  // From now on all acknowledge what they get; what they have, at once.
  void settle_all();
  // Consumers of every queue get what remains.
  void send_the_last(bool is_alone);
  void leave_all(bool is_last);
  // SENDs of which nothing comes: ids that are known, and a transaction that no queue has room for.
  void send_in_vain();

  // -- What must hold.
  void check_receipts();
  void check_idle_queues() const;
  void check_topics() const;
  void check_topic(uint32_t topic) const;
  void check_sessions() const;
  void check_nothing_is_left() const;
  void check_remains() const;
  [[nodiscard]] core::ShardTables queue_tables() const;

  const QueueScale scale_;
  QueueRules rules_;
  QueueLedger ledger_;
  QueueTalk talk_;
  const Sub* witness_ = nullptr;
  size_t puts_max_ = 0;
  bool has_idled_ = false;
  bool is_settling_ = false;   // clients acknowledge at once
  bool is_impatient_ = false;  // some were cut off because they did not read
};

}  // namespace stampede::sim
