#pragma once

#include "tools/stampede_bench/wire/stream_dialect.h"

namespace stampede::bench {

// NatsDialect speaks NATS core over TCP and over WebSocket (binary messages, no subprotocol).
// "/topic/bench.3" is the subject "topic.bench.3". A PING follows CONNECT and each SUB: NATS
// answers in order, so its PONG says that they were taken.
//
// Thread:    the load thread of its connection.
class NatsDialect final : public StreamDialect {
 public:
  explicit NatsDialect(const Target& target);

  void append_subscribe(std::string& out, const SubscribeRequest& request) override;
  void append_publish(std::string& out, std::string_view destination,
                      std::string_view body) override;
  // NATS core knows no acknowledgements.
  void append_ack(std::string&, std::string_view) override {}

 private:
  // The server speaks first.
  void append_connect(std::string&) override {}
  [[nodiscard]] size_t take_unit(std::string_view stream, std::string& out,
                                 Listener& listener) override;
  // The end of the connection is all there is.
  void append_farewell(std::string&) override {}

  // `line` as far as the body; gives 0 if that is not complete.
  [[nodiscard]] size_t take_message(std::string_view stream, size_t line_bytes,
                                    std::string_view line, Listener& listener);
  void append_introduction(std::string& out) const;
  void append_text(std::string& out, std::string_view text) const;

  bool is_introduced_ = false;
  bool is_connected_ = false;
};

}  // namespace stampede::bench
