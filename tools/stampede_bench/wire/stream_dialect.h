#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "proto/ws_types.h"
#include "tools/stampede_bench/wire/dialect.h"
#include "tools/stampede_bench/wire/websocket_reader.h"

namespace stampede::bench {

// How a protocol's stream of octets lies on the connection.
enum class Carrier : uint8_t {
  kPlain,
  kText,         // WebSocket, text messages
  kBinary,       // WebSocket, binary messages
  kBareAnswers,  // goes out plain, comes in as WebSocket frames, no opening handshake
};

// StreamDialect is what the dialects have in common: it unwraps the stream, hands it out unit by
// unit, keeps a unit that is not complete, and stops at the first refusal.
//
// Owns:      the octets of one incomplete unit; nothing on the heap between units.
// Thread:    the load thread of its connection. Lifetime: the target outlives it.
// Invariant: on_refused is told once and nothing behind it; an octet is handed out again only while
//            its unit is incomplete.
class StreamDialect : public Dialect {
 public:
  void append_opening(std::string& out) final;
  void feed(std::string_view octets, std::string& out, Listener& listener) final;
  void append_disconnect(std::string& out) final;

 protected:
  StreamDialect(const Target& target, Carrier carrier);

  [[nodiscard]] const Target& target() const { return target_; }

  // Each message of the client goes between these two, so that it gets its frame.
  [[nodiscard]] size_t begin_message(std::string& out) const;
  void end_message(std::string& out, size_t begin) const;

  // Tells `reason` as one line.
  void refuse(Listener& listener, std::string_view reason);

 private:
  // What the WebSocket subprotocol of the dialect is called; empty: it has none.
  [[nodiscard]] virtual std::string_view subprotocol() const { return {}; }
  // The client's first octets on the stream, if it is the one to speak first.
  virtual void append_connect(std::string& out) = 0;
  // Reads the unit that `stream` begins with and tells it. Gives its size, 0 if it is not complete;
  // what it gives is not looked at once it called refuse(). Requires: stream is not empty.
  [[nodiscard]] virtual size_t take_unit(std::string_view stream, std::string& out,
                                         Listener& listener) = 0;
  virtual void append_farewell(std::string& out) = 0;
  virtual void on_ws_ping(std::string_view payload, std::string& out, Listener& listener);

  void take_stream(std::string_view piece, std::string& out, Listener& listener);
  [[nodiscard]] std::string_view complete_held(std::string_view piece, std::string& out,
                                               Listener& listener);
  [[nodiscard]] bool is_framed() const {
    return carrier_ == Carrier::kText || carrier_ == Carrier::kBinary;
  }

  const Target& target_;
  std::string held_;  // the front of an incomplete unit
  WebSocketReader reader_;
  const Carrier carrier_;
  bool has_ended_ = false;
  bool is_leaving_ = false;  // the server's close is then the answer to ours
};

}  // namespace stampede::bench
