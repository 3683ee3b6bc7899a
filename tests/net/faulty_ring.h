#pragma once

#include <liburing.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_map>

#include "net/completion.h"
#include "tests/net/ring_faults.h"
#include "tests/sim/sim_random.h"

namespace stampede::net {

// FaultyRing is one ring under RingFaults: it changes what is submitted, and what is completed.
//
// A completion that is to be late becomes one of Op::kNone, which nobody waits for; when its time
// has come a NOP is submitted, whose completion becomes the late one. While one is late the ring
// does not sleep.
//
// Owns:      the late completions; the ring is the broker's.
// Thread:    the ring's.
// Invariant: completions of one user_data keep their order.
class FaultyRing {
 public:
  FaultyRing(RingFaults& faults, io_uring& ring, size_t number);
  // The ring is about to end.
  ~FaultyRing();
  FaultyRing(const FaultyRing&) = delete;
  FaultyRing& operator=(const FaultyRing&) = delete;

  int submit();
  int submit_and_wait(io_uring_cqe** cqe, unsigned wait_for, __kernel_timespec* timeout,
                      sigset_t* mask);

 private:
  // -- On the way in.
  // 0, or with what the enter is refused.
  [[nodiscard]] int refusal();
  void alter_submissions();
  void alter(io_uring_sqe& sqe);
  void alter_send(io_uring_sqe& sqe);
  void alter_receive(io_uring_sqe& sqe);
  void alter_accept(io_uring_sqe& sqe);
  // The operation is not carried out, and completes with the result.
  void answer(io_uring_sqe& sqe, int result);
  void note_begin(const io_uring_sqe& sqe);
  void bring_late_ones();

  // -- On the way out.
  void look_at_completions();
  void look_at(io_uring_cqe& cqe);
  void note_end(const io_uring_cqe& cqe);

  // True if it is to happen now; `value` becomes that of the rule, or one of `choices`.
  template <size_t kCount>
  [[nodiscard]] bool happens(Fault fault, const int (&choices)[kCount], int& value);
  [[nodiscard]] bool happens(Fault fault) { return faults_.happens(fault, random_); }

  struct Late {
    Completion completion;
    uint64_t due;  // by enters_
  };
  // What the completion of a NOP of ours becomes.
  struct Rewritten {
    Completion completion;
    bool is_late;
  };

  RingFaults& faults_;
  io_uring& ring_;
  const size_t number_;
  sim::SimRandom random_;
  uint64_t enters_ = 0;
  unsigned altered_tail_ = 0;                    // SQEs before it were looked at
  unsigned seen_tail_ = 0;                       // and CQEs
  std::unordered_map<uint64_t, int> under_way_;  // descriptors by user_data: receives and sends
  std::unordered_map<uint64_t, Rewritten> rewritten_;  // by the user_data of the NOP
  std::unordered_map<uint64_t, unsigned> late_of_;     // late ones by user_data
  std::deque<Late> late_;                              // those for which no NOP is under way
  uint64_t next_nop_;
};

}  // namespace stampede::net
