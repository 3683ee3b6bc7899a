#include "core/commands/commands.h"
#include "core/shard_state.h"

namespace stampede::core {

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
  Subscription* subscription =
      by_destination ? session.find_by_destination(*destination) : session.find_by_id(*id);
  if (subscription == nullptr) {
    client.fail(errors::kUnknownSubscription, "no subscription with this id is open", &frame);
    return;
  }
  // What was appended for it goes out before the RECEIPT, and nothing behind it.
  client.end_subscription(session.take(*subscription), true);
  session.reply(client, frame);
}

}  // namespace stampede::core
