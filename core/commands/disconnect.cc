#include "core/commands/commands.h"
#include "core/session.h"

namespace stampede::core {

void handle_disconnect(Client& client, const proto::StompFrame& frame, Millis /*now*/) {
  // The farewell waits for this RECEIPT, and it for those of earlier frames (STOMP 1.2, "DISCONNECT").
  client.session().reply(client, frame);
  client.finish(CloseReason::kClientDisconnect, "DISCONNECT", proto::WsStatusCode::kNormal);
}

}  // namespace stampede::core
