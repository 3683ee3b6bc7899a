#pragma once

#include "core/client.h"
#include "core/transactions.h"
#include "proto/stomp_frame.h"

namespace stampede::core {

// What several commands look at first. Each fails the client if it finds something wrong.

// False: the frame names a transaction that is not open. Else `transaction` is the one that it
// names, or null if it names none.
[[nodiscard]] bool find_transaction(Client& client, const proto::StompFrame& frame,
                                    Transaction*& transaction);
// False: so much more is more than the transaction may hold.
[[nodiscard]] bool has_room_in(Client& client, const proto::StompFrame& frame,
                               const Transaction& transaction, size_t steps = 1);
// True: the frame asks for a receipt, and more are waiting than may.
[[nodiscard]] bool has_too_many_receipts(Client& client, const proto::StompFrame& frame);

}  // namespace stampede::core
