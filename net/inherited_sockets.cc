#include "net/inherited_sockets.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace stampede::net {
namespace {

bool is_listening_tcp(int fd) {
  int listens = 0;
  int type = 0;
  int family = 0;
  socklen_t size = sizeof(int);
  return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens == 1 &&
         getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM &&
         getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 &&
         (family == AF_INET || family == AF_INET6);
}

}  // namespace

Result<void> InheritedSockets::add(SharedSocket socket) {
  const int fd = socket.fd.get();
  if (!is_listening_tcp(fd)) {
    return std::unexpected("descriptor " + std::to_string(fd) + " (" + socket.name +
                           ") that was passed to this process is not a listening TCP socket");
  }
  Result<SocketAddress> address = local_address(fd);
  if (!address) return std::unexpected(std::move(address.error()));
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  left_.push_back({.shared = std::move(socket), .address = *address});
  return {};
}

std::vector<SharedSocket> InheritedSockets::take(std::string_view name,
                                                 const SocketAddress& address) {
  SocketAddress wanted = address;
  if (wanted.port() == 0) {
    const auto first = std::ranges::find_if(left_, [&](const Socket& one) {
      return one.shared.name == name && one.address.host_text() == address.host_text();
    });
    if (first == left_.end()) return {};
    wanted = first->address;
  }
  std::vector<SharedSocket> taken;
  std::erase_if(left_, [&](Socket& one) {
    if (one.address.text() != wanted.text()) return false;
    taken.push_back(std::move(one.shared));
    return true;
  });
  return taken;
}

}  // namespace stampede::net
