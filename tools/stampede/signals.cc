#include "tools/stampede/signals.h"

#include <pthread.h>

#include <optional>
#include <string>
#include <vector>

#include "tools/stampede/service_manager.h"
#include "tools/stampede/snapshot_line.h"
#include "tools/stampede/units.h"

namespace stampede::tools {
namespace {

// A balancer that asks every second or two, and believes the second answer, knows by then.
constexpr int64_t kWatchedDelayMs = 5'000;

sigset_t handled_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2}) sigaddset(&set, signal);
  return set;
}

}  // namespace

void block_signals() {
  const sigset_t set = handled_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // Writing to a log whose reader is gone is an error to be ignored, not a reason to die.
  std::signal(SIGPIPE, SIG_IGN);
}

SignalThread::SignalThread(net::Server& server, Log& log, const Settings& settings,
                           const ReadinessWatch& readiness)
    : server_(server), log_(log), settings_(settings), readiness_(readiness), thread_([this] {
        run();
      }) {}

SignalThread::~SignalThread() {
  // release: none needed but the flag itself; the signal below makes the thread look at it.
  ending_.store(true, std::memory_order_release);
  pthread_kill(thread_.native_handle(), SIGINT);
  thread_.join();
}

void SignalThread::run() {
  const sigset_t set = handled_signals();
  while (true) {
    int signal = 0;
    if (sigwait(&set, &signal) != 0) continue;
    // acquire: pairs with the destructor's store.
    if (ending_.load(std::memory_order_acquire)) return;
    on_signal(signal);
  }
}

void SignalThread::on_signal(int signal) {
  switch (signal) {
    case SIGTERM:
      on_terminate();
      break;
    case SIGINT:
      log_.write(net::LogLevel::kInfo, "stopping now signal=INT");
      server_.stop_now();
      break;
    case SIGHUP:
      log_.answer(
          "nothing can be loaded again while the broker runs; restart it for new settings "
          "signal=HUP");
      break;
    case SIGUSR1:
      if (const Result<void> done = log_.reopen(); !done)
        log_.write(net::LogLevel::kError, done.error());
      log_.answer("log opened signal=USR1");
      break;
    case SIGUSR2:
      log_snapshot();
      break;
    default:
      break;
  }
}

void SignalThread::on_terminate() {
  if (!server_.is_serving()) {
    log_.write(net::LogLevel::kInfo, "stopping now signal=TERM");
    server_.stop_now();
    return;
  }
  const int64_t delay_ms =
      settings_.drain_delay_ms.value_or(readiness_.is_watched() ? kWatchedDelayMs : 0);
  log_.write(net::LogLevel::kInfo,
             "draining signal=TERM connections=" + std::to_string(server_.connections()) +
                 " drain_delay=" + format_duration(delay_ms) +
                 " drain_time=" + format_duration(settings_.drain_time_ms));
  server_.drain({.for_ms = settings_.drain_time_ms, .delay_ms = delay_ms});
  notify_service_manager("STOPPING=1\nSTATUS=draining");
}

void SignalThread::log_snapshot() {
  const std::vector<std::optional<net::ShardSnapshot>> snapshots = server_.ask_shards();
  for (size_t shard = 0; shard < snapshots.size(); ++shard) {
    const auto id = static_cast<core::ShardId>(shard);
    log_.answer(snapshots[shard] ? snapshot_line(id, *snapshots[shard])
                                 : "snapshot shard=" + std::to_string(id) + " stuck=yes");
  }
}

}  // namespace stampede::tools
