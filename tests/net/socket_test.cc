#include "net/socket.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <unistd.h>

namespace stampede::net {
namespace {

constexpr int kSendBuffer = 64 * 1024;

int option(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof(value);
  EXPECT_EQ(getsockopt(fd, level, name, &value, &size), 0);
  return value;
}

FileDescriptor listen_on_loopback(uint16_t port, bool share_port) {
  auto fd = listen_on(*resolve("127.0.0.1", port),
                      {.send_buffer_bytes = kSendBuffer, .share_port = share_port});
  EXPECT_TRUE(fd.has_value()) << fd.error();
  return std::move(*fd);
}

FileDescriptor connect_to(const SocketAddress& address) {
  FileDescriptor fd(socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.size),
            0);
  return fd;
}

TEST(Socket, AcceptedConnectionsInheritWhatTheListenerHas) {
  const FileDescriptor listener = listen_on_loopback(0, false);
  const SocketAddress address = *local_address(listener.get());
  const FileDescriptor client = connect_to(address);
  const FileDescriptor accepted(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_TRUE(accepted.is_open());
  EXPECT_EQ(option(accepted.get(), IPPROTO_TCP, TCP_NODELAY), 1);
  // The kernel doubles it for its own book-keeping.
  EXPECT_EQ(option(accepted.get(), SOL_SOCKET, SO_SNDBUF), 2 * kSendBuffer);
  EXPECT_NE(fcntl(listener.get(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ(peer_address(accepted.get()).text(), local_address(client.get())->text());
}

TEST(Socket, AcceptedConnectionsInheritHowLongAPeerMayAcknowledgeNothing) {
  for (const bool keep_alive : {false, true}) {
    const auto listener = listen_on(*resolve("127.0.0.1", 0), {.send_buffer_bytes = 0,
                                                               .share_port = false,
                                                               .user_timeout_ms = 30'000,
                                                               .keep_alive = keep_alive});
    ASSERT_TRUE(listener.has_value()) << listener.error();
    const FileDescriptor client = connect_to(*local_address(listener->get()));
    const FileDescriptor accepted(accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC));
    ASSERT_TRUE(accepted.is_open());
    EXPECT_EQ(option(accepted.get(), IPPROTO_TCP, TCP_USER_TIMEOUT), 30'000);
    EXPECT_EQ(option(accepted.get(), SOL_SOCKET, SO_KEEPALIVE), keep_alive ? 1 : 0);
    if (!keep_alive) continue;
    EXPECT_EQ(option(accepted.get(), IPPROTO_TCP, TCP_KEEPIDLE), 10);
    EXPECT_EQ(option(accepted.get(), IPPROTO_TCP, TCP_KEEPINTVL), 6);
  }
}

TEST(Socket, SharesAPortThatTheKernelPicked) {
  const FileDescriptor first = listen_on_loopback(0, true);
  const uint16_t port = local_address(first.get())->port();
  EXPECT_NE(port, 0);
  const FileDescriptor second = listen_on_loopback(port, true);
  EXPECT_EQ(local_address(second.get())->port(), port);
}

TEST(Socket, SeesThatAPortIsTakenEvenIfItIsShared) {
  const FileDescriptor first = listen_on_loopback(0, true);
  const auto is_free = check_port_is_free(*local_address(first.get()));
  ASSERT_FALSE(is_free.has_value());
  EXPECT_NE(is_free.error().find("another broker"), std::string::npos) << is_free.error();
}

TEST(Socket, SaysWhatCannotBeResolved) {
  const auto address = resolve("no-such-host.invalid", 1);
  ASSERT_FALSE(address.has_value());
  EXPECT_NE(address.error().find("no-such-host.invalid"), std::string::npos);
}

TEST(SocketAddress, KnowsLoopback) {
  EXPECT_TRUE(resolve("127.0.0.1", 1)->is_loopback());
  EXPECT_TRUE(resolve("127.9.9.9", 1)->is_loopback());
  EXPECT_TRUE(resolve("::1", 1)->is_loopback());
  EXPECT_TRUE(resolve("::ffff:127.0.0.1", 1)->is_loopback());
  EXPECT_FALSE(resolve("0.0.0.0", 1)->is_loopback());
  EXPECT_FALSE(resolve("::", 1)->is_loopback());
  EXPECT_FALSE(resolve("128.0.0.1", 1)->is_loopback());
  EXPECT_FALSE(resolve("::ffff:10.0.0.1", 1)->is_loopback());
}

TEST(SocketAddress, IsWrittenForPeople) {
  EXPECT_EQ(resolve("127.0.0.1", 80)->text(), "127.0.0.1:80");
  EXPECT_EQ(resolve("::1", 80)->text(), "[::1]:80");
  EXPECT_EQ(resolve("::ffff:10.0.0.1", 80)->text(), "10.0.0.1:80");
  EXPECT_EQ(SocketAddress{}.text(), "unknown");
}

TEST(FileDescriptor, ClosesOnceAndMoves) {
  FileDescriptor first(dup(1));
  const int number = first.get();
  FileDescriptor second = std::move(first);
  EXPECT_FALSE(first.is_open());  // NOLINT(bugprone-use-after-move): the state after it is promised
  EXPECT_EQ(second.get(), number);
  second.reset();
  EXPECT_EQ(fcntl(number, F_GETFD), -1);
}

}  // namespace
}  // namespace stampede::net
