#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "core/ack_window.h"
#include "core/options.h"

namespace stampede::sim {

struct Put;
struct Sub;
struct Transaction;

// A destination of the simulation. Each queue has one for its dead letters.
struct SimDestination {
  enum class Kind : uint8_t { kQueue, kDeadLetters, kTopic };
  std::string name;
  Kind kind = Kind::kTopic;
  uint32_t dead_letters = 0;  // of a queue: where its dead letters go
};

// What the broker of a seed is set to.
struct QueueRules {
  // Queues, then the dead letters of each, then topics.
  std::vector<SimDestination> destinations;
  uint32_t queues = 0;
  uint32_t topics = 0;
  bool is_bounded = false;  // queues may be full
  core::QueueFullPolicy policy = core::QueueFullPolicy::kRefuse;
  size_t messages_max = 0;  // of a queue, if bounded
  core::Millis wait = 0;    // for room, with kRefuse
  uint32_t deliveries_max = 0;
  uint32_t prefetch_default = 0;

  [[nodiscard]] uint32_t first_topic() const { return 2 * queues; }
};

// A RECEIPT that was asked for, and what it stands for.
struct ExpectedReceipt {
  std::string id = {};
  uint64_t frame = 0;
  Put* put = nullptr;                  // outside of transactions
  Transaction* transaction = nullptr;  // of its COMMIT
  Sub* begins = nullptr;
  Sub* ends = nullptr;
  bool is_goodbye = false;  // of DISCONNECT
};

// What a peer and the broker said on one connection. Frames are numbered from 1 as they are
// written.
struct SimSession {
  uint32_t peer = 0;  // its index
  int version = 12;
  uint64_t frames = 0;
  uint64_t confirmed = 0;  // frames up to here were handled, as what the broker did since shows
  std::deque<ExpectedReceipt> expected;
  std::vector<Sub*> subs;
  bool is_closed = false;     // the broker ended it
  bool is_graceful = false;   // and what was under way counts as sent
  bool is_failed = false;     // for a reason of its own
  bool has_error = false;     // it said why
  bool is_overtaken = false;  // a RECEIPT came, and one before it did not
  bool has_parted = false;    // the RECEIPT of DISCONNECT came
};

// A MESSAGE that the broker put on a connection.
struct Delivery {
  // What the client said of it or, for auto subscriptions, whether it was sent.
  enum class Fate : uint8_t { kHeld, kSent, kAcked, kRequeued, kRejected };
  Put* put = nullptr;
  Sub* sub = nullptr;
  std::string ack;
  std::string message_id;
  size_t body_bytes = 0;
  Fate fate = Fate::kHeld;
  uint64_t settle_frame = 0;  // the ACK or NACK, or the COMMIT with which it takes effect
  bool has_arrived = false;
};

// One SEND. `frame` and `order` are those of the COMMIT for one in a transaction, and 0 before it.
struct Put {
  uint32_t number = 0;
  uint32_t destination = 0;
  SimSession* session = nullptr;  // the producer's
  std::string message_id;
  std::string group;
  std::string color;  // a header that selectors ask for
  int priority = 4;
  core::Millis expires_at = core::kNever;  // not before
  core::Millis due_at = 0;                 // not before
  uint64_t frame = 0;
  uint64_t order = 0;  // among all that was published
  core::Millis written_at = 0;
  bool is_in_transaction = false;
  bool is_acknowledged = false;  // by the RECEIPT of a SEND outside of transactions
  bool is_refused = false;
  bool is_seen = false;
  // Deliveries by a queue, and by its dead letters; those to browsers do not count.
  std::array<std::vector<Delivery*>, 2> lives;
};

// What was said between BEGIN and COMMIT.
struct Transaction {
  struct Step {
    Delivery* delivery;
    Delivery::Fate fate;
  };
  std::string name;
  std::vector<Put*> puts;
  std::vector<Step> steps;
};

// One SUBSCRIBE.
struct Sub {
  SimSession* session = nullptr;
  std::string id;
  bool has_id = true;
  uint32_t destination = 0;
  core::AckMode mode = core::AckMode::kAuto;
  core::AckCredit credit;
  bool is_of_all_topics = false;
  bool is_browser = false;
  bool is_no_local = false;
  std::string color;     // its selector wants only these; empty: it has none
  bool is_last = false;  // alone at its queue, to which nothing else happens
  bool is_live = false;  // RECEIPT seen
  uint64_t order_when_live = 0;
  bool is_ending = false;         // UNSUBSCRIBE written
  bool is_ended = false;          // and its RECEIPT seen
  bool is_browsed = false;        // was told so
  bool is_only_end = false;       // when it ended, none of its queue had since the last rest
  size_t end = 0;                 // which of its queue's ends that was, from 1
  std::deque<Delivery*> held;     // client modes: given, and not settled by the client
  std::vector<Delivery*> late;    // what was held when it ended
  std::vector<Delivery*> flying;  // auto: of the send under way
  std::vector<Delivery*> given;
  size_t arrived = 0;  // of given
  // The highest order given so far, by the producer's index and the priority; and the same for what
  // came back from another subscription.
  std::map<std::pair<uint32_t, int>, uint64_t> last_orders;
  std::map<std::tuple<const Sub*, uint32_t, int>, uint64_t> last_returned;
  int last_priority = 9;
};

// Throws std::runtime_error with what was violated and what became of the message.
[[noreturn]] void fail_about(const Put& put, const std::string& what);

}  // namespace stampede::sim
