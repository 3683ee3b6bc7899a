#pragma once

#include <string>
#include <vector>

#include "core/listings.h"
#include "net/server.h"

namespace stampede::tools {

// {"total":2,"offset":0,"limit":100,"connections":[{"shard":0,"id":7,"peer":"127.0.0.1:40312",
//  "transport":"ws","version":"1.2","state":"connected","since":"2026-01-31T12:00:00Z",
//  "subscriptions":3,"lag_bytes":0}]}
//
// Shard by shard; `since` is when it came into its state, for "connected" its CONNECT.
[[nodiscard]] std::string connz_page(net::Server& server, core::ListRange range,
                                     const std::vector<net::ShardSnapshot>& snapshots);

}  // namespace stampede::tools
