#include <memory>
#include <optional>

#include "core/commands/ack_options.h"
#include "core/commands/commands.h"
#include "core/commands/consumer_options.h"
#include "core/commands/destination_error.h"
#include "core/commands/frame_checks.h"
#include "core/destination_map.h"
#include "core/shard_state.h"

namespace stampede::core {

namespace {

// Says what is wrong with the frame, by failing the client; false if nothing is.
bool is_refused(Client& client, const proto::StompFrame& frame) {
  const Options& options = client.shard().options();
  const Session& session = client.session();
  const auto id = frame.header("id");
  if (!id && session.version() != proto::StompVersion::k10) {
    client.fail(errors::kMissingId, "SUBSCRIBE needs the header id", &frame);
  } else if (id && id->size() > options.subscription_id_bytes_max) {
    client.fail(errors::kHeaderTooLong, "the id is longer than --max-subscription-id-length allows",
                &frame);
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

// What a SUBSCRIBE asks for, whatever it subscribes to.
struct SubscribeOptions {
  AckOptions ack;
  std::shared_ptr<const Selector> selector;  // null: none
  bool is_no_local;
};

std::optional<SubscribeOptions> read_subscribe_options(Client& client,
                                                       const proto::StompFrame& frame) {
  const Options& options = client.shard().options();
  const auto ack = read_ack_options(frame, options);
  if (!ack) {
    client.fail(ack.error().is_mode ? errors::kBadAckMode : errors::kMalformedHeader,
                ack.error().sentence, &frame);
    return std::nullopt;
  }
  SubscribeOptions result = {*ack, nullptr, asks_for_no_local(frame)};
  if (const auto text = frame.header("selector"); text && !text->empty()) {
    auto selector = Selector::parse(*text, options);
    if (!selector) {
      client.fail(errors::kBadSelector, selector.error(), &frame);
      return std::nullopt;
    }
    result.selector = std::move(*selector);
  }
  return result;
}

void subscribe_topic(Client& client, const proto::StompFrame& frame, const MappedDestination& to,
                     const SubscribeOptions& options, Millis now) {
  ShardState& shard = client.shard();
  const std::string_view destination = *frame.header("destination");
  const auto id = frame.header("id");
  const AckOptions& ack = options.ack;
  const bool is_acked = ack.mode != AckMode::kAuto;
  GroupKind kind = {.id = id.value_or(destination),
                    .has_id = id.has_value(),
                    .is_acked = is_acked,
                    .variant = client.wire_variant()};
  if (options.selector != nullptr) kind.selector = options.selector->text();
  if (options.is_no_local) {
    kind.is_no_local = true;
    kind.subscriber = client.ref();
  }
  Group& group = shard.topics.find_or_make(to.route, to.kind == DestinationKind::kPattern, kind,
                                           options.selector);
  auto subscription = std::make_unique<Subscription>();
  subscription->client = &client;
  if (is_acked) subscription->acks = std::make_unique<AckWindow>(ack.mode, ack.credit);
  shard.topics.attach(*subscription, group);
  client.session().add(std::move(subscription));
  // The RECEIPT says that routing is live: what is published from then on, by anyone, is delivered.
  const uint32_t ticket = client.session().begin_reply(frame);
  shard.announce(group.topic, client, ticket, now);
}

void subscribe_queue(Client& client, const proto::StompFrame& frame, const MappedDestination& to,
                     const SubscribeOptions& options, Millis now) {
  ShardState& shard = client.shard();
  const AckOptions& ack = options.ack;
  auto consumer = read_consumer_options(frame, ack, shard.options());
  if (!consumer) return client.fail(errors::kMalformedHeader, consumer.error(), &frame);
  consumer->is_no_local = options.is_no_local;

  const std::string_view destination = *frame.header("destination");
  const auto id = frame.header("id");
  QueueSubscriptions& queues = client.session().make_queue_subscriptions();
  const uint32_t number = queues.make_number();
  const uint64_t seed = shard.options().boot_id;
  const ShardId owner = shard.owner_of(hash_text(to.route, seed));
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
  shard.queue_routes.consume(client, subscription, to.route,
                             {.options = std::move(*consumer), .selector = options.selector},
                             ticket, now);
}

}  // namespace

void handle_subscribe(Client& client, const proto::StompFrame& frame, Millis now) {
  const auto destination = frame.header("destination");
  if (!destination) {
    client.fail(errors::kMissingDestination, "SUBSCRIBE needs the header destination", &frame);
    return;
  }
  const auto mapped = client.shard().destination_map.map(*destination, DestinationUse::kSubscribe,
                                                         client.destination_session());
  if (!mapped) return fail_destination(client, frame, mapped.error());
  const MappedDestination& to = mapped->front();
  if (to.is_temporary || mapped->size() > 1) {
    return fail_destination(client, frame, DestinationKind::kUnsupported);
  }
  if (is_refused(client, frame)) return;
  const auto asked = read_subscribe_options(client, frame);
  if (!asked) return;
  if (to.kind == DestinationKind::kQueue) {
    subscribe_queue(client, frame, to, *asked, now);
  } else {
    subscribe_topic(client, frame, to, *asked, now);
  }
}

}  // namespace stampede::core
