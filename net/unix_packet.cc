#include "net/unix_packet.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace stampede::net {
namespace {

constexpr size_t kTextBytesMax = 512;

// Room for the one descriptor that a packet carries, aligned as the kernel wants it.
union Control {
  cmsghdr header;
  std::array<char, CMSG_SPACE(sizeof(int))> octets;
};

std::string failure(const char* what) { return std::string(what) + ": " + std::strerror(errno); }

}  // namespace

Result<UnixPacket> receive_packet(int fd, int64_t patience_ms) {
  pollfd waiting = {.fd = fd, .events = POLLIN, .revents = 0};
  if (poll(&waiting, 1, static_cast<int>(patience_ms)) != 1)
    return std::unexpected(std::string("no answer in time"));
  std::array<char, kTextBytesMax> text;
  Control control = {};
  iovec place = {.iov_base = text.data(), .iov_len = text.size()};
  msghdr message = {};
  message.msg_iov = &place;
  message.msg_iovlen = 1;
  message.msg_control = control.octets.data();
  message.msg_controllen = control.octets.size();
  const ssize_t size = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  if (size < 0) return std::unexpected(failure("receive"));
  UnixPacket packet = {.text = std::string(text.data(), static_cast<size_t>(size)), .passed = {}};
  const cmsghdr* const header = CMSG_FIRSTHDR(&message);
  if (header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
      header->cmsg_len == CMSG_LEN(sizeof(int))) {
    int passed = -1;
    std::memcpy(&passed, CMSG_DATA(header), sizeof(passed));
    packet.passed = FileDescriptor(passed);
  }
  return packet;
}

Result<void> send_packet(int fd, std::string_view text, int passed) {
  Control control = {};
  iovec place = {.iov_base = const_cast<char*>(text.data()), .iov_len = text.size()};
  msghdr message = {};
  message.msg_iov = &place;
  message.msg_iovlen = 1;
  if (passed >= 0) {
    message.msg_control = control.octets.data();
    message.msg_controllen = control.octets.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &passed, sizeof(passed));
  }
  if (sendmsg(fd, &message, MSG_NOSIGNAL) < 0) return std::unexpected(failure("send"));
  return {};
}

Result<uint32_t> peer_user(int fd) {
  ucred peer = {};
  socklen_t size = sizeof(peer);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    return std::unexpected(failure("SO_PEERCRED"));
  return peer.uid;
}

Result<SocketAddress> unix_address(const std::string& path) {
  SocketAddress address;
  sockaddr_un raw = {};
  raw.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(raw.sun_path)) {
    return std::unexpected("'" + path + "' cannot be the path of a socket: it has 1 to " +
                           std::to_string(sizeof(raw.sun_path) - 1) + " octets");
  }
  path.copy(raw.sun_path, path.size());
  std::memcpy(&address.storage, &raw, sizeof(raw));
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return address;
}

}  // namespace stampede::net
