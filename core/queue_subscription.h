#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/ack_window.h"
#include "core/message.h"
#include "core/shard_types.h"
#include "proto/stomp_types.h"

namespace stampede::core {

// QueueSubscription is a session's side of a SUBSCRIBE to a queue. What the owner handed out waits
// here by reference until the client's next send, so that a slow reader costs no octets.
//
// Owns:      a reference of each message that waits. Thread: home shard.
// Invariant: tags grow. Those of waiting deliveries are above all that were given to the client.
class QueueSubscription {
 public:
  struct Options {
    std::string destination;
    std::string id;  // without has_id: the destination, by which 1.0 unsubscribes
    bool has_id = true;
    bool is_temporary = false;  // nobody else will ever get what the client does not
    AckMode mode = AckMode::kAuto;
    AckCredit credit = {};
    std::shared_ptr<AckOrder> ack_order = nullptr;  // of a composite
    bool says_browse_end = true;                    // a browser asked to be told
  };
  QueueSubscription(uint32_t number, ShardId owner, uint64_t ack_token, Options options);
  ~QueueSubscription();
  QueueSubscription(const QueueSubscription&) = delete;
  QueueSubscription& operator=(const QueueSubscription&) = delete;

  // -- What the owner says.
  void hand_out(Message& message, uint64_t tag, uint32_t earlier_deliveries);
  void end_browse() { is_browsed_ = options_.says_browse_end; }

  // -- What goes to the client.
  // True if take() has something.
  [[nodiscard]] bool has_waiting() const {
    return !waiting_.empty() || (is_browsed_ && !is_end_said_);
  }
  // Makes `frame` the next MESSAGE; true if it is UTF-8.
  [[nodiscard]] bool take(std::string& frame, proto::StompVersion version, uint64_t seed);
  // An auto consumer's deliveries up to this tag went out with the send that is complete; 0: none
  // did. Each counts once.
  void begin_flight() { in_flight_ = taken_; }
  [[nodiscard]] uint64_t end_flight();
  // The last tag that the client was given, or is about to be.
  [[nodiscard]] uint64_t last_taken() const { return taken_; }

  [[nodiscard]] uint32_t number() const { return number_; }
  [[nodiscard]] ShardId owner() const { return owner_; }
  [[nodiscard]] uint64_t ack_token() const { return ack_token_; }
  [[nodiscard]] std::string_view id() const { return options_.id; }
  [[nodiscard]] bool has_id() const { return options_.has_id; }
  [[nodiscard]] bool is_temporary() const { return options_.is_temporary; }
  [[nodiscard]] bool is_auto() const { return options_.mode == AckMode::kAuto; }
  [[nodiscard]] AckWindow& acks() { return acks_; }

 private:
  struct Waiting {
    Message* message;
    uint64_t tag;
    uint32_t earlier_deliveries;
  };
  void append_browse_end(std::string& frame, proto::StompVersion version) const;

  const uint32_t number_;
  const ShardId owner_;
  const uint64_t ack_token_;
  const Options options_;
  std::deque<Waiting> waiting_;
  AckWindow acks_;  // in the client modes
  uint64_t taken_ = 0;
  uint64_t in_flight_ = 0;
  uint64_t flown_ = 0;
  bool is_browsed_ = false;
  bool is_end_said_ = false;
};

// QueueSubscriptions is all of one session.
//
// Thread:    home shard. Lookups are O(consumers), whose number is limited.
class QueueSubscriptions {
 public:
  QueueSubscription& add(std::unique_ptr<QueueSubscription> consumer);
  [[nodiscard]] QueueSubscription* find_by_id(std::string_view id) const;
  // 1.0 only: one without id goes by its destination.
  [[nodiscard]] QueueSubscription* find_by_destination(std::string_view destination) const;
  [[nodiscard]] QueueSubscription* find_by_number(uint32_t number) const;
  [[nodiscard]] std::unique_ptr<QueueSubscription> take(QueueSubscription& consumer);
  // Which of them are looked at.
  enum class Which : bool { kAll, kTemporary };
  [[nodiscard]] bool has_waiting(Which which) const;
  // The one whose turn it is among those with something to take, round robin; null: none has.
  [[nodiscard]] QueueSubscription* next_waiting(Which which);
  [[nodiscard]] const std::vector<std::unique_ptr<QueueSubscription>>& all() const { return all_; }
  [[nodiscard]] uint32_t make_number() { return ++last_number_; }

 private:
  std::vector<std::unique_ptr<QueueSubscription>> all_;
  uint32_t last_number_ = 0;
  size_t turn_ = 0;
};

}  // namespace stampede::core
