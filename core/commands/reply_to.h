#pragma once

#include <string_view>
#include <vector>

#include "core/client.h"
#include "core/destination_map.h"
#include "proto/stomp_frame.h"

namespace stampede::core {

// Makes a SEND's `reply-to` mean something to who gets the message, as RabbitMQ and ActiveMQ do: a
// temporary destination of the sender becomes its public name, and the sender is subscribed to it
// if it is not yet, with the temporary name as id, before anybody can answer.
//
// Fills `headers` with those of the frame, the reply-to replaced; they hold until the frame is done
// with. Leaves them empty if the frame needs nothing of the kind. False: it fails the client.
[[nodiscard]] bool take_reply_to(Client& client, const proto::StompFrame& frame,
                                 std::vector<proto::StompHeader>& headers, Millis now);

}  // namespace stampede::core
