#include "net/inherited_sockets.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

namespace stampede::net {
namespace {

struct Inherited : public ::testing::Test {
  // A listening socket; gives its address.
  SocketAddress add(const std::string& name, const std::string& host = "127.0.0.1",
                    uint16_t port = 0) {
    auto fd = listen_on(*resolve(host, port), {.send_buffer_bytes = 0, .share_port = true});
    EXPECT_TRUE(fd.has_value()) << fd.error();
    const SocketAddress address = *local_address(fd->get());
    EXPECT_TRUE(sockets.add({.fd = std::move(*fd), .name = name, .lives_on = false}).has_value());
    return address;
  }
  size_t take(const std::string& name, const SocketAddress& address) {
    return sockets.take(name, address).size();
  }

  InheritedSockets sockets;
};

TEST_F(Inherited, AreFoundByAddressWhateverTheirName) {
  const SocketAddress one = add("some.socket");
  const SocketAddress other = add("stomp");
  EXPECT_EQ(take("ws", other), 1u);
  EXPECT_EQ(take("ws", one), 1u);
  EXPECT_TRUE(sockets.left().empty());
}

TEST_F(Inherited, AreTakenOnceAndAllOfAnAddress) {
  const SocketAddress address = add("ws");
  add("ws", "127.0.0.1", address.port());
  add("ws");
  EXPECT_EQ(take("ws", address), 2u);
  EXPECT_EQ(take("ws", address), 0u);
  EXPECT_EQ(sockets.left().size(), 1u);
}

TEST_F(Inherited, AreFoundByNameAndHostWhereThePortIsOpen) {
  const SocketAddress anywhere = *resolve("127.0.0.1", 0);
  const SocketAddress first = add("ws");
  add("ws", "127.0.0.1", first.port());
  const SocketAddress second = add("ws");
  add("stomp");
  add("ws", "127.0.0.2");
  const std::vector<SharedSocket> taken = sockets.take("ws", anywhere);
  ASSERT_EQ(taken.size(), 2u) << "those of one port";
  EXPECT_EQ(local_address(taken[1].fd.get())->port(), first.port());
  const std::vector<SharedSocket> next = sockets.take("ws", anywhere);
  ASSERT_EQ(next.size(), 1u);
  EXPECT_EQ(local_address(next[0].fd.get())->port(), second.port());
  EXPECT_EQ(take("ws", anywhere), 0u) << "the last one is on another host";
  EXPECT_EQ(take("admin", anywhere), 0u);
}

TEST_F(Inherited, AreNotTakenForAnotherHost) {
  const SocketAddress address = add("ws", "127.0.0.2");
  EXPECT_EQ(take("ws", *resolve("127.0.0.1", address.port())), 0u);
  EXPECT_EQ(take("ws", *resolve("0.0.0.0", address.port())), 0u);
}

TEST_F(Inherited, EndWithAnExecAndRememberWhoHoldsThem) {
  const SocketAddress address = add("ws");
  const std::vector<SharedSocket> taken = sockets.take("ws", address);
  InheritedSockets again;
  ASSERT_TRUE(
      again.add({.fd = FileDescriptor(dup(taken[0].fd.get())), .name = "ws", .lives_on = true}));
  EXPECT_NE(fcntl(again.left()[0].shared.fd.get(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_TRUE(again.take("ws", address)[0].lives_on);
}

TEST_F(Inherited, AreListeningTcpSockets) {
  std::vector<FileDescriptor> others;
  others.emplace_back(socket(AF_INET, SOCK_STREAM, 0));
  others.emplace_back(socket(AF_INET, SOCK_DGRAM, 0));
  others.emplace_back(socket(AF_UNIX, SOCK_STREAM, 0));
  others.emplace_back(open("/dev/null", O_RDONLY));
  others.emplace_back();
  for (FileDescriptor& fd : others) {
    const auto added = sockets.add({.fd = std::move(fd), .name = "odd", .lives_on = false});
    ASSERT_FALSE(added.has_value());
    EXPECT_NE(added.error().find("(odd)"), std::string::npos) << added.error();
  }
}

}  // namespace
}  // namespace stampede::net
