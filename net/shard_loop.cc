#include "net/shard_loop.h"

#include <poll.h>

#include <algorithm>

#include "net/clock.h"
#include "net/memory_size.h"

namespace stampede::net {
namespace {

// Work of one turn. Envelopes and octets are what a flush of 256 sends (1.3 ms at 5 us each)
// roughly keeps up with: a turn is the slice in which a large group's flush looks at what came
// meanwhile.
constexpr size_t kSendsPerTurn = 256;
constexpr size_t kEnvelopesPerTurn = 1024;
// Groups of topics that have many. What is encoded for them is still in the cache when it is sent:
// 32 of 16 KiB, which is 64 prices each.
constexpr size_t kGroupsPerTurn = 32;
constexpr size_t kClosesPerTurn = 64;
// Intake of one round, in which each client that is ready is flushed once, by at most 64 KiB.
// Intake that outran it would make every subscriber of a flooded topic lag, however fast it reads.
constexpr size_t kInboundBytesPerRound = 64 * 1024;
// Where a round has few clients to flush, a send of the whole intake would leave the reader waiting
// while we take in, and us while it reads; a quarter at a time lets both work.
constexpr size_t kFewFlushes = 8;
constexpr size_t kInboundBytesForFew = 16 * 1024;
// An enter runs about 20 pieces of deferred work, so reaping enters again while that yields.
constexpr size_t kReapsPerTurn = 16;
constexpr size_t kCompletionsPerReap = 1024;

constexpr int64_t kMillisecondNs = 1'000'000;
constexpr int64_t kSleepNsMax = 10'000 * kMillisecondNs;
// How long overflow waits for a receiver that makes room without telling us.
constexpr int64_t kOverflowRetryNs = kMillisecondNs;
// How often it is looked whether memory that was freed should be returned to the system.
constexpr core::Millis kReturnEveryMs = 20;
// Those who are ended for want of memory give it back a little later.
constexpr int64_t kShedLookNs = 10 * kMillisecondNs;
// Draining shards look at each other's progress this often.
constexpr int64_t kDrainLookNs = 20 * kMillisecondNs;
// What the kernel gets to complete what abort cancelled, before the ring is closed over it.
constexpr core::Millis kAbortGraceMs = 500;

// Leaves the core's other hyper-thread its turn while this one looks.
void relax_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

Result<std::unique_ptr<ShardLoop>> ShardLoop::create(Node& node, core::ShardId id,
                                                     std::vector<ListeningSocket> sockets) {
  auto ring = Ring::create();
  if (!ring) return std::unexpected(std::move(ring.error()));
  auto buffers = BufferRing::create(**ring, kReceiveBuffers, kReceiveBufferBytes);
  if (!buffers) return std::unexpected(std::move(buffers.error()));
  return std::unique_ptr<ShardLoop>(
      new ShardLoop(node, id, std::move(*ring), std::move(*buffers), std::move(sockets)));
}

ShardLoop::ShardLoop(Node& node, core::ShardId id, std::unique_ptr<Ring> ring,
                     std::unique_ptr<BufferRing> buffers, std::vector<ListeningSocket> sockets)
    : node_(node),
      control_(*node.controls[id]),
      log_(node.log.shard(id)),
      id_(id),
      ring_(std::move(ring)),
      buffers_(std::move(buffers)),
      limits_(node.limits),
      shard_(id, node.shards, node.options, node.mailboxes, log_, &node.memory),
      closer_(*ring_, connections_, shard_, limits_),
      receiver_(*ring_, *buffers_, connections_, shard_, closer_, metrics_),
      sender_(*ring_, connections_, shard_, closer_, receiver_, metrics_),
      acceptor_(node, id, std::move(sockets), *ring_, connections_, shard_, receiver_, limits_,
                log_, metrics_),
      round_intake_left_(kInboundBytesPerRound),
      idle_spin_(node.spin_ns),
      started_ns_(monotonic_ns()) {}

void ShardLoop::run() noexcept {
  now_ = to_millis(monotonic_ns());
  arm_wakeup();
  acceptor_.start();
  while (!is_over()) turn();
  end_all();
}

void ShardLoop::turn() noexcept {
  now_ = to_millis(monotonic_ns());
  follow_phase();
  take_mail();
  reap_completions();
  acceptor_.take_dealt(now_);
  take_inbound();
  run_timers();
  post_mail();
  fan_out();
  flush_sends();
  close_connections();
  // What clients withdrew that ended while they were flushed.
  post_mail();
  follow_memory();
  // Behind post_mail(), which lets publishers go on that were held back.
  receiver_.follow_receive_changes();
  answer_requests();
  submit_and_wait();
}

void ShardLoop::take_mail() noexcept { more_mail_ = shard_.take_mail(kEnvelopesPerTurn, now_); }

void ShardLoop::reap_completions() noexcept {
  for (size_t round = 0; round < kReapsPerTurn; ++round) {
    const size_t reaped = ring_->reap(
        kCompletionsPerReap, [this](const Completion& completion) { on_completion(completion); });
    // Sends that were prepared meanwhile wait for the turn's one submission, unless work makes us
    // enter anyway.
    if (!ring_->has_completions()) return;
    if (reaped < kCompletionsPerReap) ring_->submit();
  }
}

void ShardLoop::on_completion(const Completion& completion) noexcept {
  switch (OpTag::decode(completion.user_data).op) {
    case Op::kSend:
      return sender_.on_send(completion, now_);
    case Op::kReceive:
      return receiver_.on_receive(completion);
    case Op::kAccept:
      return acceptor_.on_accept(completion, now_);
    case Op::kCancel:
      return closer_.on_cancel(completion);
    case Op::kWakeup:
      control_.wakeup.consume();
      if (!completion.has_more()) arm_wakeup();
      return;
    case Op::kNone:
      return;
  }
}

void ShardLoop::take_inbound() noexcept {
  const size_t budget = last_round_flushes_ <= kFewFlushes
                            ? std::min(round_intake_left_, kInboundBytesForFew)
                            : round_intake_left_;
  round_intake_left_ -= receiver_.take_in(budget, now_);
}

void ShardLoop::run_timers() noexcept {
  shard_.run_timers(now_);
  acceptor_.run_timers(now_);
}

void ShardLoop::post_mail() noexcept {
  uint64_t receivers = shard_.post_mail();
  if (receivers != 0) Wakeup::fence_after_publish();
  for (; receivers != 0; receivers &= receivers - 1) {
    const auto peer = static_cast<core::ShardId>(__builtin_ctzll(receivers));
    if (peer != id_ && node_.controls[peer]->wakeup.wake_after_fence()) ++metrics_.wakes_sent;
  }
  log_.publish();
}

void ShardLoop::fan_out() noexcept { shard_.fan_out(kGroupsPerTurn, now_); }

void ShardLoop::flush_sends() noexcept {
  if (round_flushes_left_ == 0) {
    round_flushes_left_ = shard_.ready_count();
    if (round_flushes_left_ > 0) last_round_flushes_ = round_flushes_left_;
  }
  const size_t flushed = sender_.flush(kSendsPerTurn, now_);
  round_flushes_left_ -= std::min(flushed, round_flushes_left_);
  if (!shard_.has_ready()) round_flushes_left_ = 0;
  if (round_flushes_left_ == 0 && !shard_.is_gathering())
    round_intake_left_ = kInboundBytesPerRound;
}

void ShardLoop::close_connections() noexcept { closer_.close_some(kClosesPerTurn); }

void ShardLoop::answer_requests() noexcept {
  // relaxed: a look that costs nothing while nobody asks; the exchange below orders.
  if (control_.request.load(std::memory_order_relaxed) == nullptr) return;
  // acq_rel: takes the request over from who asked, and leaves null to the next.
  const std::unique_ptr<ShardRequest> request(
      control_.request.exchange(nullptr, std::memory_order_acq_rel));
  if (!request) return;
  if (request->visit) request->visit(id_, shard_, now_);
  request->answer.set_value(snapshot());
}

ShardSnapshot ShardLoop::snapshot() const {
  ShardSnapshot snapshot = {
      .metrics = shard_.metrics(), .tables = shard_.tables(), .net = metrics_};
  snapshot.net.ring = ring_->counters();
  snapshot.net.log_dropped = log_.dropped();
  snapshot.net.alive_ns = monotonic_ns() - started_ns_;
  snapshot.net.busy_ns = snapshot.net.alive_ns - waited_ns_;
  snapshot.net.connections = connections_.size();
  snapshot.net.inbound_waiting = receiver_.waiting();
  snapshot.net.receive_buffers_free = buffers_->available();
  snapshot.net.send_slots_used = sender_.slots_used();
  return snapshot;
}

// A shard may sleep on memory that its clients hold: whoever sees that there is none wakes them
// all.
void ShardLoop::follow_memory() noexcept {
  const core::MemoryStage stage = node_.memory.stage();
  const bool is_out = stage > memory_stage_ && stage == core::MemoryStage::kShedClients;
  memory_stage_ = stage;
  if (is_out) {
    for (const auto& control : node_.controls) control->wakeup.wake();
  }
  if (now_ >= next_return_) return_memory();
}

// What is freed is of no use to the others while the allocator keeps it for this thread.
void ShardLoop::return_memory() noexcept {
  next_return_ = now_ + kReturnEveryMs;
  if (!node_.return_memory || node_.memory.limit() == 0) return;
  node_.return_memory(resident_memory_bytes() >
                      node_.memory.begins_above(core::MemoryStage::kWarn));
}

// -- Waiting.

void ShardLoop::submit_and_wait() noexcept {
  ++metrics_.turns;
  if (has_work() || ring_->has_submissions()) {
    ring_->submit();
    if (has_work() || ring_->has_completions()) return;
  }
  const int64_t idle_since_ns = monotonic_ns();
  bool slept = false;
  if (!spin(idle_since_ns)) {
    control_.wakeup.prepare_sleep();
    // Looked for again after the flag is up: what was published before it shows here, what comes
    // later wakes us.
    if (!has_news()) {
      ++metrics_.sleeps;
      slept = true;
      ring_->submit_and_wait(sleep_ns(idle_since_ns));
    }
    control_.wakeup.finish_sleep();
  }
  const int64_t gap_ns = monotonic_ns() - idle_since_ns;
  waited_ns_ += gap_ns;
  idle_spin_.on_gap(gap_ns, slept);
}

bool ShardLoop::spin(int64_t idle_since_ns) noexcept {
  const int64_t budget_ns = std::min(idle_spin_.budget_ns(), sleep_ns(idle_since_ns));
  if (budget_ns <= 0) return false;
  ++metrics_.spins;
  do {
    for (int i = 0; i < 64; ++i) {
      if (has_news()) {
        ++metrics_.spins_hit;
        return true;
      }
      relax_cpu();
    }
  } while (monotonic_ns() - idle_since_ns < budget_ns);
  return false;
}

// Something that this shard left over from its turn.
bool ShardLoop::has_work() const noexcept {
  return more_mail_ || shard_.is_gathering() || shard_.has_ready() || receiver_.has_work() ||
         closer_.has_work();
}

// Something that others brought.
bool ShardLoop::has_news() const noexcept {
  // relaxed: who stores these wakes us after a fence; acted upon in the turn, with acquire.
  return ring_->has_completions() || shard_.has_mail() ||
         control_.phase.load(std::memory_order_relaxed) != phase_ ||
         !control_.accepted.is_empty() ||
         control_.request.load(std::memory_order_relaxed) != nullptr;
}

int64_t ShardLoop::sleep_ns(int64_t now_ns) const noexcept {
  const core::Millis next = std::min(
      {shard_.next_deadline(), acceptor_.next_deadline(), begin_end_at_, end_by_, give_up_at_});
  int64_t sleep = kSleepNsMax;
  // Deadlines are in whole milliseconds: up to their beginning, or the turn would come too early
  // and find nothing.
  if (next < to_millis(now_ns) + kSleepNsMax / kMillisecondNs)
    sleep = next * kMillisecondNs - now_ns;
  if (shard_.has_overflow()) sleep = std::min(sleep, kOverflowRetryNs);
  if (memory_stage_ == core::MemoryStage::kShedClients) sleep = std::min(sleep, kShedLookNs);
  if (phase_ != ShardControl::Phase::kServe) sleep = std::min(sleep, kDrainLookNs);
  return std::max<int64_t>(sleep, 0);
}

void ShardLoop::arm_wakeup() noexcept {
  io_uring_sqe* const sqe = ring_->get_sqe();
  io_uring_prep_poll_multishot(sqe, control_.wakeup.fd(), POLLIN);
  sqe->user_data = OpTag{.op = Op::kWakeup}.encode();
}

// -- Ending.

void ShardLoop::follow_phase() noexcept {
  // acquire: the schedule was stored before the phase.
  const ShardControl::Phase wanted = control_.phase.load(std::memory_order_acquire);
  if (wanted != phase_) {
    phase_ = wanted;
    const bool is_stop = wanted == ShardControl::Phase::kStop;
    begin_end_at_ = is_stop ? now_ : control_.drain.begin;
    end_by_ = is_stop ? now_ : control_.drain.deadline;
  }
  if (now_ >= begin_end_at_) begin_end();
  if (now_ >= end_by_) {
    end_by_ = core::kNever;
    give_up_at_ = now_ + kAbortGraceMs;
    shard_.abort_all(core::CloseReason::kDrain, now_);
  }
}

void ShardLoop::begin_end() noexcept {
  begin_end_at_ = core::kNever;
  is_ending_ = true;
  if (phase_ == ShardControl::Phase::kDrain) {
    acceptor_.stop(Acceptor::Late::kServe, control_.drain.sockets_live_on, now_);
    shard_.begin_drain(now_, control_.drain.leave);
  } else {
    acceptor_.stop(Acceptor::Late::kRefuse, true, now_);
  }
}

bool ShardLoop::is_over() noexcept {
  if (!is_ending_) return false;
  if (!stop_counted_ && acceptor_.is_stopped()) {
    stop_counted_ = true;
    // release: what this shard accepted for others is in their queues.
    node_.accepting_shards.fetch_sub(1, std::memory_order_release);
  }
  // acquire: pairs with the others' release, so that the queue is empty for good.
  const bool is_last_taken =
      node_.accepting_shards.load(std::memory_order_acquire) == 0 && control_.accepted.is_empty();
  if (!drain_counted_ && is_last_taken && connections_.size() == 0 && shard_.is_drained() &&
      !receiver_.has_work()) {
    drain_counted_ = true;
    // relaxed: a count that the others look at; nothing is published by it.
    node_.drained_shards.fetch_add(1, std::memory_order_relaxed);
  }
  return node_.drained_shards.load(std::memory_order_relaxed) == node_.shards ||
         now_ >= give_up_at_;
}

void ShardLoop::end_all() noexcept {
  // Only after the grace is over is there still something; then the sockets go first, so that
  // nothing more is sent from memory that is about to be freed.
  closer_.shut_down_all();
  ring_->submit();
  answer_requests();
  log_.publish();
}

}  // namespace stampede::net
