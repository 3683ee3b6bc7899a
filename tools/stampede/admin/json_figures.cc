#include "tools/stampede/admin/json_figures.h"

#include <time.h>

#include <array>

#include "net/clock.h"

namespace stampede::tools {
namespace {

void append_object(json::JsonWriter& json, std::string_view name,
                   const std::vector<Figure>& figures) {
  json.key(name);
  json.begin_object();
  for (const Figure& figure : figures) json.member(figure.name, figure.value);
  json.end_object();
}

}  // namespace

void append_figures(json::JsonWriter& json, const SnapshotFigures& figures) {
  append_object(json, "tables", figures.tables);
  append_object(json, "counters", figures.counters);
  append_object(json, "connections_closed", figures.closed);
  append_object(json, "net", figures.net);
  append_object(json, "ring", figures.ring);
}

std::string time_ago(core::Millis ago) {
  const time_t at = (net::to_millis(net::realtime_ns()) - ago) / 1000;
  tm parts = {};
  gmtime_r(&at, &parts);
  std::array<char, 32> text = {};
  const size_t size = strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text.data(), size};
}

}  // namespace stampede::tools
