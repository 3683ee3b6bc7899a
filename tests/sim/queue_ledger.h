#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/queue_records.h"
#include "tests/sim/sim_client.h"

namespace stampede::sim {

// QueueLedger knows what peers said and what the broker did about it, and throws
// std::runtime_error where the two do not agree. Peers tell it what they write; the broker's frames
// are shown to it when they are put on a connection. So it knows exactly what was given to whom in
// which order, and what was handled for certain.
//
// The promise it checks as things happen (QueueBalance has the end):
//   - a message of a queue is with one consumer at a time, and not given again once it was
//     acknowledged or, in auto mode, sent; each delivery but the first is marked and counted;
//   - first deliveries to a consumer are in each producer's order, those of a group to whomever,
//     and a group is with one consumer at a time; what came back keeps its place, as is seen by who
//     is alone and last;
//   - no subscription has more than its credit, and each the headers of its kind;
//   - nothing of a transaction is seen before its COMMIT is written;
//   - RECEIPTs come in the order of their frames; what a full queue refused is never seen, and it
//     refuses no SEND before that has waited.
class QueueLedger {
 public:
  explicit QueueLedger(const QueueRules& rules)
      : rules_(rules), disturbances_(rules.destinations.size()) {}

  // -- What peers do, told when the frame is written.
  [[nodiscard]] Put& add_put(SimSession& producer);
  [[nodiscard]] Sub& add_sub() { return subs_.emplace_back(); }
  [[nodiscard]] Transaction& add_transaction() { return transactions_.emplace_back(); }
  void publish(Put& put, uint64_t frame);
  void settle(Delivery& delivery, Delivery::Fate fate, uint64_t frame);
  void commit(const Transaction& transaction, uint64_t frame);
  void end(Sub& sub);

  // -- What the broker does.
  // The MESSAGE is put on the connection of the subscription.
  void give(Sub& sub, const SimFrame& frame, core::Millis now);
  // All that was under way for the subscription was sent.
  static void sent(Sub& sub);
  void receipt(SimSession& session, const std::string& id);
  // ERROR queue-full; null: it names no receipt. `is_hasty`: nobody is let wait any more.
  // `is_late`: what is owed for earlier frames was waited for long enough.
  struct Refusal {
    const std::string* receipt_id;
    bool is_hasty;
    bool is_late;
  };
  void refused(SimSession& session, const Refusal& refusal, core::Millis now);
  // `is_graceful`: what was under way counts as sent.
  void closed(SimSession& session, bool is_graceful);
  // Everything is where it belongs, and nothing is under way.
  void rest();

  [[nodiscard]] const std::deque<Put>& puts() const { return puts_; }
  [[nodiscard]] bool is_of_queue(const Put& put) const;
  // Another of the same message-id was seen.
  [[nodiscard]] bool is_duplicate(const Put& put) const;
  // Those that have the put's message-id, itself included.
  [[nodiscard]] std::vector<const Put*> same_as(const Put& put) const;
  [[nodiscard]] static std::string body_of(uint32_t number);

 private:
  // Consumers of a queue that left may have had messages that they were not given.
  struct Disturbance {
    size_t ends = 0;      // since the last rest
    size_t last_end = 0;  // the number of the last one ever
    uint64_t until = 0;   // the order of what was published by that rest
  };
  struct Group {
    std::vector<Delivery*> with;
    bool is_selected = false;  // a consumer passed over some of it
    std::map<std::pair<uint32_t, int>, uint64_t> last_orders;
  };
  struct SameId {
    std::vector<const Put*> puts;
    const Put* seen = nullptr;
  };
  using OfDestination = std::pair<uint32_t, std::string>;

  [[nodiscard]] bool may_be_refused(const ExpectedReceipt& expected) const;
  static void refuse(SimSession& session, const ExpectedReceipt& expected);
  [[nodiscard]] Put& put_of(const Sub& sub, const SimFrame& frame);
  void check_headers(const Sub& sub, const Put& put, const SimFrame& frame) const;
  void see(Put& put);
  void disturb(Sub& sub);
  void give_from_queue(Delivery& delivery, const SimFrame& frame, core::Millis now);
  void check_death(const Put& put, const SimFrame& frame) const;
  void check_places(Sub& sub, const Put& put) const;
  void check_first_order(Sub& sub, const Put& put) const;
  void check_returned_order(Sub& sub, const Put& put, const Delivery& before) const;
  void check_group(Delivery& delivery, bool is_first);
  static void hold(Sub& sub, Delivery& delivery);

  const QueueRules& rules_;
  std::deque<Put> puts_;  // by number
  std::deque<Sub> subs_;
  std::deque<Transaction> transactions_;
  std::deque<Delivery> deliveries_;
  std::vector<Disturbance> disturbances_;  // by destination
  std::map<OfDestination, Group> groups_;
  std::map<OfDestination, SameId> ids_;
  uint64_t order_ = 0;
};

}  // namespace stampede::sim
