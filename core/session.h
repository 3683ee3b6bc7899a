#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "core/ack_window.h"
#include "core/fan_out_log.h"
#include "core/reply_queue.h"
#include "proto/stomp_frame.h"
#include "proto/stomp_types.h"

namespace stampede::core {

class Client;
class ShardState;
struct Group;

// How octets reach a subscriber: what its group's log is written for.
struct WireVariant {
  enum class Framing : uint8_t { kTcp, kWebSocketText, kWebSocketBinary };
  Framing framing = Framing::kTcp;
  proto::StompVersion version = proto::StompVersion::k12;
  friend bool operator==(const WireVariant&, const WireVariant&) = default;
};

// Subscription is a session's side of SUBSCRIBE: a cursor in its group's log. The id is the
// group's.
//
// Lifetime:  owned by the session; once ended while its cursor is in flight, by itself until that
//            flight is over.
struct Subscription : Cursor {
  Group* group = nullptr;
  std::unique_ptr<AckWindow> acks;  // null: auto
  std::unique_ptr<Subscription> next;
  bool has_ended = false;
  bool is_stopped = false;  // behind, and without credit: Outflow
};

// Session is the STOMP state of one connection: version, subscriptions, receipts that wait,
// heart-beats.
//
// Owns:      its subscriptions. Thread: home shard.
// Invariant: a subscription id is live at most once.
class Session {
 public:
  // One frame of the client's; dispatches to core/commands/. The client may be closing afterwards.
  void handle(Client& client, const proto::StompFrame& frame, int64_t now);

  // -- Receipts (STOMP 1.2, "RECEIPT").
  // Answers at once, or behind the receipts that still wait.
  void reply(Client& client, const proto::StompFrame& frame);
  // A ticket for work that an owner shard does; 0 if the frame asks for no receipt.
  [[nodiscard]] uint32_t begin_reply(const proto::StompFrame& frame);
  void complete_reply(Client& client, uint32_t ticket);
  [[nodiscard]] bool owes_replies() const { return !replies_.empty(); }
  [[nodiscard]] size_t replies_pending() const { return replies_.size(); }
  void forget_replies() { replies_ = {}; }

  // -- Deliveries that wait to be acknowledged. O(subscriptions + deliveries of one).
  struct FoundDelivery {
    Subscription* subscription = nullptr;  // null: there is none
    uint64_t tag = 0;
    bool is_of_ended = false;  // it was of a subscription that has ended meanwhile
  };
  [[nodiscard]] FoundDelivery find_delivery(const AckId& id) const;
  // Without `subscription_id` of any subscription.
  [[nodiscard]] FoundDelivery find_delivery_by_message_id(
      uint64_t id_hash, std::optional<std::string_view> subscription_id) const;
  // The subscription, which was just taken, may still be sent acknowledgements.
  void remember_ended(const Subscription& subscription);

  // -- Subscriptions. Lookups are O(subscriptions), which are limited.
  void add(std::unique_ptr<Subscription> subscription);
  [[nodiscard]] Subscription* find_by_id(std::string_view id) const;
  // 1.0 only: a subscription without id goes by its destination.
  [[nodiscard]] Subscription* find_by_destination(std::string_view destination) const;
  [[nodiscard]] std::unique_ptr<Subscription> take(Subscription& subscription);
  [[nodiscard]] std::unique_ptr<Subscription> take_any();
  [[nodiscard]] size_t subscription_count() const { return subscription_count_; }

  [[nodiscard]] proto::StompVersion version() const { return version_; }
  void set_version(proto::StompVersion version) { version_ = version; }

  // Negotiated; 0: none.
  int64_t heart_beat_send_ms = 0;
  int64_t heart_beat_receive_ms = 0;

 private:
  std::unique_ptr<Subscription> subscriptions_;
  ReplyQueue replies_;
  // AckId::token of subscriptions that have ended in a client mode, the last few.
  std::vector<uint64_t> ended_tokens_;
  uint32_t subscription_count_ = 0;
  proto::StompVersion version_ = proto::StompVersion::k12;
};

}  // namespace stampede::core
