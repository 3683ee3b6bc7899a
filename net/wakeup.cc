#include "net/wakeup.h"

#include <sys/eventfd.h>
#include <unistd.h>

namespace stampede::net {

Wakeup::Wakeup() : event_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

bool Wakeup::wake() noexcept {
  fence_after_publish();
  return wake_after_fence();
}

void Wakeup::fence_after_publish() noexcept {
  // seq_cst: the work published before must not be ordered behind the look at the flag (store, then
  // load).
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

bool Wakeup::wake_after_fence() noexcept {
  // relaxed: the fence before it orders it; a plain load keeps the line shared while the thread is
  // awake.
  if (!sleeping_.load(std::memory_order_relaxed)) return false;
  // relaxed: only decides which of several wakers pays for the write; the eventfd itself orders
  // nothing we read.
  if (!sleeping_.exchange(false, std::memory_order_relaxed)) return false;
  const uint64_t one = 1;
  // It can only fail with a counter that is full, and then it is readable already.
  (void)!write(event_.get(), &one, sizeof(one));
  return true;
}

void Wakeup::prepare_sleep() noexcept {
  // relaxed: the fence orders it against the look for work that follows.
  sleeping_.store(true, std::memory_order_relaxed);
  // seq_cst: the store must not be ordered behind that look.
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

void Wakeup::finish_sleep() noexcept {
  // relaxed: a waker that still sees true writes once too often, which costs a turn and harms
  // nothing.
  sleeping_.store(false, std::memory_order_relaxed);
}

void Wakeup::consume() noexcept {
  uint64_t count = 0;
  (void)!read(event_.get(), &count, sizeof(count));
}

}  // namespace stampede::net
