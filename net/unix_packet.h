#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "net/socket.h"
#include "proto/base/result.h"

namespace stampede::net {

// One message between two processes of this machine, over a SOCK_SEQPACKET socket: a line of text,
// and a descriptor if one goes with it (SCM_RIGHTS). An empty text is the end of the connection.
struct UnixPacket {
  std::string text;
  FileDescriptor passed;
};

// An error if nothing comes in time. Thread: any, one at a time.
[[nodiscard]] Result<UnixPacket> receive_packet(int fd, int64_t patience_ms);
[[nodiscard]] Result<void> send_packet(int fd, std::string_view text, int passed = -1);

// The user whose process is at the other end.
[[nodiscard]] Result<uint32_t> peer_user(int fd);

// An error if the path is too long for such an address.
[[nodiscard]] Result<SocketAddress> unix_address(const std::string& path);

}  // namespace stampede::net
