#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/message.h"
#include "core/queue_types.h"
#include "core/recall.h"
#include "core/selector/selector.h"
#include "core/shard_types.h"

namespace stampede::core {

enum class EnvelopeKind : uint8_t {
  kPublish,          // home -> owner: message, and client and ticket if a RECEIPT waits for it
  kPublishReserved,  // as kPublish, to a queue that has reserved room for it
  kDeliver,          // owner -> home: message, numbered
  kPublished,       // owner -> home: client and ticket: the message was numbered, or known already;
                    // token (how many kCounted will follow, if they were asked for)
  kCounted,         // home of readers or owner of a queue -> home of the sender: client, ticket,
                    // token (subscriptions)
  kRefused,         // owner -> home: client and ticket: the queue is full, the message was dropped
  kHeldOut,         // owner -> home: client, of whose SENDs one more waits for room in a queue
  kConfirm,         // home -> every owner: client, ticket: to be answered by kPublished
  kLetIn,           // owner -> home: as kPublished, of one that had waited
  kTurnedAway,      // owner -> home: as kRefused, of one that had waited
  kAddInterest,     // home -> owner: name, token
  kRemoveInterest,  // home -> owner: name
  kAddPattern,      // home -> every owner: name, token
  kRemovePattern,   // home -> every owner: name
  kInterestLive,    // owner -> home: token, recall (last values; null: there are none)
  kRecall,          // home -> owner: recall, token; behind the topic's kAddInterest or kAddPattern
  kRecalled,        // owner -> home: recall, answered, token
  kHoldBack,        // home of readers -> home of a publisher: client, that runs ahead of them
  kConsume,         // home -> owner: client, name of a queue, consumer, token (its number), ticket
  kConsuming,       // owner -> home: client, ticket: the consumer is there
  kRelease,         // home -> owner: client, ticket (a consumer's number), token (first tag that
                    // the client was never given)
  kHandOut,         // owner -> home: client, ticket (number), message, token (tag), detail (earlier
                    // deliveries)
  kSettle,          // home -> owner: client, ticket (number), token (tag), detail (SettleDetail)
  kBrowsed,         // owner -> home: client, ticket (number): the browser has seen everything
  kReserve,         // home -> owner: client, reservation, token
  kReserved,        // owner -> home: token, detail (1: all of it, 0: none, as a queue has no room)
  kUnreserve,       // home -> owner: reservation, which is not needed after all
  kFence,           // home -> every owner, in a drain: to be answered
  kFenced,          // owner -> home: whatever it had numbered by then is before this
  kIntakeEnded,     // home -> every owner: no kPublish, kAddInterest, kAddPattern, kRecall follows
  kOwnerEnded,      // owner -> every home: no kDeliver, kPublished, kInterestLive, kRecalled
                    // follows
};

// Envelope::detail of kSettle.
struct SettleDetail {
  Settlement settlement;
  bool is_cumulative;

  [[nodiscard]] uint16_t encode() const {
    return static_cast<uint16_t>(static_cast<unsigned>(settlement) << 1 | unsigned{is_cumulative});
  }
  static SettleDetail decode(uint16_t detail) {
    return {static_cast<Settlement>(detail >> 1), (detail & 1) != 0};
  }
};

// What a SUBSCRIBE asks of a queue.
struct ConsumerRequest {
  ConsumerOptions options;                   // the filter is made by the owner
  std::shared_ptr<const Selector> selector;  // null: none
};

// Room in queues of one owner that a transaction needs before it can be carried out.
struct Reservation {
  struct Room {
    std::string queue;
    size_t messages = 0;
    size_t bytes = 0;
  };
  std::vector<Room> rooms;
};

// Envelope is what crosses shards, at most one line of cache.
//
// Owns:      by convention one reference of `message`, and `name`, `consumer`, `reservation` and
//            `recall`: posting hands them over, and whoever takes the envelope out drops them or
//            passes them on. It is trivially copyable so that rings can hold it.
struct Envelope {
  EnvelopeKind kind = EnvelopeKind::kPublish;
  uint8_t from = 0;  // ShardId
  uint16_t detail = 0;
  uint32_t ticket = 0;  // a pending RECEIPT of `client`, 0: none; or as the kind says
  ClientRef client = {};
  Message* message = nullptr;
  std::string* name = nullptr;
  ConsumerRequest* consumer = nullptr;
  Reservation* reservation = nullptr;
  Recall* recall = nullptr;
  uint64_t token = 0;  // which request of `from` is answered; or as the kind says
};
static_assert(sizeof(Envelope) <= 64);

}  // namespace stampede::core
