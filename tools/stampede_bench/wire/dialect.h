#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace stampede::bench {

// How a subscription is made.
struct SubscribeRequest {
  std::string_view destination;
  std::string_view id;    // unique on its connection
  std::string_view ack;   // "auto", "client", "client-individual"; dialects without it ignore it
  uint32_t prefetch = 0;  // deliveries that may wait for an acknowledgement; 0: not said
};

// What a peer said, one call per unit on the wire. Views hold until the call returns.
class Listener {
 public:
  virtual ~Listener() = default;
  virtual void on_connected() = 0;
  // The broker has taken the subscription; told only by dialects that can ask for it.
  virtual void on_subscribed() = 0;
  // `ack_id` is empty unless the delivery wants an acknowledgement.
  virtual void on_delivery(std::string_view body, std::string_view ack_id) = 0;
  // The broker refuses or leaves; `reason` is one line.
  virtual void on_refused(std::string_view reason) = 0;
};

// Dialect is one connection's side of a protocol: it writes the client's octets and reads the
// broker's. Stampede is measured with STOMP; the others make the same load fall on other brokers.
//
// Owns:      what is left of a unit that a read cut in two.
// Thread:    the load thread of its connection.
// Invariant: units are told in order, each once, however the octets were cut.
class Dialect {
 public:
  virtual ~Dialect() = default;

  // All that goes out before the broker answers anything: opening handshake or CONNECT.
  virtual void append_opening(std::string& out) = 0;
  // Takes what was received. What it must answer by itself (CONNECT behind an opening handshake,
  // pongs) is appended to `out`.
  virtual void feed(std::string_view octets, std::string& out, Listener& listener) = 0;

  virtual void append_subscribe(std::string& out, const SubscribeRequest& request) = 0;
  virtual void append_publish(std::string& out, std::string_view destination,
                              std::string_view body) = 0;
  virtual void append_ack(std::string& out, std::string_view ack_id) = 0;
  // The polite end; nothing follows.
  virtual void append_disconnect(std::string& out) = 0;
};

// Where and how to connect, as read from --url.
struct Target {
  enum class Protocol : uint8_t { kStomp, kNats, kMqtt, kFloor };
  Protocol protocol = Protocol::kStomp;
  bool over_websocket = true;
  std::string host = "127.0.0.1";  // an IPv4 or IPv6 address
  uint16_t port = 15674;
  std::string path = "/ws";
  std::string login;
  std::string passcode;
  std::string virtual_host = "/";
  // Octets of the floor's frame that stand for what a broker's MESSAGE carries beside the body.
  std::string floor_subscription_id = "sub-0";
};

// "ws://H:P/path", "stomp://H:P", "nats://", "nats+ws://", "mqtt://", "mqtt+ws://", "floor://".
// False, with the reason in `error`, if it is none of these.
[[nodiscard]] bool parse_target(std::string_view url, Target& target, std::string& error);
[[nodiscard]] std::string to_string(const Target& target);

// `target` outlives the dialect.
[[nodiscard]] std::unique_ptr<Dialect> make_dialect(const Target& target);

}  // namespace stampede::bench
