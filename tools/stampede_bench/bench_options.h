#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tools/stampede_bench/wire/dialect.h"

namespace stampede::bench {

enum class Scenario : uint8_t { kFanOut, kEcho, kIdle, kChurn, kQueue };

// What a run does, as the command line says it.
//
// Thread:    constant once the load threads run.
struct BenchOptions {
  Scenario scenario = Scenario::kFanOut;
  std::string url = "ws://127.0.0.1:15674/ws";
  Target target;

  uint32_t threads = 1;
  uint32_t subscribers = 100;  // of echo and idle: connections
  uint32_t publishers = 1;
  uint32_t destinations = 1;
  std::string destination = "/topic/bench";  // ".N" is appended
  uint64_t body_bytes = 100;
  double rate = 0;  // publishes a second, all publishers together; 0 is closed loop
  uint32_t window = 64;
  uint32_t burst = 1;
  bool has_uuid_ids = false;  // each subscription an id of its own instead of "sub-0"
  std::string ack = "auto";
  uint32_t prefetch = 0;  // deliveries that may wait for an acknowledgement; 0: the broker decides

  double churn_rate = 100;  // connections a second that come, stay a while and go
  int64_t churn_stay_ms = 1000;

  int64_t warm_up_ms = 1000;
  int64_t duration_ms = 5000;
  int64_t settle_ms = 0;       // between the last subscription and the first publish
  int64_t drain_ms = 5000;     // for what is in flight at the end
  int64_t set_up_ms = 60'000;  // for all connections and subscriptions
  uint32_t connect_parallel = 64;
  std::vector<std::string> source_ips;
  pid_t server_pid = 0;

  std::string json_file;
  std::string csv_file;
  std::string hdr_file;
  std::string plot_file;
  std::vector<std::string> fail_if;
};

[[nodiscard]] const char* to_string(Scenario scenario);

}  // namespace stampede::bench
