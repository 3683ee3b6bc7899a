#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "proto/stomp_frame.h"
#include "proto/stomp_types.h"

namespace stampede::proto {

// One line of meaning each; to_token() gives the contract's ERROR token.
enum class StompError : uint8_t {
  kNone,
  kMalformedFrame,          // a NUL, a CR or a body where none may be, or no NUL where one must be
  kMalformedHeader,         // a header line without ':', or with an empty name
  kMalformedContentLength,  // not a plain decimal number
  kBadEscape,               // an escape sequence that the session's version does not know
  kUnknownCommand,          // the command line is longer than any command
  kFrameTooLarge,           // the frame passes frame_bytes_max
  kTooManyHeaders,          // more than headers_max header lines
  kHeaderTooLong,           // a header line, or all of them together, pass their limit
};

[[nodiscard]] std::string_view to_token(StompError error);

// Limits count octets on the wire, before unescaping. A value equal to the limit is allowed.
struct StompLimits {
  size_t frame_bytes_max;         // command line to the closing NUL, both included
  size_t headers_max;             // header lines in a frame
  size_t header_line_bytes_max;   // one header line without its end of line
  size_t header_total_bytes_max;  // all header lines together with their ends of line
  size_t command_bytes_max = 16;  // the command line without its end of line
};

enum class ParseStatus : uint8_t { kFrame, kNeedMore, kError };

struct ParseResult {
  ParseStatus status;
  size_t consumed;  // octets of the input that are done with
};

// StompParser turns the octets of one connection into STOMP frames. Frames may be cut anywhere and
// spread over any number of WebSocket messages or TCP reads; where a message ends means nothing.
//
// Owns:      nothing while it stands at a frame border (it then is two words); otherwise the octets
//            of a partial frame, growing with what arrived: a declared length alone makes no room.
// Thread:    home shard. The list of headers, unescaped text and the octets of a split frame that
//            was just completed are in memory shared by all parsers of a thread, so that idle
//            connections hold none; it serves one frame at a time.
// Lifetime:  a StompFrame's views hold until the next feed() of any parser on this thread, and no
//            longer than the input given.
// Invariant: frames, errors and their texts do not depend on how the input is split; no octet is
//            scanned twice; memory held <= frame_bytes_max plus a constant for each header.
class StompParser {
 public:
  StompParser();
  ~StompParser();
  StompParser(StompParser&&) noexcept;
  StompParser& operator=(StompParser&&) noexcept;

  // Escaping and line ends of the negotiated version hold for every frame but CONNECT and STOMP,
  // which are never unescaped and accept CR LF whatever the version (STOMP 1.2, "Value Encoding").
  // Until it is called the version is 1.2. It counts from the next frame that begins.
  void set_version(StompVersion version);
  [[nodiscard]] StompVersion version() const { return version_; }

  // Looks for one frame. kFrame: `frame` is valid and `consumed` ends behind its NUL. kNeedMore:
  // all of the input was taken. kError: error() and error_detail() say why; the parser must not be
  // fed again. End-of-line octets between frames are skipped and count as consumed (they are
  // heart-beats).
  [[nodiscard]] ParseResult feed(std::span<const uint8_t> input, const StompLimits& limits,
                                 StompFrame& frame);

  [[nodiscard]] StompError error() const { return error_; }
  // A readable clause that names the limit or the header, for the body of an ERROR frame. It
  // repeats no header's value but that of content-length.
  [[nodiscard]] std::string_view error_detail() const;
  // The value of the frame's `receipt` header, if its line was complete before the error; it may be
  // there and empty.
  [[nodiscard]] bool error_has_receipt() const;
  [[nodiscard]] std::string_view error_receipt() const;

  // True if no frame has begun. False after an error.
  [[nodiscard]] bool at_frame_border() const;
  // Heap octets held for a partial frame; 0 at a frame border.
  [[nodiscard]] size_t memory_bytes() const;

 private:
  struct Partial;
  struct Scratch;
  static Scratch& scratch_of_thread();

  ParseResult begin_frame(std::span<const uint8_t> input, const StompLimits& limits,
                          StompFrame& frame);
  ParseResult resume_frame(std::span<const uint8_t> input, const StompLimits& limits,
                           StompFrame& frame);
  void fail(StompError error, std::unique_ptr<Partial> report);

  std::unique_ptr<Partial> partial_;  // the frame that has begun, or what is to be told of an error
  StompVersion version_ = StompVersion::k12;
  StompError error_ = StompError::kNone;
  bool carriage_return_pending_ = false;  // a CR between frames whose LF has not come yet
};

}  // namespace stampede::proto
