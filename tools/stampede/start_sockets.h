#pragma once

#include <optional>
#include <vector>

#include "net/inherited_sockets.h"
#include "net/listen_uri.h"
#include "net/takeover.h"
#include "proto/base/result.h"
#include "tools/stampede/config.h"

namespace stampede::tools {

// StartSockets is what a broker listens on, and which of that is open before it starts.
struct StartSockets {
  std::vector<net::ListenUri> listeners;
  net::InheritedSockets inherited;
  std::optional<net::Takeover> takeover;  // the broker whose place is being taken, if there is one
};

// A service manager's sockets named ws or stomp are listeners, whether --listen has them or not;
// who passes some and says nothing about --listen wants no others. Requires: the settings are
// without errors. Thread: main, set-up only.
[[nodiscard]] Result<StartSockets> gather_sockets(const Config& config);

}  // namespace stampede::tools
