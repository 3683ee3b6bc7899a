#pragma once

#include <string_view>

#include "net/inherited_sockets.h"
#include "proto/base/result.h"

// What systemd, or another service manager that speaks its protocols, gives and wants to hear:
// sd_listen_fds(3) and sd_notify(3), without their library. Thread: main, set-up only, but for
// notify().
namespace stampede::tools {

// The sockets of LISTEN_FDS, under their names of LISTEN_FDNAMES; none if they are not meant for
// this process. The variables are gone afterwards. An error if one is no listening TCP socket.
[[nodiscard]] Result<net::InheritedSockets> sockets_of_service_manager();

// One assignment a line: "READY=1\nMAINPID=12". Nothing happens if nobody wants to hear it.
// Thread: any.
void notify_service_manager(std::string_view state);

}  // namespace stampede::tools
