#pragma once

#include "tools/stampede_bench/wire/stream_dialect.h"

namespace stampede::bench {

// StompDialect speaks STOMP 1.2 over WebSocket (v12.stomp, text messages) and over plain TCP. A
// subscription asks for a receipt, which is what on_subscribed tells; nothing else asks for one.
//
// Thread:    the load thread of its connection.
// Invariant: an ack id is told and given back in the escaping it came in, so it is never unescaped.
class StompDialect final : public StreamDialect {
 public:
  explicit StompDialect(const Target& target);

  void append_subscribe(std::string& out, const SubscribeRequest& request) override;
  // The body of a text message must be UTF-8 (RFC 6455 section 8.1); brokers check it.
  void append_publish(std::string& out, std::string_view destination,
                      std::string_view body) override;
  void append_ack(std::string& out, std::string_view ack_id) override;

 private:
  [[nodiscard]] std::string_view subprotocol() const override { return "v12.stomp"; }
  void append_connect(std::string& out) override;
  [[nodiscard]] size_t take_unit(std::string_view stream, std::string& out,
                                 Listener& listener) override;
  void append_farewell(std::string& out) override;

  bool wants_ack_ = false;  // a subscription here is not `auto`
};

}  // namespace stampede::bench
