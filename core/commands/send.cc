#include <algorithm>
#include <optional>
#include <span>
#include <vector>

#include "core/commands/commands.h"
#include "core/commands/frame_checks.h"
#include "core/commands/message_properties.h"
#include "core/commands/read_destination.h"
#include "core/commands/reply_to.h"
#include "core/commands/send_headers.h"
#include "core/shard_state.h"

namespace stampede::core {

namespace {

using Destinations = std::span<const MappedDestination>;

bool is_queue(const MappedDestination& destination) {
  return destination.kind == DestinationKind::kQueue;
}

// What the frame wants of the two kinds of destination.
struct AskedProperties {
  MessageProperties of_queues = {};
  Retain retain = Retain::kNo;  // of topics
};

// False: the frame wants something of a last value that is not there, and the client is failed.
bool read_retain_of(Client& client, const proto::StompFrame& frame, std::string_view text,
                    Destinations destinations, AskedProperties& asked) {
  const auto retain = read_retain(text);
  if (!retain) {
    client.fail(errors::kMalformedHeader, "the header retain must be set, true, remove or false",
                &frame);
    return false;
  }
  asked.retain = *retain;
  if (*retain == Retain::kNo || std::ranges::none_of(destinations, is_queue)) return true;
  client.fail(errors::kUnsupportedHeader, "only topics have a last value (retain)", &frame);
  return false;
}

// Says what is wrong with what the frame wants of queues, or of topics as if they were queues, or
// the other way round, by failing the client; else fills what they go by.
bool has_bad_properties(Client& client, const proto::StompFrame& frame, const SendHeaders& found,
                        Destinations destinations, AskedProperties& asked, Millis now) {
  if (found.retain != nullptr &&
      !read_retain_of(client, frame, *found.retain, destinations, asked)) {
    return true;
  }
  if (found.asks_for_delay && !std::ranges::all_of(destinations, is_queue)) {
    client.fail(errors::kUnsupportedHeader, "only queues deliver later (AMQ_SCHEDULED_DELAY)",
                &frame);
    return true;
  }
  if (std::ranges::none_of(destinations, is_queue)) return false;
  const auto read = read_message_properties(frame, client.shard().options(), now);
  if (!read) {
    client.fail(read.error().is_unsupported ? errors::kUnsupportedHeader : errors::kMalformedHeader,
                read.error().sentence, &frame);
    return true;
  }
  asked.of_queues = *read;
  asked.of_queues.is_for_queue = true;
  return false;
}

// False: the frame wants its receipt to say what it cannot, and the client is failed.
bool can_count_subscriptions(Client& client, const proto::StompFrame& frame,
                             const SendHeaders& found) {
  if (found.receipt == nullptr) {
    client.fail(errors::kMissingReceipt,
                "count-subscriptions is answered by the RECEIPT: the header receipt is missing",
                &frame);
    return false;
  }
  if (found.transaction != nullptr) {
    client.fail(errors::kUnsupportedHeader,
                "count-subscriptions is not for a SEND in a transaction, which nobody gets yet",
                &frame);
    return false;
  }
  return true;
}

// What a SEND is to all of its destinations.
struct Sending {
  const proto::StompFrame& frame;
  std::string_view message_id;
  std::span<const proto::StompHeader> headers;
  AskedProperties asked = {};
  uint32_t count_ticket = 0;
};

// The message that goes to one of them. One reference is the caller's.
Message* make_message(Client& client, const Sending& sending, const MappedDestination& to) {
  const proto::StompFrame& frame = sending.frame;
  MessageProperties properties = is_queue(to) ? sending.asked.of_queues : MessageProperties{};
  // PERF: a store just before the properties are copied makes the copy wait.
  if (sending.asked.retain != Retain::kNo) properties.retain = sending.asked.retain;
  if (to.is_temporary) properties.is_temporary = true;
  return Message::create({.destination = to.text,
                          .route = to.route_if_other(),
                          .message_id = sending.message_id,
                          .headers = sending.headers,
                          .body = frame.body,
                          .origin = {client.shard().id(), client.ref()},
                          .properties = properties,
                          .count_ticket = sending.count_ticket,
                          .is_known_plain = frame.is_plain,
                          .is_known_utf8 = frame.is_known_utf8},
                         client.shard().hash_route(to.route));
}

// Puts the messages into the transaction, or fails the client at a limit.
void add_to_transaction(Client& client, const proto::StompFrame& frame, Transaction& transaction,
                        Transaction& messages) {
  if (!has_room_in(client, frame, transaction, messages.size())) return;
  const size_t bytes = transaction.bytes() + messages.bytes();
  if (bytes > client.shard().options().transaction_bytes_max) {
    client.fail(errors::kFrameTooLarge,
                "the transaction holds more than --max-transaction-bytes allows", &frame);
    return;
  }
  for (const TransactionStep& step : messages.take_steps()) transaction.add(step);
  client.shard().held_back.on_keep(client);
  // It was received; what the COMMIT's receipt says is that it took effect.
  client.session().reply(client, frame);
}

}  // namespace

void handle_send(Client& client, const proto::StompFrame& frame, Millis now) {
  ShardState& shard = client.shard();
  Session& session = client.session();
  const SendHeaders found = find_send_headers(frame);
  const Destinations destinations =
      read_destination(client, frame, found.destination, DestinationUse::kSend);
  if (destinations.empty()) return;
  Transaction* transaction = nullptr;
  if (found.transaction != nullptr && !find_transaction(client, frame, transaction)) return;
  const bool is_counted =
      found.count_subscriptions != nullptr && *found.count_subscriptions == "true";
  if (is_counted && !can_count_subscriptions(client, frame, found)) return;
  if (has_too_many_receipts(client, frame)) return;
  Sending sending = {.frame = frame,
                     .message_id = found.message_id == nullptr ? "" : *found.message_id,
                     .headers = frame.headers};
  if (has_bad_properties(client, frame, found, destinations, sending.asked, now)) return;
  std::optional<std::vector<proto::StompHeader>> replaced;
  if (is_temporary_reply(found.reply_to)) {
    replaced = take_reply_to(client, frame, *found.reply_to, now);
    if (!replaced) return;
    sending.headers = *replaced;
  }
  const bool is_composite = destinations.size() > 1;
  const auto parts = static_cast<uint32_t>(is_composite ? destinations.size() + 1 : 1);
  const bool is_answered = found.receipt != nullptr && transaction == nullptr;
  const uint32_t ticket = is_answered ? session.begin_reply(*found.receipt, parts) : 0;
  if (is_counted) session.count_subscriptions(sending.count_ticket = ticket);
  if (transaction == nullptr && !is_composite) {
    shard.publish(make_message(client, sending, destinations.front()), client, ticket, now);
    return;
  }
  Transaction messages("");
  for (const MappedDestination& to : destinations) {
    messages.add({.message = make_message(client, sending, to)});
  }
  if (transaction != nullptr) return add_to_transaction(client, frame, *transaction, messages);
  // A composite is a transaction of its own, so that it goes to all parts, in order, or to none.
  shard.queue_routes.commit(client, messages, ticket, now);
}

}  // namespace stampede::core
