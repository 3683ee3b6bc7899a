#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "proto/ws_types.h"

namespace stampede::proto {

// Server frames: never masked, never fragmented (RFC 6455 section 5.1). Thread: any (no state).

// Writes the header of an unfragmented frame, in the shortest form; gives its size. `out` has room
// for kWsServerHeaderBytesMax.
size_t write_ws_header(uint8_t* out, WsOpcode opcode, uint64_t payload_bytes);
[[nodiscard]] size_t ws_header_bytes(uint64_t payload_bytes);

void append_ws_frame(std::string& out, WsOpcode opcode, std::string_view payload);
// The reason is cut to what a control frame holds, at a character border. code kNone: an empty
// frame.
void append_ws_close(std::string& out, WsStatusCode code, std::string_view reason);

}  // namespace stampede::proto
