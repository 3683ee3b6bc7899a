#pragma once

#include <string>
#include <vector>

#include "net/server.h"
#include "tools/stampede/settings.h"

namespace stampede::tools {

// One JSON object: which build this is, since when it runs, every option in effect as the
// configuration file spells it, and the sums over the shards.
[[nodiscard]] std::string varz_page(const net::Server& server, const Settings& settings,
                                    const std::vector<net::ShardSnapshot>& snapshots);

}  // namespace stampede::tools
