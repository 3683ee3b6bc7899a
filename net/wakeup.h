#pragma once

#include <atomic>
#include <cstdint>

#include "net/socket.h"
#include "proto/base/cache_line.h"

namespace stampede::net {

// Wakeup ends the sleep of one thread: a flag that says that it sleeps, and an eventfd that its
// ring (or poll) waits for. Who has something for an awake thread pays a look at the flag and no
// system call.
//
// The two sides must not miss each other. Each stores, fences, then loads what the other stored:
//     waker:    publish the work;      seq_cst fence;  load the flag
//     sleeper:  store the flag;        seq_cst fence;  look for work
// Of two such fences one is first in the single total order, so either the waker sees the flag or
// the sleeper sees the work.
//
// Owns:      the eventfd.
// Thread:    wake(), wake_after_fence(): any. The others: the sleeping thread.
// Lifetime:  outlives every thread that may wake it.
class Wakeup {
 public:
  Wakeup();
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;

  // After publishing something. True if the thread slept and was woken.
  bool wake() noexcept;
  // The same after fence_after_publish(): one fence serves the looks at several flags.
  bool wake_after_fence() noexcept;
  static void fence_after_publish() noexcept;

  // Announces sleep. The caller must look for work once more after it, and only then wait for fd().
  void prepare_sleep() noexcept;
  // Awake again, whatever the reason.
  void finish_sleep() noexcept;
  // Empties the eventfd after it became readable.
  void consume() noexcept;

  [[nodiscard]] int fd() const { return event_.get(); }
  [[nodiscard]] bool is_open() const { return event_.is_open(); }

 private:
  FileDescriptor event_;
  // Read by every waker each turn, written by the sleeper around a sleep only.
  alignas(kNoSharingBytes) std::atomic<bool> sleeping_ = false;
};

}  // namespace stampede::net
