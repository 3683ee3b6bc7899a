#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "core/commands/ack_options.h"
#include "core/commands/commands.h"
#include "core/commands/consumer_options.h"
#include "core/commands/frame_checks.h"
#include "core/commands/open_subscription.h"
#include "core/commands/read_destination.h"
#include "core/commands/recall_options.h"
#include "core/commands/slow_options.h"
#include "core/shard_state.h"

namespace stampede::core {

namespace {

using Destinations = std::span<const MappedDestination>;

bool is_queue(const MappedDestination& destination) {
  return destination.kind == DestinationKind::kQueue;
}

// A topic subscription that is to outlive its connection. On a queue such headers ask for what
// every queue does.
bool asks_for_durable(const proto::StompFrame& frame) {
  return frame.header("durable") == "true" || frame.header("persistent") == "true" ||
         frame.header("activemq.subscriptionName") || frame.header("durable-subscription-name") ||
         frame.header("durable-subscriber-name");
}

// Says what is wrong with the frame, by failing the client; false if nothing is.
bool is_refused(Client& client, const proto::StompFrame& frame, const Destinations& destinations) {
  const size_t parts = destinations.size();
  const Options& options = client.shard().options();
  const Session& session = client.session();
  const auto id = frame.header("id");
  if (!id && session.version() != proto::StompVersion::k10) {
    client.fail(errors::kMissingId, "SUBSCRIBE needs the header id", &frame);
  } else if (id && id->size() > options.subscription_id_bytes_max) {
    client.fail(errors::kHeaderTooLong, "the id is longer than --max-subscription-id-length allows",
                &frame);
  } else if (asks_for_durable(frame) && !std::ranges::all_of(destinations, is_queue)) {
    client.fail(errors::kUnsupportedHeader,
                "this server has no durable subscriptions to topics: where --history keeps what "
                "was missed, from-seq resumes",
                &frame);
  } else if (session.is_subscribed_as(id, *frame.header("destination"))) {
    client.fail(errors::kDuplicateSubscription, "a subscription with this id is open already",
                &frame);
  } else if (session.subscription_count() + parts > options.subscriptions_max) {
    client.fail(errors::kTooManySubscriptions,
                "the connection would have more subscriptions than --max-subscriptions allows",
                &frame);
  } else {
    return has_too_many_receipts(client, frame);
  }
  return true;
}

// What the frame asks for. Nothing: it fails the client.
std::optional<SubscriptionOptions> read_options(Client& client, const proto::StompFrame& frame,
                                                Destinations destinations) {
  const Options& limits = client.shard().options();
  const auto ack = read_ack_options(frame, limits);
  if (!ack) {
    client.fail(ack.error().is_mode ? errors::kBadAckMode : errors::kMalformedHeader,
                ack.error().sentence, &frame);
    return std::nullopt;
  }
  const auto recall = read_recall_options(frame, destinations, limits);
  if (!recall) {
    client.fail(recall.error().kind, recall.error().sentence, &frame);
    return std::nullopt;
  }
  const auto id = frame.header("id");
  SubscriptionOptions options = {.id = id ? *id : *frame.header("destination"),
                                 .has_id = id.has_value(),
                                 .ack = *ack,
                                 .recall = *recall,
                                 .is_no_local = asks_for_no_local(frame),
                                 .says_browse_end = frame.header("browser-end") != "false"};
  if (const auto text = frame.header("selector"); text && !text->empty()) {
    auto selector = Selector::parse(*text, limits);
    if (!selector) {
      client.fail(errors::kBadSelector, selector.error(), &frame);
      return std::nullopt;
    }
    options.selector = std::move(*selector);
  }
  const auto slow = read_slow_options(frame);
  if (!slow) {
    client.fail(errors::kMalformedHeader, slow.error(), &frame);
    return std::nullopt;
  }
  options.slow = *slow;
  if (std::ranges::none_of(destinations, is_queue)) return options;
  auto consumer = read_consumer_options(frame, *ack, limits);
  if (!consumer) {
    client.fail(errors::kMalformedHeader, consumer.error(), &frame);
    return std::nullopt;
  }
  options.consumer = std::move(*consumer);
  return options;
}

}  // namespace

void handle_subscribe(Client& client, const proto::StompFrame& frame, Millis now) {
  const auto text = frame.header("destination");
  const Destinations destinations =
      read_destination(client, frame, text ? &*text : nullptr, DestinationUse::kSubscribe);
  if (destinations.empty()) return;
  if (is_refused(client, frame, destinations)) return;
  auto options = read_options(client, frame, destinations);
  if (!options || has_bad_slow_terms(client, frame, destinations, options->slow)) return;
  const auto parts = static_cast<uint32_t>(destinations.size());
  if (parts > 1) options->ack_order = std::make_shared<AckOrder>();
  // The RECEIPT says that all of them are live.
  const uint32_t ticket = client.session().begin_reply(frame, parts);
  for (const MappedDestination& to : destinations) {
    open_subscription(client, to, *options, ticket, now);
  }
}

}  // namespace stampede::core
