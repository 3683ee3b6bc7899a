#pragma once

#include <liburing.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "net/completion.h"
#include "net/ring_counters.h"
#include "proto/base/result.h"

namespace stampede::net {

// SINGLE_ISSUER and DEFER_TASKRUN: completion work runs only when the shard asks, so a turn is not
// interrupted. TASKRUN_FLAG shows in shared memory that such work waits, so that looking costs no
// system call. SUBMIT_ALL: one bad SQE gives a CQE instead of holding the others back.
inline constexpr unsigned kRingSetupFlags =
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN |
    IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE;

// A flush hands over 256 sends, accepts and receives come on top. The CQ is eight times that, so
// that an overflow, which costs the kernel an allocation per entry, takes a burst of thousands.
inline constexpr unsigned kSubmissionEntries = 1024;
inline constexpr unsigned kCompletionEntries = 8192;

// Ring is one shard's io_uring: it hands out SQEs, submits them and hands back completions.
//
// Owns:      the ring, unmapped at the end.
// Thread:    the thread that created it (SINGLE_ISSUER).
// Invariant: get_sqe() never fails; no completion is lost, and they are seen in the kernel's order.
class Ring {
 public:
  // What went wrong comes with its cure (system_check.h).
  [[nodiscard]] static Result<std::unique_ptr<Ring>> create(
      unsigned submission_entries = kSubmissionEntries,
      unsigned completion_entries = kCompletionEntries);
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // A cleared SQE. Submits first if the SQ is full.
  [[nodiscard]] io_uring_sqe* get_sqe() noexcept;
  // Hands over what was prepared and runs the kernel's deferred work; does not wait.
  void submit() noexcept;
  // The same, then waits until a completion is there or the time is over.
  void submit_and_wait(int64_t timeout_ns) noexcept;

  // Gives at most `max` completions that are there now to `on_completion`, which may call
  // get_sqe(). Returns how many.
  template <typename OnCompletion>
  size_t reap(size_t max, OnCompletion&& on_completion) noexcept {
    size_t count = 0;
    Completion completion;
    while (count < max && take(completion)) {
      ++count;
      on_completion(completion);
    }
    counters_.completions += count;
    return count;
  }

  // True if reap() would find something after a submit(): completions, or deferred work. No system
  // call.
  [[nodiscard]] bool has_completions() const noexcept;
  [[nodiscard]] bool has_submissions() const noexcept { return io_uring_sq_ready(&ring_) != 0; }
  [[nodiscard]] const RingCounters& counters() const { return counters_; }
  [[nodiscard]] io_uring& raw() { return ring_; }

 private:
  Ring() = default;
  bool take(Completion& completion) noexcept;
  bool take_from_ring(Completion& completion) noexcept;
  void spill() noexcept;
  void note_enter(int result, unsigned ready_before) noexcept;

  io_uring ring_ = {};
  RingCounters counters_;
  // Completions taken out of a full CQ before their turn, because the kernel took no SQE until
  // there was room.
  std::vector<Completion> spilled_;
  size_t spilled_taken_ = 0;
};

}  // namespace stampede::net
