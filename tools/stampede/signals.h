#pragma once

#include <atomic>
#include <csignal>
#include <thread>

#include "net/server.h"
#include "tools/stampede/log.h"
#include "tools/stampede/readiness_watch.h"
#include "tools/stampede/settings.h"

namespace stampede::tools {

// Blocks the signals that SignalThread takes, in this thread and those it will start, and ignores
// SIGPIPE. Requires: called before any other thread exists.
void block_signals();

// SignalThread takes the process's signals with sigwait, so that nothing of the broker runs in a
// signal handler. TERM drains; a second one, or INT, stops at once; USR1 opens the log file again;
// USR2 logs each shard's tables and counters; HUP only says that there is nothing to load again.
//
// Owns:      its thread.
// Lifetime:  what it is given outlives it.
class SignalThread {
 public:
  SignalThread(net::Server& server, Log& log, const Settings& settings,
               const ReadinessWatch& readiness);
  ~SignalThread();
  SignalThread(const SignalThread&) = delete;
  SignalThread& operator=(const SignalThread&) = delete;

 private:
  void run();
  void on_signal(int signal);
  void on_terminate();
  void log_snapshot();

  net::Server& server_;
  Log& log_;
  const Settings& settings_;
  const ReadinessWatch& readiness_;
  std::atomic<bool> ending_ = false;
  std::thread thread_;
};

}  // namespace stampede::tools
