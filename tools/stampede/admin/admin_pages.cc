#include "tools/stampede/admin/admin_pages.h"

#include <algorithm>
#include <utility>

#include "tools/stampede/admin/connz_page.h"
#include "tools/stampede/admin/destz_page.h"
#include "tools/stampede/admin/metrics_page.h"
#include "tools/stampede/admin/page_range.h"
#include "tools/stampede/admin/shardz_page.h"
#include "tools/stampede/admin/varz_page.h"

namespace stampede::tools {
namespace {

using proto::HttpAnswer;
using proto::HttpRequest;

HttpAnswer text(int status_code, std::string line) {
  return {.status_code = status_code, .body = std::move(line) + "\n"};
}

HttpAnswer json(std::string body) {
  return {.content_type = "application/json", .body = std::move(body) + "\n"};
}

// The first shard that gave no answer, if there is one.
std::string name_stuck(const std::vector<std::optional<net::ShardSnapshot>>& answers) {
  for (size_t shard = 0; shard < answers.size(); ++shard) {
    if (!answers[shard]) return "shard " + std::to_string(shard) + " does not answer";
  }
  return {};
}

}  // namespace

AdminPages::AdminPages(net::Server& server, const Settings& settings, ReadinessWatch& readiness)
    : server_(server), settings_(settings), readiness_(readiness) {}

const std::vector<AdminPages::Route>& AdminPages::routes() {
  static const std::vector<Route> kRoutes = {
      {"/metrics", &AdminPages::metrics, "counters and gauges, as Prometheus text; ?name=PREFIX"},
      {"/livez", &AdminPages::livez, "200 while every shard answers"},
      {"/readyz", &AdminPages::readyz,
       "200 while clients are served, 503 in a drain or without memory; ?verbose"},
      {"/varz", &AdminPages::varz, "the broker, its options and its sums, as JSON"},
      {"/connz", &AdminPages::connz, "connections, as JSON; ?limit=N&offset=N"},
      {"/destz", &AdminPages::destz, "topics and queues, as JSON; ?limit=N&offset=N"},
      {"/shardz", &AdminPages::shardz, "each shard, as JSON"},
  };
  return kRoutes;
}

std::string AdminPages::index() {
  std::string lines;
  for (const Route& route : routes()) {
    std::string line(route.path);
    line.resize(std::max<size_t>(line.size() + 1, 10), ' ');
    lines += line + std::string(route.about) + "\n";
  }
  return lines;
}

HttpAnswer AdminPages::answer(const HttpRequest& request) {
  if (request.path == "/") return {.body = index()};
  const auto route = std::ranges::find(routes(), request.path, &Route::path);
  if (route == routes().end()) {
    return {.status_code = 404, .body = "no such page; there are\n" + index()};
  }
  const std::vector<std::optional<net::ShardSnapshot>> answers = server_.ask_shards();
  if (std::string stuck = name_stuck(answers); !stuck.empty()) return text(503, std::move(stuck));
  Snapshots snapshots;
  for (const auto& snapshot : answers) snapshots.push_back(*snapshot);
  return (this->*route->page)(request, snapshots);
}

HttpAnswer AdminPages::metrics(const HttpRequest& request, const Snapshots& snapshots) {
  return {.content_type = "text/plain; version=0.0.4; charset=utf-8",
          .body = metrics_page(snapshots, server_.memory(), busy_watch_.look(snapshots),
                               request.parameter("name").value_or(""))};
}

HttpAnswer AdminPages::livez(const HttpRequest&, const Snapshots&) { return text(200, "ok"); }

HttpAnswer AdminPages::readyz(const HttpRequest& request, const Snapshots&) {
  readiness_.note_asked();
  const core::MemoryBudget& memory = server_.memory();
  const bool is_full = memory.stage() >= core::MemoryStage::kHoldPublishers;
  const std::string verdict = !server_.is_serving() ? "draining"
                              : is_full             ? "out of memory"
                                                    : "ready";
  const int status_code = verdict == "ready" ? 200 : 503;
  if (!request.parameter("verbose")) return text(status_code, verdict);
  return text(status_code, verdict + "\nmemory: " + std::string(core::to_string(memory.stage())) +
                               ", " + std::to_string(memory.used()) + " of " +
                               std::to_string(memory.limit()) + " bytes (--memory-limit)");
}

HttpAnswer AdminPages::varz(const HttpRequest&, const Snapshots& snapshots) {
  return json(varz_page(server_, settings_, snapshots));
}

HttpAnswer AdminPages::connz(const HttpRequest& request, const Snapshots& snapshots) {
  const Result<core::ListRange> range = page_range(request);
  if (!range) return text(400, range.error());
  return json(connz_page(server_, *range, snapshots));
}

HttpAnswer AdminPages::destz(const HttpRequest& request, const Snapshots& snapshots) {
  const Result<core::ListRange> range = page_range(request);
  if (!range) return text(400, range.error());
  return json(destz_page(server_, *range, snapshots));
}

HttpAnswer AdminPages::shardz(const HttpRequest&, const Snapshots& snapshots) {
  return json(shardz_page(snapshots, busy_watch_.look(snapshots)));
}

}  // namespace stampede::tools
