#include "net/shard_thread.h"

#include <sched.h>

#include <string>

#include "net/shard_loop.h"
#include "net/start_thread.h"

namespace stampede::net {
namespace {

// Best effort: a CPU that is gone by now is no reason to end.
void pin_to(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<size_t>(cpu), &set);
  (void)sched_setaffinity(0, sizeof(set), &set);
}

}  // namespace

Result<void> ShardThread::start(std::vector<ListeningSocket> sockets, std::optional<int> cpu) {
  std::future<Result<void>> started = started_.get_future();
  thread_ = start_thread(
      "shard-" + std::to_string(id_),
      [this, cpu, sockets = std::move(sockets)]() mutable { run(std::move(sockets), cpu); });
  return started.get();
}

void ShardThread::run(std::vector<ListeningSocket> sockets, std::optional<int> cpu) {
  // Before anything is allocated, so that memory comes from the node that the CPU is on.
  if (cpu) pin_to(*cpu);
  Result<std::unique_ptr<ShardLoop>> loop = ShardLoop::create(node_, id_, std::move(sockets));
  if (!loop) {
    started_.set_value(std::unexpected("shard " + std::to_string(id_) + ": " + loop.error()));
    return;
  }
  started_.set_value({});
  if (!serve_.get_future().get()) return;
  (*loop)->run();
  last_snapshot_ = (*loop)->snapshot();
  // seq_cst, as in ask() and answer(): flag and request are two variables that each side writes one
  // of and reads the other; one side sees the other's, so a request is answered here or withdrawn
  // there.
  over_.store(true, std::memory_order_seq_cst);
  const std::unique_ptr<ShardRequest> request(
      node_.controls[id_]->request.exchange(nullptr, std::memory_order_seq_cst));
  if (request) request->answer.set_value(last_snapshot_);
}

void ShardThread::release(bool serve) {
  if (std::exchange(released_, true)) return;
  serve_.set_value(serve);
}

void ShardThread::join() {
  if (!thread_.joinable()) return;
  release(false);
  thread_.join();
}

void ShardThread::ask(ShardVisit visit) {
  ShardControl& control = *node_.controls[id_];
  auto request = std::make_unique<ShardRequest>(ShardRequest{std::move(visit), {}});
  answer_ = request->answer.get_future();
  // seq_cst: see run(). Nobody else asks at the same time (the server serialises), so the place is
  // free.
  control.request.store(request.release(), std::memory_order_seq_cst);
  control.wakeup.wake();
}

std::optional<ShardSnapshot> ShardThread::answer(Clock::time_point deadline) {
  ShardControl& control = *node_.controls[id_];
  if (!over_.load(std::memory_order_seq_cst) &&
      answer_.wait_until(deadline) == std::future_status::ready) {
    return answer_.get();
  }
  // acq_rel: whoever gets the pointer out owns it; if it was the shard, the answer is about to
  // come.
  const std::unique_ptr<ShardRequest> withdrawn(
      control.request.exchange(nullptr, std::memory_order_acq_rel));
  if (!withdrawn) return answer_.get();
  if (over_.load(std::memory_order_acquire)) return last_snapshot_;
  return std::nullopt;
}

}  // namespace stampede::net
