#pragma once

#include <cstdint>

#include "net/socket.h"

namespace stampede::net {

// A listening socket of one shard.
struct ListeningSocket {
  FileDescriptor fd;
  uint32_t listener = 0;   // in Node::listeners
  bool is_shared = false;  // there are fewer of them than shards: what it accepts is dealt out
  bool lives_on = false;   // others hold it too, so what waits in it is not lost with us
};

}  // namespace stampede::net
