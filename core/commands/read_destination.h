#pragma once

#include <span>
#include <string_view>

#include "core/client.h"
#include "core/destination_map.h"
#include "proto/stomp_frame.h"

namespace stampede::core {

// What the client is to destinations.
[[nodiscard]] DestinationSession destination_session(Client& client);

// What the frame's destination means, as DestinationMap::map() gives it; `text` is the header, or
// null. Empty: it fails the client.
[[nodiscard]] std::span<const MappedDestination> read_destination(Client& client,
                                                                  const proto::StompFrame& frame,
                                                                  const std::string_view* text,
                                                                  DestinationUse use);

// Fails the client for a destination that is not served, with a sentence that says why.
void fail_destination(Client& client, const proto::StompFrame& frame, DestinationKind kind);

}  // namespace stampede::core
