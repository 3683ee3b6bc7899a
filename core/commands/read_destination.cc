#include "core/commands/read_destination.h"

#include "core/errors.h"
#include "core/shard_state.h"
#include "proto/base/check.h"

namespace stampede::core {

DestinationSession destination_session(Client& client) {
  return {.home = client.shard().id(),
          .client_id = client.id(),
          .user_name = client.session().user_name()};
}

std::span<const MappedDestination> read_destination(Client& client, const proto::StompFrame& frame,
                                                    const std::string_view* text,
                                                    DestinationUse use) {
  if (text == nullptr) {
    client.fail(errors::kMissingDestination, "SEND and SUBSCRIBE need the header destination",
                &frame);
    return {};
  }
  const auto mapped = client.shard().destination_map.map(*text, use, destination_session(client));
  if (mapped) return *mapped;
  fail_destination(client, frame, mapped.error());
  return {};
}

void fail_destination(Client& client, const proto::StompFrame& frame, DestinationKind kind) {
  switch (kind) {
    case DestinationKind::kEmpty:
      client.fail(errors::kBadDestination, "the header destination is empty", &frame);
      return;
    case DestinationKind::kTooLong:
      client.fail(errors::kBadDestination,
                  "the destination is longer than --max-destination-length allows", &frame);
      return;
    case DestinationKind::kTooManyLevels:
      client.fail(errors::kBadDestination,
                  "the destination has more levels than --max-destination-levels allows", &frame);
      return;
    case DestinationKind::kRestNotLast:
      client.fail(errors::kBadDestination,
                  "the levels #, > and ** mean the rest and must be the last", &frame);
      return;
    case DestinationKind::kExactOnly:
      client.fail(errors::kBadDestination,
                  "only topics are subscribed by pattern: a queue, and what is a user's or "
                  "temporary, goes by its name, without the levels *, #, > and **",
                  &frame);
      return;
    case DestinationKind::kNameMissing:
      client.fail(errors::kBadDestination,
                  "the destination ends where a name must be: /user/{name}/{destination}, "
                  "/temp-queue/{name}, /exchange/amq.topic/{key}",
                  &frame);
      return;
    case DestinationKind::kTooManyParts:
      client.fail(errors::kBadDestination,
                  "the destination has more parts than --max-composite-destinations allows",
                  &frame);
      return;
    case DestinationKind::kListAsReply:
      client.fail(errors::kBadDestination, "reply-to is one destination, not a list", &frame);
      return;
    case DestinationKind::kUnknownExchange:
      client.fail(errors::kUnsupportedDestination,
                  "of exchanges this server has amq.topic, amq.direct and amq.fanout", &frame);
      return;
    case DestinationKind::kUnsupported:
      client.fail(errors::kUnsupportedDestination,
                  "this server has no durable subscriptions as destinations, and calls other "
                  "connections' temporary destinations /reply-queue/ and /reply-topic/",
                  &frame);
      return;
    case DestinationKind::kForeign:
      client.fail(errors::kAccessDenied,
                  "the destination is another connection's: it can be sent to, not subscribed to",
                  &frame);
      return;
    case DestinationKind::kTopic:
    case DestinationKind::kQueue:
    case DestinationKind::kPattern:
      break;
  }
  CHECK(false);
}

}  // namespace stampede::core
