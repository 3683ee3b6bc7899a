#include "core/commands/commands.h"
#include "core/commands/destination_error.h"
#include "core/destination_name.h"
#include "core/shard_state.h"

namespace stampede::core {

void handle_send(Client& client, const proto::StompFrame& frame, Millis now) {
  const Options& options = client.shard().options();
  const auto destination = frame.header("destination");
  if (!destination) {
    client.fail(errors::kMissingDestination, "SEND needs the header destination", &frame);
    return;
  }
  const DestinationKind kind = classify_destination(*destination, DestinationUse::kSend, options);
  if (kind != DestinationKind::kTopic) {
    fail_destination(client, frame, kind);
    return;
  }
  if (frame.header("transaction")) {
    client.fail(errors::kUnknownTransaction, "no transaction of this name was begun", &frame);
    return;
  }
  if (frame.header("receipt") &&
      client.session().replies_pending() >= options.receipts_pending_max) {
    client.fail(errors::kTooManyReceipts,
                "too many receipts of this connection are waiting (--max-receipts-pending)",
                &frame);
    return;
  }
  Message* message = Message::create({.destination = *destination,
                                      .message_id = frame.header("message-id").value_or(""),
                                      .headers = frame.headers,
                                      .body = frame.body,
                                      .origin = {client.shard().id(), client.ref()},
                                      .is_known_plain = frame.is_plain,
                                      .is_known_utf8 = frame.is_known_utf8},
                                     hash_text(*destination, options.boot_id));
  const uint32_t ticket = client.session().begin_reply(frame);
  client.shard().publish(message, client, ticket, now);
}

}  // namespace stampede::core
