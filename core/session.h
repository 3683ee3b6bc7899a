#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/ack_window.h"
#include "core/fan_out_log.h"
#include "core/queue_subscription.h"
#include "core/reply_queue.h"
#include "core/transactions.h"
#include "core/wire_variant.h"
#include "proto/stomp_frame.h"
#include "proto/stomp_types.h"

namespace stampede::core {

class Client;
class ShardState;
struct Group;
struct Replay;

// Subscription is a session's side of SUBSCRIBE: a cursor in its group's log, or before that in a
// replay's. The id is the group's.
//
// Lifetime:  owned by the session; once ended while its cursor is in flight, by itself until that
//            flight is over.
struct Subscription : Cursor {
  Group* group = nullptr;
  std::unique_ptr<AckWindow> acks;  // null: auto
  std::unique_ptr<Subscription> next;
  bool has_ended = false;
  bool is_stopped = false;   // behind, and without credit: Outflow
  bool is_pardoned = false;  // until it has caught up, lag is counted from there on:
  uint32_t pardoned_to = 0;  // lower half of a position in the group's log

  // Not null: the cursor is in its log, not in the group's. Requires: it is in one.
  [[nodiscard]] Replay* replay() const { return log->replay(); }
  // What is in the group's log now it cannot have taken yet.
  void pardon() {
    is_pardoned = true;
    pardoned_to = static_cast<uint32_t>(log->end());
  }
  // Of the octets that it was not given yet those that it could have taken: a replay looks after
  // its readers itself.
  [[nodiscard]] size_t blamed_lag() const {
    if (replay() != nullptr) return 0;
    const size_t lag = log->lag(*this);
    return is_pardoned ? std::min<size_t>(lag, static_cast<uint32_t>(log->end()) - pardoned_to)
                       : lag;
  }
};

// Session is the STOMP state of one connection: version, subscriptions, open transactions, receipts
// that wait.
//
// Owns:      its subscriptions and transactions. Thread: home shard.
// Invariant: a subscription id is live at most once.
class Session {
 public:
  // One frame of the client's; dispatches to core/commands/. The client may be closing afterwards.
  void handle(Client& client, const proto::StompFrame& frame, int64_t now);

  // -- Receipts (STOMP 1.2, "RECEIPT").
  // Answers at once, or behind the receipts that still wait.
  void reply(Client& client, const proto::StompFrame& frame);
  // A ticket for work that owner shards do, in so many parts; 0 if the frame asks for no receipt.
  [[nodiscard]] uint32_t begin_reply(const proto::StompFrame& frame, uint32_t parts = 1) {
    const auto receipt = frame.header("receipt");
    return receipt ? begin_reply(*receipt, parts) : 0;
  }
  // The same for a receipt that was found already.
  [[nodiscard]] uint32_t begin_reply(std::string_view receipt, uint32_t parts) {
    return replies_.add(receipt, parts);
  }
  // The same for work that nobody asked a receipt for, but the last answer waits for.
  [[nodiscard]] uint32_t owe_silently(uint32_t parts) { return replies_.add_silent(parts); }
  void complete_reply(Client& client, uint32_t ticket);
  // One more part of the work must be done first.
  void extend_reply(uint32_t ticket) { replies_.add_part(ticket); }
  // Has its RECEIPT carry these header lines too, which need no escape.
  void note_reply(uint32_t ticket, std::string_view lines) { replies_.note(ticket, lines); }
  [[nodiscard]] bool owes_replies() const { return !replies_.empty(); }
  [[nodiscard]] size_t replies_pending() const { return replies_.size(); }
  // The RECEIPT says how many subscriptions the SEND was for: see ReplyQueue.
  void count_subscriptions(uint32_t ticket) { replies_.count_subscriptions(ticket); }
  void expect_reports(uint32_t ticket, uint32_t shards);
  void report(Client& client, uint32_t ticket, uint64_t subscriptions);
  // The work failed, and its RECEIPT will not be sent; gives the receipt's text. What waits behind
  // it does until release_replies().
  std::optional<std::string> cancel_reply(uint32_t ticket) { return replies_.cancel(ticket); }
  // Sends the RECEIPTs that no earlier one holds back.
  void release_replies(Client& client);
  void forget_replies() { replies_ = {}; }

