#pragma once

#include "core/client.h"
#include "core/destination_name.h"
#include "proto/stomp_frame.h"

namespace stampede::core {

// Fails the client for a destination that is not served, with a sentence that says why.
void fail_destination(Client& client, const proto::StompFrame& frame, DestinationKind kind);

}  // namespace stampede::core
