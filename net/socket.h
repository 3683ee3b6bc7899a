#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "proto/base/result.h"

namespace stampede::net {

// Connections that wait to be accepted; the kernel cuts it to net.core.somaxconn.
inline constexpr int kListenBacklog = 4096;

// FileDescriptor closes what it holds.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor() { reset(); }

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool is_open() const { return fd_ >= 0; }
  void reset() noexcept;
  // The descriptor, which is the caller's now.
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

// An IPv4 or IPv6 address with its port.
struct SocketAddress {
  sockaddr_storage storage = {};
  socklen_t size = 0;

  [[nodiscard]] bool is_loopback() const;
  [[nodiscard]] uint16_t port() const;
  void set_port(uint16_t port);
  // Without the port; an IPv4 address that came through an IPv6 socket looks like any other.
  [[nodiscard]] std::string host_text() const;
  [[nodiscard]] std::string text() const;  // "127.0.0.1:80", "[::1]:80"
};

// The first IPv4 address of a name, or its first IPv6 address. May ask a name server: set-up only.
[[nodiscard]] Result<SocketAddress> resolve(const std::string& host, uint16_t port);

struct ListenOptions {
  int send_buffer_bytes;  // SO_SNDBUF, inherited by connections; 0 leaves the kernel's autotuning
  bool share_port;  // SO_REUSEPORT: one socket a shard, the kernel spreads connections over them
  int64_t user_timeout_ms = 0;  // TCP_USER_TIMEOUT, inherited too; 0: the kernel's
  bool keep_alive = false;      // with keep-alives, so that it counts for a quiet peer too
};
// A listening socket with TCP_NODELAY, which connections inherit too.
[[nodiscard]] Result<FileDescriptor> listen_on(const SocketAddress& address,
                                               const ListenOptions& options);
// The same for a socket that listens already, but for sharing its port.
[[nodiscard]] Result<void> set_up_listener(int fd, const ListenOptions& options);
// An error if somebody listens there already. SO_REUSEPORT alone would let a second broker of the
// same user join in.
[[nodiscard]] Result<void> check_port_is_free(const SocketAddress& address);

[[nodiscard]] Result<SocketAddress> local_address(int fd);
// Empty (size 0) if the peer is gone already.
[[nodiscard]] SocketAddress peer_address(int fd) noexcept;

}  // namespace stampede::net
