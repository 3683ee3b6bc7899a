#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tools/stampede_bench/report/histogram.h"

namespace stampede::bench {

// One step of the run for the series over time; counts are of this step alone.
struct ReportSample {
  double at_s = 0;  // end of the step, since the measured window began
  double seconds = 0;
  uint64_t published = 0;
  uint64_t delivered = 0;
  int64_t latency_p50_ns = 0;
  int64_t latency_p99_ns = 0;
  double server_cpu = 0;  // of one core; 0 without --server-pid
  double load_cpu = 0;    // of one core, the busiest thread
  uint64_t server_rss_bytes = 0;
};

// What the server process used within the measured window.
struct ServerUse {
  int64_t cpu_ns = 0;
  uint64_t rss_before_bytes = 0;  // before the first connection
  uint64_t rss_bytes = 0;         // at the end of the window
  uint64_t rss_peak_bytes = 0;
};

// What every subscriber checks. Any of these makes the exit code 2.
struct ReportErrors {
  uint64_t lost = 0;
  uint64_t duplicated = 0;
  uint64_t reordered = 0;
  uint64_t corrupted = 0;     // body or addressee is not what was sent
  uint64_t disconnected = 0;  // connections that ended without being asked to
  uint64_t refused = 0;       // ERROR frames and refused handshakes

  [[nodiscard]] uint64_t total() const {
    return lost + duplicated + reordered + corrupted + disconnected + refused;
  }
  void add(const ReportErrors& other) {
    lost += other.lost;
    duplicated += other.duplicated;
    reordered += other.reordered;
    corrupted += other.corrupted;
    disconnected += other.disconnected;
    refused += other.refused;
  }
};

// One value that belongs to a scenario: "rss_per_connection_bytes" of idle.
struct ReportFigure {
  std::string name;
  double value = 0;
};

// RunReport is the outcome of one run, as every writer (JSON, CSV, HDR, plot, terminal) sees it.
//
// Thread:    any; plain data, made once the load threads have ended.
struct RunReport {
  std::string scenario;
  std::string url;
  // In the order in which they are printed: {"subscribers", "1000"}.
  std::vector<std::pair<std::string, std::string>> parameters;

  double seconds = 0;  // the measured window
  uint64_t published = 0;
  uint64_t delivered = 0;
  Histogram latency;     // ns from the intended time of the SEND to the return of the receive
  Histogram completion;  // ns from there to the last subscriber's delivery
  ReportErrors errors;
  std::string first_error;  // one line; empty without errors
  std::optional<ServerUse> server;
  double load_cpu = 0;  // of one core, the busiest thread, within the window
  bool load_was_limit = false;
  std::vector<ReportFigure> figures;
  std::vector<ReportSample> series;

  [[nodiscard]] double deliveries_per_second() const {
    return seconds > 0 ? static_cast<double>(delivered) / seconds : 0;
  }
  // Of one core: 2 is two cores busy all the time. Absent if the server was not watched.
  [[nodiscard]] std::optional<double> server_cpu() const {
    if (!server || seconds <= 0) return std::nullopt;
    return static_cast<double>(server->cpu_ns) / (seconds * 1e9);
  }
  // Absent if the server was not watched or nothing was delivered.
  [[nodiscard]] std::optional<double> cpu_ns_per_delivery() const {
    if (!server || delivered == 0) return std::nullopt;
    return static_cast<double>(server->cpu_ns) / static_cast<double>(delivered);
  }
};

}  // namespace stampede::bench
