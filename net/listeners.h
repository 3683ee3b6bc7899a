#pragma once

#include <vector>

#include "core/shard_types.h"
#include "net/inherited_sockets.h"
#include "net/listening_socket.h"
#include "net/node.h"
#include "net/server.h"
#include "proto/base/result.h"

namespace stampede::net {

// What the shards of a node listen on: for each listener a socket a shard, all on one port, so that
// the kernel spreads connections over them; or the sockets that were inherited for it, however many
// those are.
struct Listeners {
  std::vector<BoundListener> bound;                    // as ServerOptions::listeners
  std::vector<std::vector<ListeningSocket>> by_shard;  // each has its share
  std::vector<SharedSocket> copies;                    // of all, to be passed on
};

// Takes what it needs from `inherited`. An error if that leaves a service manager's socket over:
// people would connect to it, and nobody answer.
// Thread: set-up only.
[[nodiscard]] Result<Listeners> open_listeners(const ServerOptions& options, core::ShardId shards,
                                               InheritedSockets& inherited);

[[nodiscard]] std::vector<ListenerPlan> plan_listeners(const std::vector<ListenUri>& uris,
                                                       const core::Options& options);

}  // namespace stampede::net
