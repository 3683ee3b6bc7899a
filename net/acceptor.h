#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/shard.h"
#include "net/connection.h"
#include "net/connection_limits.h"
#include "net/event_log.h"
#include "net/net_metrics.h"
#include "net/node.h"
#include "net/receiver.h"
#include "net/ring.h"

namespace stampede::net {

// Acceptor keeps a multishot accept armed on each of a shard's listening sockets and opens the
// connections.
//
// Owns:      the listening sockets.
// Thread:    home shard.
// Invariant: a connection that was counted is opened, or counted out again with its descriptor
// closed.
class Acceptor {
 public:
  Acceptor(Node& node, std::vector<FileDescriptor> sockets, Ring& ring,
           ConnectionTable& connections, core::Shard& shard, Receiver& receiver,
           ConnectionLimits& limits, ShardLog& log, NetMetrics& metrics);

  void start() noexcept;
  void on_accept(const Completion& completion, core::Millis now) noexcept;
  // Arms again what was paused for want of descriptors.
  void run_timers(core::Millis now) noexcept;
  [[nodiscard]] core::Millis next_deadline() const { return resume_at_; }
  // No more connections: cancels the accepts; each socket is closed when its accept is out of the
  // kernel.
  void stop() noexcept;

 private:
  void arm(uint32_t listener) noexcept;
  void open(uint32_t listener, int fd, core::Millis now) noexcept;
  void refuse(uint32_t listener, int fd, const std::string& peer, NodeLimits::Verdict verdict,
              core::Millis now) noexcept;
  void pause(int error, core::Millis now) noexcept;
  [[nodiscard]] bool may_log(core::Millis now) noexcept;

  Node& node_;
  Ring& ring_;
  ConnectionTable& connections_;
  core::Shard& shard_;
  Receiver& receiver_;
  ConnectionLimits& limits_;
  ShardLog& log_;
  NetMetrics& metrics_;

  struct Listener {
    FileDescriptor socket;
    bool armed = false;
  };
  std::vector<Listener> listeners_;
  bool stopped_ = false;
  core::Millis resume_at_ = core::kNever;
  core::Millis next_log_at_ = 0;
  uint64_t refused_since_log_ = 0;
};

}  // namespace stampede::net
