#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/buffer_ring.h"
#include "net/completion.h"
#include "net/ring.h"
#include "net/socket.h"
#include "proto/base/result.h"
#include "tools/stampede_bench/wire/dialect.h"

namespace stampede::bench {

// Who a connection belongs to. Told within LoadLoop::turn().
class LinkUser : public Listener {
 public:
  // The connection is gone, and not because we closed it. `error` is an errno; 0 for a polite end.
  virtual void on_lost(int error) = 0;
};

// One connection of the load.
struct Link {
  std::unique_ptr<Dialect> dialect;
  LinkUser* user = nullptr;
  std::string out;      // to be sent; LoadLoop::note_written() after appending
  std::string sending;  // with the kernel
  size_t sent = 0;
  int fd = -1;
  uint32_t handle = 0;
  uint8_t pending = 0;  // operations with the kernel; the slot is free when none is left
  bool is_open = false;
  bool is_dirty = false;
  bool is_sending = false;
  bool is_starved = false;  // in LoadLoop::starved_
};

// LoadLoop is one load thread's io_uring: many connections, one send in flight for each, received
// octets given to their dialects.
//
// Owns:      the ring, the buffers and the links.
// Thread:    the one that created it.
// Lifetime:  users outlive it, or close their links first.
// Invariant: a Link's address holds until close(); after that no call reaches its user.
class LoadLoop {
 public:
  [[nodiscard]] static Result<std::unique_ptr<LoadLoop>> create(const Target& target);
  ~LoadLoop();
  LoadLoop(const LoadLoop&) = delete;
  LoadLoop& operator=(const LoadLoop&) = delete;

  // Begins to connect; the dialect's opening goes out as soon as that is done. `source` may be
  // null. Null and `error` if the system gives no socket.
  Link* connect(LinkUser& user, const net::SocketAddress* source, std::string& error);
  // Something was appended to link.out.
  void note_written(Link& link);
  // Ends it as it is; what is still in link.out is lost.
  void close(Link& link);

  // Submits, waits until something happens but not beyond `until_ns`, and tells the users.
  void turn(int64_t until_ns);
  // The clock as of the completion that is being told.
  [[nodiscard]] int64_t now_ns() const { return now_ns_; }
  // Lets another thread end the wait: the loop watches this descriptor and calls `on_woken`.
  void watch(int event_fd);
  [[nodiscard]] bool was_woken() { return std::exchange(was_woken_, false); }

  [[nodiscard]] uint64_t octets_received() const { return octets_received_; }

 private:
  LoadLoop(const Target& target, std::unique_ptr<net::Ring> ring,
           std::unique_ptr<net::BufferRing> buffers, const net::SocketAddress& address);

  void reap();
  void on_completion(const net::Completion& completion);
  void on_connect(Link& link, int result);
  void on_receive(Link& link, const net::Completion& completion);
  void on_send(Link& link, int result);
  void arm_receive(Link& link);
  void arm_watch();
  void prep_send(Link& link);
  void send_dirty();
  void lose(Link& link, int error);
  void shut(Link& link);
  void release(Link& link);

  // Constant after construction.
  const Target& target_;
  const net::SocketAddress address_;
  // The load thread.
  std::unique_ptr<net::Ring> ring_;
  std::unique_ptr<net::BufferRing> buffers_;
  std::deque<Link> links_;
  std::vector<uint32_t> free_;
  std::vector<uint32_t> dirty_;
  std::vector<uint32_t> starved_;  // their receive found no buffer
  int64_t now_ns_ = 0;
  uint64_t octets_received_ = 0;
  int watched_fd_ = -1;
  bool was_woken_ = false;
};

}  // namespace stampede::bench
