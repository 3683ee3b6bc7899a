#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/shard_types.h"
#include "proto/base/result.h"

namespace stampede::net {

// Where to listen, and for what: "ws://127.0.0.1:15674/stomp", "stomp://[::1]:61613".
struct ListenUri {
  core::Transport transport = core::Transport::kTcp;
  std::string host;   // a name, an IPv4 address, or an IPv6 address without its brackets
  uint16_t port = 0;  // 0: the kernel picks one
  std::vector<std::string> paths;  // WebSocket only; "/stomp" and "/ws" if the URI names none
};

// Thread: set-up only.
[[nodiscard]] Result<ListenUri> parse_listen_uri(std::string_view uri);
// "127.0.0.1:80", "[::1]:80".
[[nodiscard]] std::string host_port_text(std::string_view host, uint16_t port);
[[nodiscard]] std::string_view scheme_of(core::Transport transport);  // "ws", "stomp"

}  // namespace stampede::net
