#include <memory>

#include "core/commands/ack_options.h"
#include "core/commands/commands.h"
#include "core/commands/destination_error.h"
#include "core/destination_name.h"
#include "core/shard_state.h"

namespace stampede::core {

namespace {

// Says what is wrong with the frame, by failing the client; false if nothing is.
bool is_refused(Client& client, const proto::StompFrame& frame, DestinationKind kind) {
  const Options& options = client.shard().options();
  const Session& session = client.session();
  const auto id = frame.header("id");
  if (kind != DestinationKind::kTopic && kind != DestinationKind::kPattern) {
    fail_destination(client, frame, kind);
  } else if (!id && session.version() != proto::StompVersion::k10) {
    client.fail(errors::kMissingId, "SUBSCRIBE needs the header id", &frame);
  } else if (id && id->size() > options.subscription_id_bytes_max) {
    client.fail(errors::kHeaderTooLong, "the id is longer than --max-subscription-id-length allows",
                &frame);
  } else if (frame.header("selector")) {
    client.fail(errors::kUnsupportedHeader, "this server has no selectors", &frame);
  } else if (id ? session.find_by_id(*id)
                : session.find_by_destination(*frame.header("destination"))) {
    client.fail(errors::kDuplicateSubscription, "a subscription with this id is open already",
                &frame);
  } else if (session.subscription_count() >= options.subscriptions_max) {
    client.fail(errors::kTooManySubscriptions,
                "the connection has as many subscriptions as --max-subscriptions allows", &frame);
  } else if (frame.header("receipt") && session.replies_pending() >= options.receipts_pending_max) {
    client.fail(errors::kTooManyReceipts,
                "too many receipts of this connection are waiting (--max-receipts-pending)",
                &frame);
  } else {
    return false;
  }
  return true;
}

}  // namespace

void handle_subscribe(Client& client, const proto::StompFrame& frame, Millis now) {
  ShardState& shard = client.shard();
  const auto destination = frame.header("destination");
  if (!destination) {
    client.fail(errors::kMissingDestination, "SUBSCRIBE needs the header destination", &frame);
    return;
  }
  const DestinationKind kind =
      classify_destination(*destination, DestinationUse::kSubscribe, shard.options());
  if (is_refused(client, frame, kind)) return;
  const auto ack = read_ack_options(frame, shard.options());
  if (!ack) {
    client.fail(ack.error().is_mode ? errors::kBadAckMode : errors::kMalformedHeader,
                ack.error().sentence, &frame);
    return;
  }

  const auto id = frame.header("id");
  const bool is_acked = ack->mode != AckMode::kAuto;
  Group& group = shard.topics.find_or_make(*destination, kind == DestinationKind::kPattern,
                                           {.id = id.value_or(*destination),
                                            .has_id = id.has_value(),
                                            .is_acked = is_acked,
                                            .variant = client.wire_variant()});
  auto subscription = std::make_unique<Subscription>();
  subscription->client = &client;
  if (is_acked) subscription->acks = std::make_unique<AckWindow>(ack->mode, ack->credit);
  shard.topics.attach(*subscription, group);
  client.session().add(std::move(subscription));
  // The RECEIPT says that routing is live: what is published from then on, by anyone, is delivered.
  const uint32_t ticket = client.session().begin_reply(frame);
  shard.announce(group.topic, client, ticket, now);
}

}  // namespace stampede::core
