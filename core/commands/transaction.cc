#include <memory>

#include "core/commands/commands.h"
#include "core/commands/frame_checks.h"
#include "core/shard_state.h"

namespace stampede::core {

namespace {

// The open transaction that the frame names, or null and a failed client.
Transaction* named_transaction(Client& client, const proto::StompFrame& frame) {
  const auto name = frame.header("transaction");
  if (!name) {
    client.fail(errors::kMissingTransaction, "BEGIN, COMMIT and ABORT need the header transaction",
                &frame);
    return nullptr;
  }
  Transaction* transaction = nullptr;
  (void)find_transaction(client, frame, transaction);
  return transaction;
}

}  // namespace

void handle_begin(Client& client, const proto::StompFrame& frame, Millis /*now*/) {
  Session& session = client.session();
  const auto name = frame.header("transaction");
  if (!name) {
    client.fail(errors::kMissingTransaction, "BEGIN needs the header transaction", &frame);
  } else if (session.transactions().find(*name) != nullptr) {
    client.fail(errors::kDuplicateTransaction, "a transaction of this name is open already",
                &frame);
  } else if (session.transactions().size() >= client.shard().options().transactions_max) {
    client.fail(errors::kTooManyTransactions,
                "the connection has as many open transactions as --max-transactions allows",
                &frame);
  } else {
    session.transactions().begin(*name);
    session.reply(client, frame);
  }
}

void handle_commit(Client& client, const proto::StompFrame& frame, Millis now) {
  Session& session = client.session();
  Transaction* const transaction = named_transaction(client, frame);
  if (transaction == nullptr || has_too_many_receipts(client, frame)) return;
  const std::unique_ptr<Transaction> taken = session.transactions().take(*transaction);
  // A part for each message, which its owner confirms, and one for the whole.
  const uint32_t ticket =
      session.begin_reply(frame, static_cast<uint32_t>(taken->message_count()) + 1);
  client.shard().queue_routes.commit(client, *taken, ticket, now);
}

void handle_abort(Client& client, const proto::StompFrame& frame, Millis /*now*/) {
  Transaction* const transaction = named_transaction(client, frame);
  if (transaction == nullptr) return;
  (void)client.session().transactions().take(*transaction);
  client.session().reply(client, frame);
}

}  // namespace stampede::core
