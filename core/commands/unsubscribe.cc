#include <optional>

#include "core/commands/commands.h"
#include "core/shard_state.h"

namespace stampede::core {

namespace {

QueueSubscription* find_queue_subscription(const Session& session,
                                           std::optional<std::string_view> id,
                                           std::optional<std::string_view> destination) {
  const QueueSubscriptions* const queues = session.queue_subscriptions();
  if (queues == nullptr) return nullptr;
  return id ? queues->find_by_id(*id) : queues->find_by_destination(*destination);
}

}  // namespace

void handle_unsubscribe(Client& client, const proto::StompFrame& frame, Millis /*now*/) {
  Session& session = client.session();
  const auto id = frame.header("id");
  const auto destination = frame.header("destination");
  // 1.0 goes by the destination if the SUBSCRIBE had no id.
  const bool by_destination = !id && destination && session.version() == proto::StompVersion::k10;
  if (!id && !by_destination) {
    client.fail(errors::kMissingId, "UNSUBSCRIBE needs the header id", &frame);
    return;
  }
  // All of a composite have one id. What was appended for them goes out before the RECEIPT, and
  // nothing behind it.
  bool is_known = false;
  while (Subscription* const subscription =
             by_destination ? session.find_by_destination(*destination) : session.find_by_id(*id)) {
    client.end_subscription(session.take(*subscription), true);
    is_known = true;
  }
  while (QueueSubscription* const queue = find_queue_subscription(session, id, destination)) {
    client.end_queue_subscription(*queue, true);
    is_known = true;
  }
  if (!is_known) {
    client.fail(errors::kUnknownSubscription, "no subscription with this id is open", &frame);
    return;
  }
  session.reply(client, frame);
}

}  // namespace stampede::core
