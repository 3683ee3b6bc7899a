#pragma once

#include <unordered_map>

#include "tools/stampede_bench/wire/stream_dialect.h"

namespace stampede::bench {

// FloorDialect speaks the protocol of the bare floor servers (floor_protocol.h). What it publishes
// is the very delivery that Stampede would make of it, so that both move the same octets, and it
// reads deliveries as StompDialect does.
//
// Owns:      beside StreamDialect's, a count of what was published to each topic.
// Thread:    the load thread of its connection.
class FloorDialect final : public StreamDialect {
 public:
  explicit FloorDialect(const Target& target) : StreamDialect(target, Carrier::kBareAnswers) {}

  void append_subscribe(std::string& out, const SubscribeRequest& request) override;
  void append_publish(std::string& out, std::string_view destination,
                      std::string_view body) override;
  // A floor knows no acknowledgements.
  void append_ack(std::string&, std::string_view) override {}

 private:
  void append_connect(std::string& out) override;
  [[nodiscard]] size_t take_unit(std::string_view stream, std::string& out,
                                 Listener& listener) override;
  void append_farewell(std::string&) override {}
  void on_ws_ping(std::string_view payload, std::string& out, Listener& listener) override;

  std::unordered_map<uint32_t, uint64_t> published_;  // by topic
  bool is_connected_ = false;
};

// The number that the destination ends in, 0 if it ends in none.
[[nodiscard]] uint32_t floor_topic(std::string_view destination);

}  // namespace stampede::bench
