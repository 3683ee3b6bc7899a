#include "core/commands/reply_to.h"

#include <algorithm>

#include "core/commands/consumer_options.h"
#include "core/commands/open_subscription.h"
#include "core/commands/read_destination.h"
#include "core/errors.h"
#include "core/shard_state.h"

namespace stampede::core {

namespace {

// False: the client was failed.
bool subscribe_to_replies(Client& client, const proto::StompFrame& frame,
                          const MappedDestination& destination, Millis now) {
  const Options& options = client.shard().options();
  const Session& session = client.session();
  if (session.is_subscribed_as(destination.text, {})) {
    client.fail(errors::kDuplicateSubscription,
                "a subscription to something else has the reply-to as its id", &frame);
    return false;
  }
  if (session.subscription_count() >= options.subscriptions_max) {
    client.fail(errors::kTooManySubscriptions,
                "the reply-to needs a subscription, and the connection has as many as "
                "--max-subscriptions allows",
                &frame);
    return false;
  }
  // As of a SUBSCRIBE that says nothing of it.
  const auto consumer = read_consumer_options({}, {}, options);
  open_subscription(client, destination, {.id = destination.text, .consumer = *consumer}, 0, now);
  return true;
}

}  // namespace

std::optional<std::vector<proto::StompHeader>> take_reply_to(Client& client,
                                                             const proto::StompFrame& frame,
                                                             std::string_view reply_to,
                                                             Millis now) {
  ShardState& shard = client.shard();
  const auto reply = shard.destination_map.map_reply_to(reply_to, destination_session(client));
  if (!reply) {
    fail_destination(client, frame, reply.error());
    return std::nullopt;
  }
  if (!shard.has_temporary(reply->destination) &&
      !subscribe_to_replies(client, frame, reply->destination, now)) {
    return std::nullopt;
  }
  std::vector<proto::StompHeader> headers(frame.headers.begin(), frame.headers.end());
  // The first counts (STOMP 1.2, "Repeated Header Entries").
  std::ranges::find(headers, "reply-to", &proto::StompHeader::name)->value = reply->public_name;
  return headers;
}

}  // namespace stampede::core
