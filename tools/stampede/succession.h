#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "net/admin_listener.h"
#include "net/server.h"
#include "net/takeover.h"
#include "net/takeover_host.h"
#include "proto/base/result.h"
#include "tools/stampede/log.h"
#include "tools/stampede/settings.h"

namespace stampede::tools {

// Succession is a broker's place in a line of them (--takeover): it ends the one before it, and
// ends when the next one says that it serves.
//
// Owns:      the socket that the next one asks at, and its thread.
// Thread:    main.
// Lifetime:  what it is given outlives it.
class Succession {
 public:
  Succession(net::Server& server, net::AdminListener* admin, const Settings& settings, Log& log);

  // Requires: the server accepts, and the admin listener, if there is one, answers. From here on
  // the broker before this one, if there is one, drains. Nothing happens without --takeover.
  [[nodiscard]] Result<void> begin(std::optional<net::Takeover> predecessor);

 private:
  [[nodiscard]] std::vector<net::SharedSocket> copy_sockets();
  void on_taken(pid_t pid);

  net::Server& server_;
  net::AdminListener* const admin_;  // null: there is none
  const Settings& settings_;
  Log& log_;
  std::unique_ptr<net::TakeoverHost> host_;
};

}  // namespace stampede::tools
