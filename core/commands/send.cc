#include <vector>

#include "core/commands/commands.h"
#include "core/commands/frame_checks.h"
#include "core/commands/message_properties.h"
#include "core/commands/read_destination.h"
#include "core/commands/reply_to.h"
#include "core/shard_state.h"

namespace stampede::core {

namespace {

// Says what is wrong with what the frame wants of a queue, or of a topic as if it were one, by
// failing the client; else fills `properties`.
bool has_bad_properties(Client& client, const proto::StompFrame& frame, bool is_for_queue,
                        MessageProperties& properties, Millis now) {
  if (!is_for_queue) {
    if (!asks_for_delay(frame)) return false;
    client.fail(errors::kUnsupportedHeader, "only queues deliver later (AMQ_SCHEDULED_DELAY)",
                &frame);
    return true;
  }
  const auto read = read_message_properties(frame, client.shard().options(), now);
  if (!read) {
    client.fail(read.error().is_unsupported ? errors::kUnsupportedHeader : errors::kMalformedHeader,
                read.error().sentence, &frame);
    return true;
  }
  properties = *read;
  properties.is_for_queue = true;
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

// Puts the message into the transaction, or fails the client at a limit. Takes over the reference.
void add_to_transaction(Client& client, const proto::StompFrame& frame, Transaction& transaction,
                        Message* message) {
  const Options& options = client.shard().options();
  const size_t bytes = transaction.bytes() + message->memory_bytes();
  if (!has_room_in(client, frame, transaction)) {
    message->drop_reference();
  } else if (bytes > options.transaction_bytes_max) {
    message->drop_reference();
    client.fail(errors::kFrameTooLarge,
                "the transaction holds more than --max-transaction-bytes allows", &frame);
  } else {
    transaction.add({.message = message});
    // It was received; what the COMMIT's receipt says is that it took effect.
    client.session().reply(client, frame);
  }
}

}  // namespace

void handle_send(Client& client, const proto::StompFrame& frame, Millis now) {
  const Options& options = client.shard().options();
  Session& session = client.session();
  const auto destinations = read_destination(client, frame, DestinationUse::kSend);
  if (destinations.empty()) return;
  if (destinations.size() > 1) {
    return fail_destination(client, frame, DestinationKind::kUnsupported);
  }
  const MappedDestination& to = destinations.front();
  Transaction* transaction = nullptr;
  if (!find_transaction(client, frame, transaction)) return;
  const bool is_counted = frame.header("count-subscriptions") == "true";
  if (is_counted && !can_count_subscriptions(client, frame, transaction)) return;
  if (has_too_many_receipts(client, frame)) return;
  MessageProperties properties;
  if (has_bad_properties(client, frame, to.kind == DestinationKind::kQueue, properties, now))
    return;
  properties.is_temporary = to.is_temporary;
  std::vector<proto::StompHeader> headers;
  if (!take_reply_to(client, frame, headers, now)) return;
  const uint32_t ticket = transaction == nullptr ? session.begin_reply(frame) : 0;
  if (is_counted) session.count_subscriptions(ticket);
  Message* message = Message::create({.destination = to.text,
                                      .route = to.route_if_other(),
                                      .message_id = frame.header("message-id").value_or(""),
                                      .headers = headers.empty() ? frame.headers : headers,
                                      .body = frame.body,
                                      .origin = {client.shard().id(), client.ref()},
                                      .properties = properties,
                                      .count_ticket = is_counted ? ticket : 0,
                                      .is_known_plain = frame.is_plain,
                                      .is_known_utf8 = frame.is_known_utf8},
                                     hash_text(to.route, options.boot_id));
  if (transaction != nullptr) return add_to_transaction(client, frame, *transaction, message);
  client.shard().publish(message, client, ticket, now);
}

}  // namespace stampede::core
