#pragma once

#include <string>
#include <vector>

#include "net/admin_listener.h"
#include "net/server.h"
#include "proto/base/result.h"

namespace stampede::tools {

// {"pid":12,"listeners":[{"uri":"ws://127.0.0.1:15674","transport":"ws",...}],
//  "admin":{"uri":"http://127.0.0.1:15672","host":"127.0.0.1","port":15672}}, for programs that
// started the broker with port 0. Without an admin listener "admin" is null.
[[nodiscard]] std::string ports_json(int pid, const std::vector<net::BoundListener>& listeners,
                                     const net::AdminListener* admin);

// Whoever waits for the file sees all of it or none: it gets its name when it is complete.
[[nodiscard]] Result<void> write_ports_file(const std::string& path,
                                            const std::vector<net::BoundListener>& listeners,
                                            const net::AdminListener* admin);

}  // namespace stampede::tools
