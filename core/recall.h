#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/message.h"
#include "core/shard_types.h"

namespace stampede::core {

// Where in what was published to a destination a new subscriber begins.
struct RecallFrom {
  enum class Place : uint8_t {
    kRetained,  // at the last value, if there is one
    kNext,      // at what is published from now on
    kFirst,     // at the oldest that is kept
    kLast,      // at the newest that is kept
    kSequence,  // at that sequence of that epoch
    kTime,      // at the first that was published at that time or later
  };
  Place place = Place::kRetained;
  uint64_t sequence = 0;
  Millis time = 0;
  std::string epoch = {};  // of the sequence; empty: of the incarnation that is there

  friend bool operator==(const RecallFrom&, const RecallFrom&) = default;
};

// Recall is what a home shard asks an owner, and comes back as the answer: what is kept of a
// destination, or of those of the owner that a pattern matches, from a place on. What the owner
// numbers after it answered goes to the home shard behind the answer, as it goes to all.
//
// Owns:      a reference of each message. Thread: whoever holds it.
struct Recall {
  Recall(std::string_view of_name, bool of_pattern, RecallFrom from_place)
      : name(of_name), is_pattern(of_pattern), from(std::move(from_place)) {}
  ~Recall() {
    for (Message* message : messages) message->drop_reference();
  }
  Recall(const Recall&) = delete;
  Recall& operator=(const Recall&) = delete;

  void add(Message& message) {
    message.add_references(1);
    messages.push_back(&message);
  }

  const std::string name;
  const bool is_pattern;
  const RecallFrom from;

  // -- The answer.
  std::vector<Message*> messages;  // those of one destination in its order
  // Nothing that was published from the place on is missing in them. Never true in error; for a
  // pattern only if nothing was asked for, as names may have been forgotten that it matched.
  bool is_complete = true;
  // Of a name, not of a pattern.
  std::string epoch;
  uint64_t sequence = 0;       // the last that was given
  uint64_t unbroken_from = 1;  // from this sequence on to the last none is missing in `messages`
};

}  // namespace stampede::core
