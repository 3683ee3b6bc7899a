#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/shard_types.h"
#include "tools/json/json_writer.h"
#include "tools/stampede/snapshot_figures.h"

namespace stampede::tools {

// "tables", "counters", "connections_closed", "net" and "ring", each an object of numbers.
void append_figures(json::JsonWriter& json, const SnapshotFigures& figures);

// The time of day so long ago, "2026-01-31T12:00:00Z".
[[nodiscard]] std::string time_ago(core::Millis ago);

}  // namespace stampede::tools
