#pragma once

#include <cstdint>
#include <deque>
#include <memory>

#include "tools/stampede_bench/load/load_client.h"

namespace stampede::bench {

// Churn brings subscribers that come, stay a while and go, every second one without a word, while
// the others' traffic goes on.
//
// Owns:      the clients that are there now.
// Thread:    its load thread.
class Churn {
 public:
  // `rate` is of this thread, in connections a second; it begins at `start_ns`.
  Churn(LoadThread& thread, double rate, int64_t stay_ns, int64_t start_ns);

  // Lets come and go whoever is due; gives when to be called next.
  int64_t follow(int64_t now_ns);
  // Everybody goes.
  void end();

 private:
  struct Guest {
    std::unique_ptr<LoadClient> client;
    int64_t leaves_at_ns = 0;
  };
  void let_go(Guest& guest);
  void forget_gone();
  void count_lost(const Guest& guest);

  LoadThread& thread_;
  const double interval_ns_;
  const int64_t stay_ns_;
  const int64_t start_ns_;
  uint64_t came_ = 0;
  uint64_t went_ = 0;
  std::deque<Guest> guests_;   // in the order in which they leave
  std::deque<Guest> leaving_;  // wait for the broker to close
};

}  // namespace stampede::bench
