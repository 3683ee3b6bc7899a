#pragma once

#include "core/client.h"
#include "core/session.h"
#include "core/shard_types.h"
#include "proto/stomp_frame.h"

namespace stampede::core {

// One function for each command of a client, each in its own file. A frame that cannot be processed
// ends in Client::fail(); a frame that was processed is answered if it asked for a receipt
// (Session::reply). Thread: home shard. Requires: CONNECT and STOMP as the first frame of a
// session, the others behind it.

void handle_connect(Client& client, const proto::StompFrame& frame, Millis now);    // connect.cc
void handle_send(Client& client, const proto::StompFrame& frame, Millis now);       // send.cc
void handle_subscribe(Client& client, const proto::StompFrame& frame, Millis now);  // subscribe.cc
void handle_unsubscribe(Client& client, const proto::StompFrame& frame,
                        Millis now);  // unsubscribe.cc
// transaction.cc
void handle_begin(Client& client, const proto::StompFrame& frame, Millis now);
void handle_commit(Client& client, const proto::StompFrame& frame, Millis now);
void handle_abort(Client& client, const proto::StompFrame& frame, Millis now);
void handle_ack(Client& client, const proto::StompFrame& frame, Millis now);  // ACK, NACK: ack.cc
void handle_disconnect(Client& client, const proto::StompFrame& frame,
                       Millis now);  // disconnect.cc

}  // namespace stampede::core
