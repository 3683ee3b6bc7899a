#pragma once

#include <cstddef>
#include <cstdint>

#include "tests/sim/queue_ledger.h"

namespace stampede::sim {

// QueueBalance draws up what a QueueLedger says at the end, when nothing is under way any more.
//
// The promise it checks:
//   - each message that was taken in for certain is done with, or still in a queue, or became a
//     dead letter; what a RECEIPT says is certain, that of DISCONNECT for all before it, and what
//     is shown by something later that the same client said. So are all messages of a transaction
//     of which one was seen;
//   - none was given again behind an acknowledgement that took effect for certain, that of a
//     transaction too.
class QueueBalance {
 public:
  QueueBalance(const QueueLedger& ledger, const QueueRules& rules, core::Millis now)
      : ledger_(ledger), rules_(rules), now_(now) {}

  // Requires: all queues were emptied by consumers. Gives how many messages can only have been
  // dropped because a queue was full.
  [[nodiscard]] size_t check_nothing_is_left() const;
  // How many messages are in queues.
  struct Remains {
    size_t least = 0;
    size_t most = 0;
  };
  [[nodiscard]] Remains remains() const;
  // None was given again that was done with.
  void check_deliveries() const;
  // Topics show what was sent to them to the one who sees all.
  void check_topics() const;

 private:
  enum class Whereabouts : uint8_t { kGone, kUnsure, kInQueue, kBecameDead };

  [[nodiscard]] bool is_certain(const Put& put) const;
  [[nodiscard]] Whereabouts whereabouts(const Put& put) const;
  [[nodiscard]] Whereabouts whereabouts_after(const Delivery& last, bool is_dead,
                                              size_t deliveries) const;
  [[nodiscard]] bool may_have_expired(const Put& put) const;

  const QueueLedger& ledger_;
  const QueueRules& rules_;
  const core::Millis now_;
};

}  // namespace stampede::sim
