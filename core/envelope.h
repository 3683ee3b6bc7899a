#pragma once

#include <cstdint>
#include <string>

#include "core/message.h"
#include "core/shard_types.h"

namespace stampede::core {

enum class EnvelopeKind : uint8_t {
  kPublish,         // home -> owner: message, and client and ticket if a RECEIPT waits for it
  kDeliver,         // owner -> home: message, numbered
  kPublished,       // owner -> home: client and ticket: the message was numbered, or known already
  kAddInterest,     // home -> owner: name, token
  kRemoveInterest,  // home -> owner: name
  kAddPattern,      // home -> every owner: name, token
  kRemovePattern,   // home -> every owner: name
  kInterestLive,    // owner -> home: token
  kHoldBack,        // home of readers -> home of a publisher: client, that runs ahead of them
  kIntakeEnded,     // home -> every owner: no kPublish, kAddInterest or kAddPattern follows
  kOwnerEnded,      // owner -> every home: no kDeliver, kPublished or kInterestLive follows
};

// Envelope is what crosses shards, at most one line of cache.
//
// Owns:      by convention one reference of `message`, and `name`: posting hands both over, and
//            whoever takes the envelope out drops them or passes them on. It is trivially copyable
//            so that rings can hold it.
struct Envelope {
  EnvelopeKind kind = EnvelopeKind::kPublish;
  uint8_t from = 0;     // ShardId
  uint32_t ticket = 0;  // a pending RECEIPT of `client`; 0: none
  ClientRef client = {};
  Message* message = nullptr;
  std::string* name = nullptr;
  uint64_t token = 0;  // which request of `from` is answered
};
static_assert(sizeof(Envelope) <= 64);

}  // namespace stampede::core
