#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "core/client.h"
#include "core/commands/ack_options.h"
#include "core/commands/recall_options.h"
#include "core/destination_map.h"
#include "core/queue_types.h"
#include "core/selector/selector.h"
#include "core/slow_terms.h"

namespace stampede::core {

// How subscriptions are named, and which messages they get and how.
struct SubscriptionOptions {
  std::string_view id;  // without has_id: the destination as it was written, by which 1.0
                        // unsubscribes
  bool has_id = true;
  AckOptions ack = {};
  RecallOptions recall = {};                           // of a topic
  std::shared_ptr<AckOrder> ack_order = nullptr;       // of a composite
  std::shared_ptr<const Selector> selector = nullptr;  // null: all messages
  bool is_no_local = false;
  std::optional<SlowTerms> slow = std::nullopt;  // of a topic, as it was asked for
  ConsumerOptions consumer = {};                 // of a queue
  bool says_browse_end = true;                   // of a queue
};

// Opens one subscription of the client. A part of `ticket` is completed once routing is live: what
// is published from then on, by anyone, is delivered.
void open_subscription(Client& client, const MappedDestination& to,
                       const SubscriptionOptions& options, uint32_t ticket, Millis now);

}  // namespace stampede::core
