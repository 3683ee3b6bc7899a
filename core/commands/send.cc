#include <algorithm>
#include <span>
#include <vector>

#include "core/commands/commands.h"
#include "core/commands/frame_checks.h"
#include "core/commands/message_properties.h"
#include "core/commands/read_destination.h"
#include "core/commands/reply_to.h"
#include "core/shard_state.h"

namespace stampede::core {

namespace {

using Destinations = std::span<const MappedDestination>;

bool is_queue(const MappedDestination& destination) {
  return destination.kind == DestinationKind::kQueue;
}

// Says what is wrong with what the frame wants of queues, or of topics as if they were queues, by
// failing the client; else fills what queues go by.
bool has_bad_properties(Client& client, const proto::StompFrame& frame, Destinations destinations,
                        MessageProperties& of_queues, Millis now) {
  if (!std::ranges::all_of(destinations, is_queue) && asks_for_delay(frame)) {
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
  of_queues = *read;
  of_queues.is_for_queue = true;
  return false;
}

// False: the frame wants its receipt to say what it cannot, and the client is failed.
bool can_count_subscriptions(Client& client, const proto::StompFrame& frame,
                             const Transaction* transaction) {
  if (!frame.header("receipt")) {
    client.fail(errors::kMissingReceipt,
                "count-subscriptions is answered by the RECEIPT: the header receipt is missing",
                &frame);
    return false;
  }
  if (transaction != nullptr) {
    client.fail(errors::kUnsupportedHeader,
                "count-subscriptions is not for a SEND in a transaction, which nobody gets yet",
                &frame);
    return false;
  }
  return true;
}

// The frame, as it goes to one destination. One reference is the caller's.
Message* make_message(Client& client, const proto::StompFrame& frame,
                      std::span<const proto::StompHeader> headers, const MappedDestination& to,
                      const MessageProperties& of_queues, uint32_t count_ticket) {
  MessageProperties properties = is_queue(to) ? of_queues : MessageProperties{};
  properties.is_temporary = to.is_temporary;
  return Message::create({.destination = to.text,
                          .route = to.route_if_other(),
                          .message_id = frame.header("message-id").value_or(""),
                          .headers = headers,
                          .body = frame.body,
                          .origin = {client.shard().id(), client.ref()},
                          .properties = properties,
                          .count_ticket = count_ticket,
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
  // It was received; what the COMMIT's receipt says is that it took effect.
  client.session().reply(client, frame);
}

}  // namespace

void handle_send(Client& client, const proto::StompFrame& frame, Millis now) {
  ShardState& shard = client.shard();
  Session& session = client.session();
  const Destinations destinations = read_destination(client, frame, DestinationUse::kSend);
  if (destinations.empty()) return;
  Transaction* transaction = nullptr;
  if (!find_transaction(client, frame, transaction)) return;
  const bool is_counted = frame.header("count-subscriptions") == "true";
  if (is_counted && !can_count_subscriptions(client, frame, transaction)) return;
  if (has_too_many_receipts(client, frame)) return;
  MessageProperties of_queues;
  if (has_bad_properties(client, frame, destinations, of_queues, now)) return;
  std::vector<proto::StompHeader> replaced;
  if (!take_reply_to(client, frame, replaced, now)) return;
  const auto headers = replaced.empty() ? frame.headers : replaced;
  // A composite is a transaction of its own, so that it goes to all parts, in order, or to none. A
  // receipt has a part for each message, and one for the whole.
  const auto parts = static_cast<uint32_t>(destinations.size() == 1 ? 1 : destinations.size() + 1);
  const uint32_t ticket = transaction == nullptr ? session.begin_reply(frame, parts) : 0;
  if (is_counted) session.count_subscriptions(ticket);
  const uint32_t count_ticket = is_counted ? ticket : 0;
  if (transaction == nullptr && destinations.size() == 1) {
    Message* const message =
        make_message(client, frame, headers, destinations.front(), of_queues, count_ticket);
    return shard.publish(message, client, ticket, now);
  }
  Transaction messages("");
  for (const MappedDestination& to : destinations) {
    messages.add({.message = make_message(client, frame, headers, to, of_queues, count_ticket)});
  }
  if (transaction != nullptr) return add_to_transaction(client, frame, *transaction, messages);
  shard.queue_routes.commit(client, messages, ticket, now);
}

}  // namespace stampede::core
