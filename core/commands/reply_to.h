#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "core/client.h"
#include "core/destination_map.h"
#include "proto/stomp_frame.h"

namespace stampede::core {

// True if the reply-to of a SEND is of the kind that take_reply_to() is for.
[[nodiscard]] inline bool is_temporary_reply(const std::string_view* reply_to) {
  return reply_to != nullptr && DestinationMap::names_temporary(*reply_to);
}

// Makes such a `reply-to` mean something to who gets the message, as RabbitMQ and ActiveMQ do: a
// temporary destination of the sender becomes its public name, and the sender is subscribed to it
// if it is not yet, with the temporary name as id, before anybody can answer.
//
// Gives the headers of the frame, the reply-to replaced; they hold until the frame is done with.
// Nothing: it fails the client.
[[nodiscard]] std::optional<std::vector<proto::StompHeader>> take_reply_to(
    Client& client, const proto::StompFrame& frame, std::string_view reply_to, Millis now);

}  // namespace stampede::core
