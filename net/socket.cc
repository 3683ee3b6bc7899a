#include "net/socket.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "net/listen_uri.h"

namespace stampede::net {
namespace {

std::string failure(const std::string& what) { return what + ": " + std::strerror(errno); }

const sockaddr* raw(const SocketAddress& address) {
  return reinterpret_cast<const sockaddr*>(&address.storage);
}

const sockaddr_in& ipv4(const SocketAddress& address) {
  return reinterpret_cast<const sockaddr_in&>(address.storage);
}

const sockaddr_in6& ipv6(const SocketAddress& address) {
  return reinterpret_cast<const sockaddr_in6&>(address.storage);
}

bool set_option(int fd, int level, int name, int value) {
  return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

Result<FileDescriptor> bound_socket(const SocketAddress& address, bool share_port) {
  FileDescriptor fd(socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!fd.is_open()) return std::unexpected(failure("cannot make a socket for " + address.text()));
  // SO_REUSEADDR: connections of a broker that ran here before may still be in TIME_WAIT.
  if (!set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1) ||
      (share_port && !set_option(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1))) {
    return std::unexpected(failure("cannot set up the socket for " + address.text()));
  }
  if (bind(fd.get(), raw(address), address.size) != 0) {
    std::string text = failure("cannot listen on " + address.text());
    if (errno == EADDRINUSE) text += "; another program, or another broker, listens there";
    if (errno == EACCES) text += "; ports below 1024 need CAP_NET_BIND_SERVICE";
    return std::unexpected(std::move(text));
  }
  return fd;
}

// What connections inherit from the listening socket. Without NODELAY a peer that delays its ACK
// stalls delivery by 40 ms. A bounded send buffer keeps a stalled reader's backlog in the broker,
// where it is counted (4 MB in the kernel otherwise).
bool set_up_for_connections(int fd, const ListenOptions& options) {
  if (!set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1)) return false;
  if (options.send_buffer_bytes > 0 &&
      !set_option(fd, SOL_SOCKET, SO_SNDBUF, options.send_buffer_bytes)) {
    return false;
  }
  const auto timeout_ms = static_cast<int>(options.user_timeout_ms);
  if (timeout_ms > 0 && !set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, timeout_ms)) return false;
  if (timeout_ms == 0 || !options.keep_alive) return true;
  // With both, one keep-alive that is not answered ends the connection if the timeout has passed
  // since the peer was heard: some must have their chance before.
  const int seconds = timeout_ms / 1000;
  return set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1) &&
         set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, std::clamp(seconds / 3, 1, 32767)) &&
         set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, std::clamp(seconds / 5, 1, 32767));
}

}  // namespace

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void FileDescriptor::reset() noexcept {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

bool SocketAddress::is_loopback() const {
  if (storage.ss_family == AF_INET) return ntohl(ipv4(*this).sin_addr.s_addr) >> 24 == 127;
  if (storage.ss_family != AF_INET6) return false;
  const in6_addr& address = ipv6(*this).sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(&address) ||
         (IN6_IS_ADDR_V4MAPPED(&address) && address.s6_addr[12] == 127);
}

uint16_t SocketAddress::port() const {
  return ntohs(storage.ss_family == AF_INET6 ? ipv6(*this).sin6_port : ipv4(*this).sin_port);
}

void SocketAddress::set_port(uint16_t port) {
  if (storage.ss_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6&>(storage).sin6_port = htons(port);
  } else {
    reinterpret_cast<sockaddr_in&>(storage).sin_port = htons(port);
  }
}

std::string SocketAddress::host_text() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (storage.ss_family == AF_INET) {
    inet_ntop(AF_INET, &ipv4(*this).sin_addr, text, sizeof(text));
  } else if (storage.ss_family == AF_INET6) {
    const in6_addr& address = ipv6(*this).sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&address)) {
      inet_ntop(AF_INET, &address.s6_addr[12], text, sizeof(text));
    } else {
      inet_ntop(AF_INET6, &address, text, sizeof(text));
    }
  }
  return text;
}

std::string SocketAddress::text() const {
  return size == 0 ? "unknown" : host_port_text(host_text(), port());
}

Result<SocketAddress> resolve(const std::string& host, uint16_t port) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (error != 0) return std::unexpected("cannot resolve '" + host + "': " + gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);
  const addrinfo* chosen = nullptr;
  for (const addrinfo* info = found; info != nullptr; info = info->ai_next) {
    if (info->ai_family != AF_INET && info->ai_family != AF_INET6) continue;
    if (chosen == nullptr || (info->ai_family == AF_INET && chosen->ai_family == AF_INET6))
      chosen = info;
  }
  if (chosen == nullptr) return std::unexpected("'" + host + "' has no IPv4 or IPv6 address");
  SocketAddress address;
  std::memcpy(&address.storage, chosen->ai_addr, chosen->ai_addrlen);
  address.size = chosen->ai_addrlen;
  address.set_port(port);
  return address;
}

Result<FileDescriptor> listen_on(const SocketAddress& address, const ListenOptions& options) {
  Result<FileDescriptor> fd = bound_socket(address, options.share_port);
  if (!fd) return fd;
  if (!set_up_for_connections(fd->get(), options)) {
    return std::unexpected(failure("cannot set up the socket for " + address.text()));
  }
  if (listen(fd->get(), kListenBacklog) != 0) {
    return std::unexpected(failure("cannot listen on " + address.text()));
  }
  return fd;
}

Result<void> set_up_listener(int fd, const ListenOptions& options) {
  if (set_up_for_connections(fd, options)) return {};
  return std::unexpected(failure("cannot set up the socket that was passed to this process"));
}

Result<void> check_port_is_free(const SocketAddress& address) {
  Result<FileDescriptor> probe = bound_socket(address, false);
  if (!probe) return std::unexpected(std::move(probe.error()));
  return {};
}

Result<SocketAddress> local_address(int fd) {
  SocketAddress address;
  address.size = sizeof(address.storage);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address.storage), &address.size) != 0) {
    return std::unexpected(failure("getsockname"));
  }
  return address;
}

SocketAddress peer_address(int fd) noexcept {
  SocketAddress address;
  address.size = sizeof(address.storage);
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&address.storage), &address.size) != 0)
    address.size = 0;
  return address;
}

}  // namespace stampede::net
