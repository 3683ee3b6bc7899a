#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "net/socket.h"

namespace stampede::net {

// A connection, and which listener it came through.
struct AcceptedSocket {
  FileDescriptor fd;
  uint32_t listener;
};

// AcceptedQueue is where a shard finds connections that another one accepted for it: some listening
// sockets are fewer than the shards that serve them. A lock does, as it costs little beside an
// accept.
//
// Owns:      the descriptors that nobody took.
// Thread:    any.
class AcceptedQueue {
 public:
  // Whoever puts wakes the shard afterwards.
  void put(AcceptedSocket socket) {
    const std::lock_guard lock(mutex_);
    sockets_.push_back(std::move(socket));
    // relaxed: the look at it is a hint, repeated after a wake-up; the lock orders the rest.
    size_.store(sockets_.size(), std::memory_order_relaxed);
  }
  [[nodiscard]] std::vector<AcceptedSocket> take_all() {
    const std::lock_guard lock(mutex_);
    size_.store(0, std::memory_order_relaxed);
    return std::exchange(sockets_, {});
  }
  [[nodiscard]] bool is_empty() const { return size_.load(std::memory_order_relaxed) == 0; }

 private:
  std::mutex mutex_;
  std::vector<AcceptedSocket> sockets_;
  std::atomic<size_t> size_ = 0;
};

}  // namespace stampede::net
