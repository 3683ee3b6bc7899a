#include "core/commands/open_subscription.h"

#include <string>
#include <utility>

#include "core/commands/slow_options.h"
#include "core/shard_state.h"

namespace stampede::core {

namespace {

void open_on_topic(Client& client, const MappedDestination& to, const SubscriptionOptions& options,
                   uint32_t ticket, Millis now) {
  ShardState& shard = client.shard();
  const bool is_acked = options.ack.mode != AckMode::kAuto;
  GroupKind kind = {.id = options.id,
                    .has_id = options.has_id,
                    .is_acked = is_acked,
                    .variant = client.wire_variant(),
                    .shows = options.recall.shows};
  if (options.selector != nullptr) kind.selector = options.selector->text();
  if (options.is_no_local) {
    kind.is_no_local = true;
    kind.subscriber = client.ref();
  }
  const SlowTerms slow = *slow_terms_for(to, options.slow, is_acked, shard.options());
  kind.slow = {slow.policy, slow.key, slow.bytes};
  Group& group = shard.topics.find_or_make(to.route, to.kind == DestinationKind::kPattern, kind,
                                           options.selector);
  auto subscription = std::make_unique<Subscription>();
  subscription->client = &client;
  if (is_acked) {
    subscription->acks =
        std::make_unique<AckWindow>(options.ack.mode, options.ack.credit, options.ack_order);
  }
  shard.recalls.begin(client, *subscription, group, options.recall.from,
                      {.ticket = ticket, .tells_position = options.recall.tells_position}, now);
  client.session().add(std::move(subscription));
}

void open_on_queue(Client& client, const MappedDestination& to, const SubscriptionOptions& options,
                   uint32_t ticket, Millis now) {
  ShardState& shard = client.shard();
  QueueSubscriptions& queues = client.session().make_queue_subscriptions();
  const uint32_t number = queues.make_number();
  // Numbers are not used again, so neither are tokens.
  const uint64_t ack_token = hash_text(options.id, shard.options().boot_id + number);
  const QueueSubscription& subscription = queues.add(std::make_unique<QueueSubscription>(
      number, shard.owner_of_own(to.route), ack_token,
      QueueSubscription::Options{.destination = std::string(to.text),
                                 .id = std::string(options.id),
                                 .has_id = options.has_id,
                                 .is_temporary = to.is_temporary,
                                 .mode = options.ack.mode,
                                 .credit = options.ack.credit,
                                 .ack_order = options.ack_order,
                                 .says_browse_end = options.says_browse_end}));
  ConsumerOptions consumer = options.consumer;
  consumer.is_no_local = options.is_no_local;
  shard.queue_routes.consume(client, subscription, to.route,
                             {.options = std::move(consumer), .selector = options.selector}, ticket,
                             now);
}

}  // namespace

void open_subscription(Client& client, const MappedDestination& to,
                       const SubscriptionOptions& options, uint32_t ticket, Millis now) {
  if (to.kind == DestinationKind::kQueue) {
    open_on_queue(client, to, options, ticket, now);
  } else {
    open_on_topic(client, to, options, ticket, now);
  }
}

}  // namespace stampede::core
