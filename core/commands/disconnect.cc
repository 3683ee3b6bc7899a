#include <string>

#include "core/commands/commands.h"
#include "core/session.h"
#include "proto/stomp_encoder.h"

namespace stampede::core {

void handle_disconnect(Client& client, const proto::StompFrame& frame, Millis /*now*/) {
  // Its RECEIPT comes behind those of earlier frames (STOMP 1.2, "DISCONNECT"), and not at all if
  // one of them fails yet.
  std::string answer;
  if (const auto receipt = frame.header("receipt")) {
    proto::append_receipt(answer, *receipt, client.session().version());
  }
  client.finish(CloseReason::kClientDisconnect, "DISCONNECT", proto::WsStatusCode::kNormal, answer);
}

}  // namespace stampede::core
