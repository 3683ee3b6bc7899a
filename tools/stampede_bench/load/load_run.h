#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "net/wakeup.h"
#include "tools/stampede_bench/load/flight.h"
#include "tools/stampede_bench/load/load_plan.h"

namespace stampede::bench {

// When what happens, on the monotonic clock in ns.
struct Schedule {
  int64_t start = 0;         // first publish
  int64_t measure_from = 0;  // warmed up
  int64_t measure_to = 0;    // last publish
  int64_t drain_until = 0;   // what has not come then is lost
  int64_t step = 0;          // of the series over time
};

// LoadRun is what the load threads of one run share.
//
// Owns:      flights, windows, the wake-ups of the threads.
// Thread:    set up by the main thread; then as each member says.
// Lifetime:  outlives the load threads.
class LoadRun {
 public:
  explicit LoadRun(const LoadPlan& plan);

  const LoadPlan& plan;

  // By publisher. Any load thread.
  std::deque<Flight> flights;
  struct PublisherState {
    std::atomic<uint32_t> in_flight = 0;
    std::atomic<uint64_t> published = 0;
  };
  std::deque<PublisherState> publishers;

  // By thread: publishers whose window has room again, told by other threads.
  struct Inbox {
    std::mutex mutex;
    std::vector<uint32_t> publishers;
    std::atomic<bool> has_some = false;
    net::Wakeup wakeup;
  };
  std::deque<Inbox> inboxes;

  // Read by the main thread for the progress line; each written by one load thread.
  struct Live {
    std::atomic<uint64_t> delivered = 0;
    std::atomic<uint64_t> published = 0;
    std::atomic<uint64_t> ready = 0;
    std::atomic<int64_t> latency_p50_ns = 0;  // of the last step
    std::atomic<int64_t> latency_p99_ns = 0;
  };
  std::deque<Live> live;

  // Written by the main thread before `is_scheduled`.
  Schedule schedule;
  std::atomic<bool> is_scheduled = false;
  std::atomic<bool> is_stopped = false;       // set-up failed somewhere, or an interrupt
  std::atomic<uint32_t> done_publishing = 0;  // threads

  // The first one is what the report tells.
  void note_error(std::string_view text);
  [[nodiscard]] std::string first_error();

  // Sums over publishers: only for the end of a run.
  [[nodiscard]] bool is_all_delivered() const;

 private:
  std::mutex error_mutex_;
  std::string first_error_;
};

}  // namespace stampede::bench
