#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/queue_ledger.h"
#include "tests/sim/queue_records.h"
#include "tests/sim/sim_broker.h"

namespace stampede::sim {

struct QueuePeer : SimPeer {
  SimSession session;
  std::vector<Transaction*> open;  // transactions
  uint64_t zeal = 0;               // of ten acts, so many are to send; the others are to consume
  bool is_witness = false;         // sees all topics
  bool is_last = false;            // comes when the others go
  bool is_dismissed = false;       // got an ERROR
  bool is_single_minded = false;   // has a subscription that its ACKs do not name

  [[nodiscard]] bool can_act() const { return is_connected && !is_leaving && !is_dismissed; }
};

// QueueTalk is what peers of a QueueWorld say. It chooses by chance, writes the frame and tells the
// ledger.
class QueueTalk {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  QueueTalk(const QueueRules& rules, QueueLedger& ledger, SimRandom& random)
      : rules_(rules), ledger_(ledger), random_(random) {}

  // -- Sending.
  // To somewhere, in a transaction if one is open.
  void send(QueuePeer& peer, core::Millis now);
  void send_to(QueuePeer& peer, uint32_t destination, Transaction* transaction);
  // What is a repetition of another's message-id.
  void send_again(QueuePeer& peer, const Put& before);
  Transaction& begin(QueuePeer& peer);
  void end(QueuePeer& peer, bool is_committed);

  // -- Consuming.
  void subscribe_somewhere(QueuePeer& peer);
  void subscribe(QueuePeer& peer, Sub& sub, Headers headers = {});
  void unsubscribe(QueuePeer& peer, Sub& sub);
  void settle(QueuePeer& peer, Delivery& delivery, Delivery::Fate fate,
              Transaction* transaction = nullptr);
  // Something that it has, or that it had when its subscription ended.
  void settle_some(QueuePeer& peer);
  // All that it has seen.
  void acknowledge_all(QueuePeer& peer);

  void disconnect(QueuePeer& peer);

 private:
  // Writes the frame; with `expected` it asks for a RECEIPT. Gives the frame's number.
  uint64_t say(QueuePeer& peer, const std::string& command, Headers headers,
               const ExpectedReceipt* expected = nullptr, const std::string& body = {});
  void finish_send(QueuePeer& peer, Put& put, Headers headers, Transaction* transaction);
  void describe(Put& put, Headers& headers, core::Millis now);
  void choose_id(QueuePeer& peer, Sub& sub);
  void choose_mode(QueuePeer& peer, Sub& sub, Headers& headers);
  [[nodiscard]] Transaction* some_transaction(const QueuePeer& peer);
  // How an ACK says which delivery it means.
  [[nodiscard]] Headers name(const QueuePeer& peer, const Delivery& delivery);

  const QueueRules& rules_;
  QueueLedger& ledger_;
  SimRandom& random_;
};

}  // namespace stampede::sim
