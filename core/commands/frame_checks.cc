#include "core/commands/frame_checks.h"

#include "core/errors.h"
#include "core/shard_state.h"

namespace stampede::core {

bool find_transaction(Client& client, const proto::StompFrame& frame, Transaction*& transaction) {
  transaction = nullptr;
  const auto name = frame.header("transaction");
  if (!name) return true;
  transaction = client.session().transactions().find(*name);
  if (transaction != nullptr) return true;
  client.fail(errors::kUnknownTransaction, "no transaction of this name is open", &frame);
  return false;
}

bool has_room_in(Client& client, const proto::StompFrame& frame, const Transaction& transaction,
                 size_t steps) {
  if (transaction.size() + steps <= client.shard().options().transaction_steps_max) return true;
  client.fail(errors::kTooManyTransactions,
              "the transaction holds as many frames as --max-transaction-frames allows", &frame);
  return false;
}

bool has_too_many_receipts(Client& client, const proto::StompFrame& frame) {
  if (client.session().replies_pending() < client.shard().options().receipts_pending_max) {
    return false;
  }
  if (!frame.header("receipt")) return false;
  client.fail(errors::kTooManyReceipts,
              "too many receipts of this connection are waiting (--max-receipts-pending)", &frame);
  return true;
}

}  // namespace stampede::core
