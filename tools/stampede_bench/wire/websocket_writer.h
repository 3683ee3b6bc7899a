#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "proto/ws_types.h"
#include "tools/stampede_bench/wire/dialect.h"

namespace stampede::bench {

// What a WebSocket client writes (RFC 6455): the opening handshake, and frames, each masked with a
// key of its own. Thread: any (the generator of keys is per thread).

// An empty `subprotocol` asks for none.
void append_ws_opening(std::string& out, const Target& target, std::string_view subprotocol);

// A message is written in place: what is appended between the two calls is its payload, which
// end_ws_message masks. begin_ws_message gives the place that end_ws_message wants.
[[nodiscard]] size_t begin_ws_message(std::string& out);
void end_ws_message(std::string& out, size_t begin, proto::WsOpcode opcode);

// Pong and close; the payload of a control frame is at most 125 octets.
void append_ws_control(std::string& out, proto::WsOpcode opcode, std::string_view payload);

// Random enough that no two frames of a run share a key by construction, and never zero, which
// would leave the payload as it is.
[[nodiscard]] uint32_t next_masking_key();

// XORs octet i with octet i % 4 of the key as it lies in memory.
void mask_octets(char* octets, size_t size, uint32_t key);

}  // namespace stampede::bench
