#include <optional>

#include "core/ack_window.h"
#include "core/commands/commands.h"
#include "core/commands/frame_checks.h"
#include "core/shard_state.h"

namespace stampede::core {

namespace {

// Which delivery the frame means. STOMP 1.2 names it by the MESSAGE's `ack` header; 1.0 and 1.1 by
// its message-id, and if there is one by the subscription.
Session::FoundDelivery find_delivery(Client& client, const proto::StompFrame& frame,
                                     std::string_view name) {
  const Session& session = client.session();
  if (session.version() != proto::StompVersion::k12) {
    return session.find_delivery_by_message_id(
        hash_message_id(name, client.shard().options().boot_id), frame.header("subscription"));
  }
  const auto id = parse_ack_id(name);
  return id ? session.find_delivery(*id) : Session::FoundDelivery{};
}

// RabbitMQ's `requeue:false` is for messages that nobody will be able to work on.
Settlement settlement_of(const proto::StompFrame& frame) {
  if (frame.command == proto::StompCommand::kAck) return Settlement::kAck;
  return frame.header("requeue") == "false" ? Settlement::kReject : Settlement::kRequeue;
}

}  // namespace

void handle_ack(Client& client, const proto::StompFrame& frame, Millis /*now*/) {
  Session& session = client.session();
  const bool is_nack = frame.command == proto::StompCommand::kNack;
  if (is_nack && session.version() == proto::StompVersion::k10) {
    client.fail(errors::kUnknownCommand, "STOMP 1.0 has no NACK", &frame);
    return;
  }
  const bool is_by_ack_id = session.version() == proto::StompVersion::k12;
  const auto name = frame.header(is_by_ack_id ? "id" : "message-id");
  if (!name) {
    client.fail(errors::kMissingId,
                is_by_ack_id ? "ACK and NACK need the header id: the ack header of the MESSAGE"
                             : "ACK and NACK need the header message-id",
                &frame);
    return;
  }
  Transaction* transaction = nullptr;
  if (!find_transaction(client, frame, transaction)) return;
  if (transaction != nullptr && !has_room_in(client, frame, *transaction)) return;
  const Session::FoundDelivery found = find_delivery(client, frame, *name);
  if (!found.is_there() && !found.is_of_ended) {
    client.fail(errors::kUnknownAck,
                "no delivery of this id waits to be acknowledged on this connection", &frame);
    return;
  }
  const Settlement settlement = settlement_of(frame);
  if (found.is_there() && transaction != nullptr) {
    transaction->add({.ack_token = found.id.token, .tag = found.id.tag, .settlement = settlement});
  } else {
    client.settle(found, settlement);
  }
  session.reply(client, frame);
}

}  // namespace stampede::core
