#pragma once

#include <string>

#include "tools/json/json_writer.h"
#include "tools/stampede_bench/report/run_report.h"

namespace stampede::bench {

using json::JsonWriter;

// One line that holds all of `report`, for scripts that compare runs. The keys are the names of the
// fields; what a name ends in is its unit. Histograms appear as percentiles in microseconds:
//
//   {"scenario":"fanout","url":"ws://...","parameters":{"subscribers":"1000"},"seconds":10,
//    "published":10000,"delivered":10000000,"deliveries_per_second":1000000,
//    "latency_us":{"count":...,"p50":...,"p90":...,"p99":...,"p99_9":...,"p99_99":...,"max":...,"mean":...},
//    "completion_us":{...},
//    "errors":{"lost":0,"duplicated":0,"reordered":0,"corrupted":0,"disconnected":0,"refused":0},
//    "first_error":"",
//    "server":{"cpu_seconds":...,"cpu_ns_per_delivery":...,"cpu_share":...,"rss_bytes":...,
//              "rss_before_bytes":...,"rss_peak_bytes":...},
//    "load":{"cpu_share":...,"was_limit":false},
//    "figures":{"rss_per_connection_bytes":...},
//    "series":[{"at_s":1,"seconds":1,"published":...,...}]}
//
// Shares are of one core. `server` is null if it was not watched; cpu_ns_per_delivery is null if
// nothing was delivered.
[[nodiscard]] std::string json_report(const RunReport& report);

// The same object as part of a larger text.
void append_json_report(JsonWriter& json, const RunReport& report);

}  // namespace stampede::bench
