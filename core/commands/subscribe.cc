#include <memory>
#include <optional>

#include "core/commands/ack_options.h"
#include "core/commands/commands.h"
#include "core/commands/consumer_options.h"
#include "core/commands/destination_error.h"
#include "core/commands/frame_checks.h"
#include "core/destination_name.h"
#include "core/shard_state.h"

namespace stampede::core {

namespace {

bool is_subscribable(DestinationKind kind) {
  return kind == DestinationKind::kTopic || kind == DestinationKind::kPattern ||
         kind == DestinationKind::kQueue;
}

// Says what is wrong with the frame, by failing the client; false if nothing is.
bool is_refused(Client& client, const proto::StompFrame& frame, DestinationKind kind) {
  const Options& options = client.shard().options();
  const Session& session = client.session();
  const auto id = frame.header("id");
  if (!is_subscribable(kind)) {
    fail_destination(client, frame, kind);
  } else if (!id && session.version() != proto::StompVersion::k10) {
    client.fail(errors::kMissingId, "SUBSCRIBE needs the header id", &frame);
  } else if (id && id->size() > options.subscription_id_bytes_max) {
    client.fail(errors::kHeaderTooLong, "the id is longer than --max-subscription-id-length allows",
                &frame);
  } else if (frame.header("selector")) {
    client.fail(errors::kUnsupportedHeader, "this server has no selectors", &frame);
  } else if (session.is_subscribed_as(id, *frame.header("destination"))) {
    client.fail(errors::kDuplicateSubscription, "a subscription with this id is open already",
                &frame);
  } else if (session.subscription_count() >= options.subscriptions_max) {
    client.fail(errors::kTooManySubscriptions,
                "the connection has as many subscriptions as --max-subscriptions allows", &frame);
  } else {
    return has_too_many_receipts(client, frame);
  }
  return true;
}

void subscribe_topic(Client& client, const proto::StompFrame& frame, bool is_pattern,
                     const AckOptions& ack, Millis now) {
  ShardState& shard = client.shard();
  const std::string_view destination = *frame.header("destination");
  const auto id = frame.header("id");
  const bool is_acked = ack.mode != AckMode::kAuto;
  Group& group = shard.topics.find_or_make(destination, is_pattern,
                                           {.id = id.value_or(destination),
                                            .has_id = id.has_value(),
                                            .is_acked = is_acked,
                                            .variant = client.wire_variant()});
  auto subscription = std::make_unique<Subscription>();
  subscription->client = &client;
  if (is_acked) subscription->acks = std::make_unique<AckWindow>(ack.mode, ack.credit);
  shard.topics.attach(*subscription, group);
  client.session().add(std::move(subscription));
  // The RECEIPT says that routing is live: what is published from then on, by anyone, is delivered.
  const uint32_t ticket = client.session().begin_reply(frame);
  shard.announce(group.topic, client, ticket, now);
}

void subscribe_queue(Client& client, const proto::StompFrame& frame, const AckOptions& ack,
                     Millis now) {
  ShardState& shard = client.shard();
  const auto options = read_consumer_options(frame, ack, shard.options());
  if (!options) return client.fail(errors::kMalformedHeader, options.error(), &frame);

  const std::string_view destination = *frame.header("destination");
  const auto id = frame.header("id");
  QueueSubscriptions& queues = client.session().make_queue_subscriptions();
  const uint32_t number = queues.make_number();
  const uint64_t seed = shard.options().boot_id;
  const ShardId owner = shard.owner_of(hash_text(destination, seed));
  // Numbers are not used again, so neither are tokens.
  const uint64_t ack_token = hash_text(id.value_or(destination), seed + number);
  const QueueSubscription& subscription = queues.add(std::make_unique<QueueSubscription>(
      number, owner, ack_token,
      QueueSubscription::Options{.destination = std::string(destination),
                                 .id = std::string(id.value_or(destination)),
                                 .has_id = id.has_value(),
                                 .mode = ack.mode,
                                 .credit = ack.credit,
                                 .says_browse_end = frame.header("browser-end") != "false"}));
  const uint32_t ticket = client.session().begin_reply(frame);
  shard.queue_routes.consume(client, subscription, destination, *options, ticket, now);
}

}  // namespace

void handle_subscribe(Client& client, const proto::StompFrame& frame, Millis now) {
  const Options& options = client.shard().options();
  const auto destination = frame.header("destination");
  if (!destination) {
    client.fail(errors::kMissingDestination, "SUBSCRIBE needs the header destination", &frame);
    return;
  }
  const DestinationKind kind =
      classify_destination(*destination, DestinationUse::kSubscribe, options);
  if (is_refused(client, frame, kind)) return;
  const auto ack = read_ack_options(frame, options);
  if (!ack) {
    client.fail(ack.error().is_mode ? errors::kBadAckMode : errors::kMalformedHeader,
                ack.error().sentence, &frame);
  } else if (kind == DestinationKind::kQueue) {
    subscribe_queue(client, frame, *ack, now);
  } else {
    subscribe_topic(client, frame, kind == DestinationKind::kPattern, *ack, now);
  }
}

}  // namespace stampede::core