  // -- Deliveries that wait to be acknowledged. O(subscriptions + deliveries of one).
  struct FoundDelivery {
    Subscription* on_topic = nullptr;
    QueueSubscription* on_queue = nullptr;
    AckId id = {0, 0};
    bool is_of_ended = false;  // it was of a subscription that has ended meanwhile

    [[nodiscard]] bool is_there() const { return on_topic != nullptr || on_queue != nullptr; }
    // Requires: is_there().
    [[nodiscard]] AckWindow& acks() const {
      return on_topic != nullptr ? *on_topic->acks : on_queue->acks();
    }
  };
  [[nodiscard]] FoundDelivery find_delivery(const AckId& id) const;
  // Without `subscription_id` of any subscription.
  [[nodiscard]] FoundDelivery find_delivery_by_message_id(
      uint64_t id_hash, std::optional<std::string_view> subscription_id) const;
  // The last delivery before it of each other part of the same composite, where an acknowledgement
  // covers those. Requires: it is there.
  [[nodiscard]] std::vector<FoundDelivery> covered_with(const FoundDelivery& delivery) const;
  // True if there is something to acknowledge or to commit, which may free memory.
  // O(subscriptions).
  [[nodiscard]] bool has_unfinished() const;
  // A subscription that had unsettled deliveries has ended; acknowledgements may still come.
  void remember_ended(uint64_t ack_token);

  // -- Transactions.
  [[nodiscard]] Transactions& transactions() { return rare().transactions; }

  // -- Subscriptions to queues. Null: none was ever made.
  [[nodiscard]] QueueSubscriptions* queue_subscriptions() const {
    return rare_ == nullptr ? nullptr : &rare_->queues;
  }
  [[nodiscard]] QueueSubscriptions& make_queue_subscriptions() { return rare().queues; }
  [[nodiscard]] QueueSubscription* find_queue_subscription(uint32_t number) const {
    return rare_ == nullptr ? nullptr : rare_->queues.find_by_number(number);
  }
  [[nodiscard]] bool has_queue_deliveries(QueueSubscriptions::Which which) const {
    return rare_ != nullptr && rare_->queues.has_waiting(which);
  }

  // -- Subscriptions to topics. Lookups are O(subscriptions), which are limited.
  void add(std::unique_ptr<Subscription> subscription);
  [[nodiscard]] Subscription* find_by_id(std::string_view id) const;
  // 1.0 only: a subscription without id goes by its destination.
  [[nodiscard]] Subscription* find_by_destination(std::string_view destination) const;
  [[nodiscard]] std::unique_ptr<Subscription> take(Subscription& subscription);
  [[nodiscard]] std::unique_ptr<Subscription> take_any();
  // True if it has subscriptions, and each rather misses something than ends the client.
  [[nodiscard]] bool may_miss_all() const {
    return dropping_count_ > 0 && dropping_count_ == subscription_count();
  }
  // To topics and queues.
  [[nodiscard]] size_t subscription_count() const {
    return subscription_count_ + (rare_ == nullptr ? 0 : rare_->queues.all().size());
  }
  // Of either kind.
  [[nodiscard]] bool is_subscribed_as(std::optional<std::string_view> id,
                                      std::string_view destination) const;

  [[nodiscard]] proto::StompVersion version() const { return version_; }
  void set_version(proto::StompVersion version) { version_ = version; }
  // `login` of CONNECT, empty if it gave none.
  [[nodiscard]] std::string_view user_name() const { return user_name_; }
  void set_user_name(std::string_view name) { user_name_ = name; }

 private:
  // What most sessions never need.
  struct Rare {
    Transactions transactions;
    QueueSubscriptions queues;
    // AckId::token of subscriptions that have ended in a client mode, the last few.
    std::vector<uint64_t> ended_tokens;
  };
  [[nodiscard]] Rare& rare();

  std::unique_ptr<Subscription> subscriptions_;
  std::unique_ptr<Rare> rare_;
  ReplyQueue replies_;
  std::string user_name_;
  uint32_t subscription_count_ = 0;
  uint32_t dropping_count_ = 0;  // of these, in groups that drop
  proto::StompVersion version_ = proto::StompVersion::k12;
};

}  // namespace stampede::core
