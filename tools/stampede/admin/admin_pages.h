#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "net/server.h"
#include "proto/http_request.h"
#include "tools/stampede/admin/busy_watch.h"
#include "tools/stampede/readiness_watch.h"
#include "tools/stampede/settings.h"

namespace stampede::tools {

// AdminPages answers what operators ask of a running broker: which page it is, what the shards say,
// and the page. Each page asks every shard, once or twice, and keeps nothing.
//
// Owns:      how busy the shards were when last looked at.
// Thread:    the admin listener's.
// Lifetime:  what it is given outlives it.
class AdminPages {
 public:
  AdminPages(net::Server& server, const Settings& settings, ReadinessWatch& readiness);

  [[nodiscard]] proto::HttpAnswer answer(const proto::HttpRequest& request);

 private:
  using Snapshots = std::vector<net::ShardSnapshot>;
  using Page = proto::HttpAnswer (AdminPages::*)(const proto::HttpRequest&, const Snapshots&);
  struct Route {
    std::string_view path;
    Page page;
    std::string_view about;
  };
  static const std::vector<Route>& routes();
  [[nodiscard]] static std::string index();

  [[nodiscard]] proto::HttpAnswer metrics(const proto::HttpRequest& request,
                                          const Snapshots& snapshots);
  [[nodiscard]] proto::HttpAnswer livez(const proto::HttpRequest& request,
                                        const Snapshots& snapshots);
  [[nodiscard]] proto::HttpAnswer readyz(const proto::HttpRequest& request,
                                         const Snapshots& snapshots);
  [[nodiscard]] proto::HttpAnswer varz(const proto::HttpRequest& request,
                                       const Snapshots& snapshots);
  [[nodiscard]] proto::HttpAnswer connz(const proto::HttpRequest& request,
                                        const Snapshots& snapshots);
  [[nodiscard]] proto::HttpAnswer destz(const proto::HttpRequest& request,
                                        const Snapshots& snapshots);
  [[nodiscard]] proto::HttpAnswer shardz(const proto::HttpRequest& request,
                                         const Snapshots& snapshots);

  net::Server& server_;
  const Settings& settings_;
  ReadinessWatch& readiness_;
  BusyWatch busy_watch_;
};

}  // namespace stampede::tools
