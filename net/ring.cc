#include "net/ring.h"

#include <cerrno>

#include "net/ring_error.h"

namespace stampede::net {

Result<std::unique_ptr<Ring>> Ring::create(unsigned submission_entries,
                                           unsigned completion_entries) {
  std::unique_ptr<Ring> ring(new Ring);
  io_uring_params params = {};
  params.flags = kRingSetupFlags;
  params.cq_entries = completion_entries;
  const int error = io_uring_queue_init_params(submission_entries, &ring->ring_, &params);
  if (error < 0) {
    ring->ring_.ring_fd = -1;
    return std::unexpected(explain_ring_error(-error, read_ring_surroundings()));
  }
  // An enter then needs no look-up of the descriptor. Older kernels refuse, and it works without.
  (void)io_uring_register_ring_fd(&ring->ring_);
  // A child that is forked must not write into the shared pages.
  (void)io_uring_ring_dontfork(&ring->ring_);
  return ring;
}

Ring::~Ring() {
  if (ring_.ring_fd >= 0) io_uring_queue_exit(&ring_);
}

io_uring_sqe* Ring::get_sqe() noexcept {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  while (sqe == nullptr) {
    submit();
    sqe = io_uring_get_sqe(&ring_);
    // The kernel takes no SQE while its overflow list waits for room in the CQ: make room.
    if (sqe == nullptr) spill();
  }
  return sqe;
}

void Ring::submit() noexcept {
  const unsigned ready = io_uring_sq_ready(&ring_);
  note_enter(io_uring_submit_and_get_events(&ring_), ready);
}

void Ring::submit_and_wait(int64_t timeout_ns) noexcept {
  __kernel_timespec timeout = {.tv_sec = timeout_ns / 1'000'000'000,
                               .tv_nsec = timeout_ns % 1'000'000'000};
  io_uring_cqe* cqe = nullptr;
  const unsigned ready = io_uring_sq_ready(&ring_);
  note_enter(io_uring_submit_and_wait_timeout(&ring_, &cqe, 1, &timeout, nullptr), ready);
}

void Ring::note_enter(int result, unsigned ready_before) noexcept {
  ++counters_.enters;
  counters_.submissions += ready_before - io_uring_sq_ready(&ring_);
  if (io_uring_cq_has_overflow(&ring_)) ++counters_.overflows;
  // What was not taken stays in the SQ and goes with the next enter. A timeout and a signal are no
  // failures.
  if (result < 0 && result != -ETIME && result != -EINTR) ++counters_.submit_refused;
}

bool Ring::has_completions() const noexcept {
  if (spilled_taken_ < spilled_.size() || io_uring_cq_ready(&ring_) != 0) return true;
  // acquire: the kernel sets the flags after it queued the work that they announce.
  const unsigned flags = __atomic_load_n(ring_.sq.kflags, __ATOMIC_ACQUIRE);
  return (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

bool Ring::take(Completion& completion) noexcept {
  if (spilled_taken_ == spilled_.size()) return take_from_ring(completion);
  completion = spilled_[spilled_taken_++];
  if (spilled_taken_ == spilled_.size()) {
    spilled_.clear();
    spilled_taken_ = 0;
  }
  return true;
}

bool Ring::take_from_ring(Completion& completion) noexcept {
  io_uring_cqe* cqe = nullptr;
  unsigned head = 0;
  io_uring_for_each_cqe(&ring_, head, cqe) {
    completion = {cqe->user_data, cqe->res, cqe->flags};
    // The entry is given back before it is acted upon: acting may submit, and that may spill the
    // CQ.
    io_uring_cq_advance(&ring_, 1);
    return true;
  }
  return false;
}

void Ring::spill() noexcept {
  Completion completion;
  while (take_from_ring(completion)) spilled_.push_back(completion);
}

}  // namespace stampede::net
