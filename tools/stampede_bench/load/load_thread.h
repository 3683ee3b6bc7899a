#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>
#include <vector>

#include "tools/stampede_bench/load/churn.h"
#include "tools/stampede_bench/load/load_client.h"
#include "tools/stampede_bench/load/load_run.h"
#include "tools/stampede_bench/load/thread_tally.h"

namespace stampede::bench {

// LoadThread connects its clients, publishes on schedule or as the window allows, and counts what
// arrives.
//
// Owns:      its loop, its clients, its tally.
// Thread:    constructed by the main thread; run() is the load thread's; tally() is the main
//            thread's again after that.
// Lifetime:  shorter than the LoadRun.
class LoadThread {
 public:
  LoadThread(LoadRun& run, uint32_t id);

  void run_to_end();

  // What clients use.
  [[nodiscard]] LoadRun& run() { return run_; }
  [[nodiscard]] const LoadPlan& plan() const { return run_.plan; }
  [[nodiscard]] LoadLoop& loop() { return *loop_; }
  [[nodiscard]] BodyText& body() { return body_; }
  [[nodiscard]] ThreadTally& tally() { return tally_; }
  void note_ready();
  void note_refused(std::string_view reason);
  // The run cannot begin.
  void give_up_set_up();
  // How many messages a publisher has sent so far; 0 if there is none of that number.
  [[nodiscard]] uint64_t published_by(uint32_t publisher) const;
  // Of a queue: it was sent, and some consumer had it.
  [[nodiscard]] bool was_delivered(const Stamp& stamp) const;
  // A subscriber has the message that `stamp` names, for the first time.
  void count_delivery(const Stamp& stamp, uint32_t destination);
  // The next source address in turn; null without --source-ip.
  [[nodiscard]] const net::SocketAddress* next_source();

 private:
  [[nodiscard]] bool prepare();
  [[nodiscard]] bool connect_all();
  [[nodiscard]] bool wait_for_schedule();
  void load();
  void drain();
  void leave_all();
  void wait_until_gone();
  void count_lost();

  int64_t publish_on_schedule(int64_t now_ns);
  void publish_in_window();
  bool publish_one(uint32_t publisher, int64_t intended_ns);
  void take_inbox();
  void note_window_open(uint32_t publisher);
  // All who wait for it have it.
  void note_completed(const Stamp& stamp, int64_t intended_ns);
  void follow_schedule(int64_t now_ns);
  void turn(int64_t until_ns);

  // Constant after construction.
  LoadRun& run_;
  const uint32_t id_;
  const BenchOptions& options_;
  // Load thread.
  std::unique_ptr<LoadLoop> loop_;
  BodyText body_;
  ThreadTally tally_;
  std::deque<LoadClient> clients_;
  std::vector<net::SocketAddress> sources_;
  size_t sources_taken_ = 0;
  size_t ready_ = 0;
  std::unique_ptr<Churn> churn_;
  // By publisher: the client, or null if it is another thread's.
  std::vector<LoadClient*> publisher_clients_;
  std::vector<uint32_t> own_publishers_;
  // By publisher and slot of its flight: subscribers of this thread that have the message.
  std::vector<std::vector<uint32_t>> delivered_here_;
  // Closed loop: publishers whose window may have room, each at most once.
  std::vector<uint32_t> open_windows_;
  std::vector<bool> is_window_open_;
  // Open loop: publishes of this thread, in turn over its publishers.
  uint64_t scheduled_ = 0;
  double interval_ns_ = 0;
  int64_t step_ends_at_ = 0;
  int64_t step_cpu_ns_ = 0;
  bool has_begun_ = false;  // to publish
};

}  // namespace stampede::bench
