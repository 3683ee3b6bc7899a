#include "tests/net/fault_peer.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>

namespace stampede::net {

FaultPeer::FaultPeer(size_t number, uint16_t port, const Kind& kind, sim::SimRandom& random)
    : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
      protocol_(kind.is_websocket, kind.version, random) {
  if (kind.receive_buffer_bytes > 0) {
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &kind.receive_buffer_bytes,
               sizeof(kind.receive_buffer_bytes));
    // Loopback's segments do not fit into a small buffer, and wait for a timer then.
    constexpr int kSegmentBytes = 1400;
    setsockopt(fd_.get(), IPPROTO_TCP, TCP_MAXSEG, &kSegmentBytes, sizeof(kSegmentBytes));
  }
  const SocketAddress own = *resolve("127.0.1." + std::to_string(number), 0);
  if (bind(fd_.get(), reinterpret_cast<const sockaddr*>(&own.storage), own.size) != 0)
    throw std::runtime_error("an address was refused");
  // On loopback that waits for nobody: the listening socket takes it.
  const SocketAddress address = *resolve("127.0.0.1", port);
  if (connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.size) != 0)
    throw std::runtime_error("a connect was refused");
  fcntl(fd_.get(), F_SETFL, O_NONBLOCK);
  name_ = local_address(fd_.get())->text();
  if (kind.is_websocket) outgoing_ = protocol_.handshake();
  const std::string offer = kind.version == 12   ? "1.0,1.1,1.2"
                            : kind.version == 11 ? "1.1,1.0"
                                                 : "1.0";
  say("CONNECT", {{"accept-version", offer}, {"host", "faults"}});
}

void FaultPeer::say(std::string_view command,
                    const std::vector<std::pair<std::string, std::string>>& headers,
                    std::string_view body) {
  outgoing_ += protocol_.frame(command, headers, body);
}

std::vector<sim::SimFrame> FaultPeer::exchange(size_t bytes) {
  speak();
  std::string octets(bytes, '\0');
  const ssize_t size = recv(fd_.get(), octets.data(), octets.size(), MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return {};
  if (size <= 0) {
    is_over_ = true;
    if (size == 0 && !has_send_failed_) protocol_.check_border();
    return {};
  }
  return protocol_.read(std::string_view(octets).substr(0, static_cast<size_t>(size)));
}

// What cannot be said any more is dropped: what is to be read tells why. But a reset is told once,
// and may be told here.
void FaultPeer::speak() {
  while (!outgoing_.empty()) {
    const ssize_t size =
        send(fd_.get(), outgoing_.data(), outgoing_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    has_send_failed_ = size < 0;
    outgoing_.erase(0, size < 0 ? outgoing_.size() : static_cast<size_t>(size));
  }
  if (!is_ending_) return;
  is_ending_ = false;
  (void)shutdown(fd_.get(), SHUT_WR);
}

void FaultPeer::reset() {
  const linger now = {.l_onoff = 1, .l_linger = 0};
  (void)setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  fd_.reset();
}

}  // namespace stampede::net
