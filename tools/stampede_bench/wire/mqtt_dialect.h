#pragma once

#include "tools/stampede_bench/wire/stream_dialect.h"

namespace stampede::bench {

// MqttDialect speaks MQTT 3.1.1 at QoS 0 over TCP and over WebSocket (mqtt, binary messages).
// "/topic/bench.3" is the topic "topic/bench.3". It asks for no keep-alive, so it need not ping.
//
// Thread:    the load thread of its connection.
// Invariant: no two connections have the same client id, of which a broker keeps only the latest.
class MqttDialect final : public StreamDialect {
 public:
  explicit MqttDialect(const Target& target);

  void append_subscribe(std::string& out, const SubscribeRequest& request) override;
  void append_publish(std::string& out, std::string_view destination,
                      std::string_view body) override;
  // Nothing is acknowledged at QoS 0.
  void append_ack(std::string&, std::string_view) override {}

 private:
  [[nodiscard]] std::string_view subprotocol() const override { return "mqtt"; }
  void append_connect(std::string& out) override;
  [[nodiscard]] size_t take_unit(std::string_view stream, std::string& out,
                                 Listener& listener) override;
  void append_farewell(std::string& out) override;

  void on_packet(uint8_t first, std::string_view packet, Listener& listener);
  void on_publish(uint8_t first, std::string_view packet, Listener& listener);
  void on_connack(std::string_view packet, Listener& listener);
  void on_suback(std::string_view packet, Listener& listener);

  uint16_t packet_id_ = 0;
};

}  // namespace stampede::bench
