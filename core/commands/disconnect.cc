#include <string>

#include "core/commands/commands.h"
#include "core/session.h"
#include "core/shard_state.h"
#include "proto/stomp_encoder.h"

namespace stampede::core {

void handle_disconnect(Client& client, const proto::StompFrame& frame, Millis /*now*/) {
  // Its RECEIPT says that all earlier frames were received (STOMP 1.2, "DISCONNECT"), those too
  // that asked for none, so it comes behind what becomes of them, and not at all if one fails yet.
  std::string answer;
  if (const auto receipt = frame.header("receipt")) {
    proto::append_receipt(answer, *receipt, client.session().version());
    client.shard().confirm_sent(client);
  }
  client.finish(CloseReason::kClientDisconnect, "DISCONNECT", proto::WsStatusCode::kNormal, answer);
}

}  // namespace stampede::core
