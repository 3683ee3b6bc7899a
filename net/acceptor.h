#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/shard.h"
#include "net/connection.h"
#include "net/connection_limits.h"
#include "net/event_log.h"
#include "net/listening_socket.h"
#include "net/net_metrics.h"
#include "net/node.h"
#include "net/receiver.h"
#include "net/ring.h"

namespace stampede::net {

// Acceptor keeps a multishot accept armed on each of a shard's listening sockets and opens the
// connections, or deals them out to all shards where the socket serves those.
//
// Owns:      the listening sockets.
// Thread:    home shard.
// Invariant: a connection that was counted is opened, or counted out again with its descriptor
//            closed.
class Acceptor {
 public:
  Acceptor(Node& node, core::ShardId id, std::vector<ListeningSocket> sockets, Ring& ring,
           ConnectionTable& connections, core::Shard& shard, Receiver& receiver,
           ConnectionLimits& limits, ShardLog& log, NetMetrics& metrics);

  void start() noexcept;
  void on_accept(const Completion& completion, core::Millis now) noexcept;
  // Opens what other shards accepted for this one.
  void take_dealt(core::Millis now) noexcept;
  // Arms again what was paused for want of descriptors.
  void run_timers(core::Millis now) noexcept;
  [[nodiscard]] core::Millis next_deadline() const { return resume_at_; }

  // What becomes of connections that the kernel has accepted already.
  enum class Late : uint8_t { kServe, kRefuse };
  // No more connections: cancels the accepts; each socket is closed when its accept is out of the
  // kernel. `lives_on`: another process goes on with the sockets, and with what waits in them.
  void stop(Late late, bool lives_on, core::Millis now) noexcept;
  // True once none can come any more.
  [[nodiscard]] bool is_stopped() const { return stopped_ && open_ == 0; }

 private:
  struct Listener {
    ListeningSocket socket;
    bool armed = false;
  };
  // `reason`, as closed connections have it, and `limit`: for the log. `sentence`: for the client.
  struct Refusal {
    core::CloseReason reason;
    std::string_view limit;
    std::string_view sentence;
  };

  void arm(uint32_t index) noexcept;
  void take(Listener& listener, FileDescriptor fd, core::Millis now) noexcept;
  void open(uint32_t plan, FileDescriptor fd, core::Millis now) noexcept;
  [[nodiscard]] static Refusal refusal_of(NodeLimits::Verdict verdict);
  void refuse(uint32_t plan, FileDescriptor fd, const std::string& peer, const Refusal& refusal,
              core::Millis now) noexcept;
  void pause(int error, core::Millis now) noexcept;
  void close_socket(Listener& listener, core::Millis now) noexcept;
  [[nodiscard]] bool may_log(core::Millis now) noexcept;

  Node& node_;
  const core::ShardId id_;
  Ring& ring_;
  ConnectionTable& connections_;
  core::Shard& shard_;
  Receiver& receiver_;
  ConnectionLimits& limits_;
  ShardLog& log_;
  NetMetrics& metrics_;

  std::vector<Listener> listeners_;
  size_t open_;                  // of those, not closed yet
  core::ShardId next_dealt_to_;  // round robin
  bool stopped_ = false;
  Late late_ = Late::kServe;
  bool lives_on_ = false;
  core::Millis resume_at_ = core::kNever;
  core::Millis next_log_at_ = 0;
  uint64_t refused_since_log_ = 0;
};

}  // namespace stampede::net
