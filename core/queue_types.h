#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "core/message.h"
#include "core/message_filter.h"
#include "core/shard_types.h"

namespace stampede::core {

// Which subscription of which client takes messages from a queue.
struct ConsumerKey {
  ShardId home = 0;
  ClientRef client = {};
  uint32_t subscription = 0;  // the home shard's number for it, unique for each client
  friend bool operator==(const ConsumerKey&, const ConsumerKey&) = default;
};

// How a consumer wants its messages.
struct ConsumerOptions {
  // Unsettled deliveries at most; 0 counts as 1.
  uint32_t credit_messages = 1;
  // Body octets of unsettled deliveries at most, but one message always goes. A consumer for which
  // a message is too large gets nothing else before it has settled something.
  size_t credit_bytes = SIZE_MAX;
  int32_t priority = 0;  // higher first; round robin among equals
  bool is_exclusive =
      false;                 // the first such consumer gets everything; the others wait for its end
  bool is_browser = false;   // sees what waits, takes nothing, then on_browsed()
  bool is_no_local = false;  // takes nothing that its own client sent
  std::shared_ptr<const MessageFilter> filter = nullptr;  // null: takes all
};

// What becomes of a delivery.
enum class Settlement : uint8_t {
  kAck,      // consumed
  kRequeue,  // failed: goes back to its place, and counts
  kReject,   // failed for good: a dead letter
  kReturn,   // was never given to the client: goes back and does not count
};

// Why a message left a queue without being consumed.
enum class DeadReason : uint8_t { kExpired, kRejected, kDeliveryLimit, kFull, kCount };

[[nodiscard]] std::string_view to_string(DeadReason reason);  // "expired", "rejected", ...

// QueueSink is told what a queue decides, during the call in which it decides it. It must not call
// the queue but for its measures, which count what it is told as done.
//
// Lifetime:  outlives the queues that it is given to.
class QueueSink {
 public:
  virtual ~QueueSink() = default;
  // The queue keeps its reference until the delivery is settled; a sink that needs the message
  // longer, or for a browser, takes one of its own. `earlier_deliveries` are those that failed.
  virtual void on_deliver(const ConsumerKey& consumer, Message& message, uint64_t tag,
                          uint32_t earlier_deliveries) = 0;
  // The browser has been given everything that there was. Once for each browser.
  virtual void on_browsed(const ConsumerKey& browser) = 0;
  // The message left the queue, which drops its reference after the call. `deliveries` are those
  // that failed, the last one included.
  virtual void on_dead(Message& message, DeadReason reason, uint32_t deliveries) = 0;
};

}  // namespace stampede::core
