#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "core/shard_types.h"
#include "proto/http_upgrade.h"
#include "proto/stomp_parser.h"
#include "proto/ws_decoder.h"

namespace stampede::core {

class Client;

// Intake is a client's way in: opening handshake, WebSocket frames, STOMP frames. What it finds it
// tells the client, which may end or pause by that; then the rest is dropped, or held until the
// client is listened to again.
//
// Owns:      the states of its decoders, and what arrived while the client was paused.
// Thread:    home shard. Every call is told the client that it belongs to.
// Invariant: octets are looked at in the order in which they came, and a client that is not open is
//            told nothing.
class Intake {
 public:
  // `upgrade` is null where there is no opening handshake.
  explicit Intake(const proto::UpgradePolicy* upgrade);

  void receive(Client& client, std::span<const uint8_t> octets, Millis now);
  // Takes some of what is held; true if all of it was taken, and the client is not paused again.
  [[nodiscard]] bool take_held(Client& client, Millis now);
  [[nodiscard]] bool has_held() const { return held_ != nullptr; }
  // Of what came and was not taken, on the heap.
  [[nodiscard]] size_t memory_bytes() const {
    return parser_.memory_bytes() +
           (held_ == nullptr ? 0 : held_->octets.capacity() + held_->stomp.capacity());
  }

  // The session speaks this version from the next frame on.
  void set_version(proto::StompVersion version) { parser_.set_version(version); }
  // The first data came in a binary message: answers go the same way.
  [[nodiscard]] bool is_binary() const { return is_binary_; }
  // Nothing more is looked at: drops what is held.
  void end();
  // Gives back what was borrowed. Call once, last.
  void release(proto::WsContextPool& contexts) { websocket_.release(contexts); }

 private:
  struct Held {
    std::string octets;  // as they came
    std::string stomp;   // before them: what was behind a frame that made the client pause
    bool is_stomp_text = false;
  };
  [[nodiscard]] Held& held();
  void hold(std::span<const uint8_t> octets);
  void receive_unpaused(Client& client, std::span<const uint8_t> octets, Millis now);
  // False: the handshake goes on, or was refused.
  [[nodiscard]] bool receive_handshake(Client& client, std::span<const uint8_t>& octets,
                                       Millis now);
  void receive_websocket(Client& client, std::span<const uint8_t> octets, Millis now);
  // `is_text`: the octets are from text messages, so they were found to be UTF-8.
  void receive_stomp(Client& client, std::span<const uint8_t> octets, bool is_text, Millis now);
  void on_parse_error(Client& client);

  std::unique_ptr<proto::HttpUpgrade> upgrade_;
  std::unique_ptr<Held> held_;
  proto::StompParser parser_;
  proto::WsDecoder websocket_;
  bool is_binary_ = false;
  bool is_frame_text_ = false;  // all of the frame that has begun came in text messages
};

}  // namespace stampede::core
