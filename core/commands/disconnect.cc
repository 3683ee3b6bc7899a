#include "core/commands/commands.h"
#include "core/session.h"

namespace stampede::core {

void handle_disconnect(Client& client, const proto::StompFrame& frame, Millis /*now*/) {
  // The farewell waits for this RECEIPT, and it for those of earlier frames (STOMP 1.2,
  // "DISCONNECT").
  const uint32_t ticket = client.session().begin_reply(frame);
  client.finish(CloseReason::kClientDisconnect, "DISCONNECT", proto::WsStatusCode::kNormal);
  if (ticket != 0) client.session().complete_reply(client, ticket);
}

}  // namespace stampede::core
