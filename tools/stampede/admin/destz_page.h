#pragma once

#include <string>
#include <vector>

#include "core/listings.h"
#include "net/server.h"

namespace stampede::tools {

// {"offset":0,"limit":100,
//  "topics_total":1,"topics":[{"shard":0,"destination":"/topic/a","pattern":false,
//                              "subscriptions":2,"lagging":0,"log_bytes":0}],
//  "queues_total":1,"queues":[{"shard":1,"destination":"/queue/a","waiting":3,"delayed":0,
//                              "unsettled":1,"bytes":812,"consumers":1}]}
//
// A topic has an entry for each shard with subscribers; a queue is on one shard. The range is that
// of either list.
[[nodiscard]] std::string destz_page(net::Server& server, core::ListRange range,
                                     const std::vector<net::ShardSnapshot>& snapshots);

}  // namespace stampede::tools
