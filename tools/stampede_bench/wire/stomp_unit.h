#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace stampede::bench {

// What a STOMP server's stream begins with.
struct StompUnit {
  enum class Kind : uint8_t {
    kLineEnds,  // between frames; heart-beats are such
    kMessage,
    kConnected,
    kReceipt,
    kError,
    kMalformed,  // no STOMP server says this; `detail` says why
  };
  Kind kind = Kind::kMalformed;
  std::string_view headers;  // the lines behind the command, as sent; not told of a MESSAGE
  std::string_view body;
  std::string_view ack;  // value of the `ack` header as sent; only if it was asked for
  std::string_view detail;
};

// Reads one unit; gives its size, 0 if it is not complete. `stream` is not empty. Views are of
// `stream`. Only what a load needs is looked at: the ends of lines, `content-length`, and `ack` if
// `wants_ack`.
[[nodiscard]] size_t read_stomp_unit(std::string_view stream, bool wants_ack, StompUnit& unit);

// The value of the first header of that name, as sent; empty if there is none.
[[nodiscard]] std::string_view stomp_header(std::string_view headers, std::string_view name);

}  // namespace stampede::bench
