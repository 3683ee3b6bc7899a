#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "net/socket.h"
#include "proto/base/result.h"

namespace stampede::net {

// A listening socket that two processes hold, or are about to.
struct SharedSocket {
  FileDescriptor fd;
  std::string name;       // "ws", "stomp", "admin", or whatever a service manager calls it
  bool lives_on = false;  // a service manager holds it, so it outlives every broker
};

// InheritedSockets are listening sockets that were there before this process: a service manager's,
// or those of the broker whose place it takes. A listener that finds its own among them need not
// bind, and nobody who connects meanwhile is refused.
//
// Owns:      those that nobody took yet.
// Thread:    set-up only.
class InheritedSockets {
 public:
  struct Socket {
    SharedSocket shared;
    SocketAddress address;
  };

  // An error if it is no listening TCP socket.
  [[nodiscard]] Result<void> add(SharedSocket socket);

  // Those that are bound to the address, whatever their name; or, if its port is 0, to some port of
  // that host under that name.
  [[nodiscard]] std::vector<SharedSocket> take(std::string_view name, const SocketAddress& address);
  [[nodiscard]] const std::vector<Socket>& left() const { return left_; }

 private:
  std::vector<Socket> left_;
};

}  // namespace stampede::net
