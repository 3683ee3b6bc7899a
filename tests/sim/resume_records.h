#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/shard_types.h"

namespace stampede::sim {

// What the broker of a seed is set to.
struct ResumeRules {
  // Those that a history rule names come first.
  std::vector<std::string> topics;
  uint32_t topics_with_history = 0;
  size_t kept_max = 0;         // messages of a topic's history
  core::Millis kept_time = 0;  // of histories and last values: nothing older need be kept
};

// One SEND; they are numbered in the order in which they are written.
struct Said {
  enum class Retain : uint8_t { kNo, kSet, kRemove };
  uint32_t topic = 0;
  Retain retain = Retain::kNo;
  bool is_red = false;  // a header that selectors ask for
  core::Millis at = 0;
};

// How a subscription says where it begins.
enum class ResumeForm : uint8_t { kPlain, kNext, kFirst, kSequence };

// What a subscriber wants whenever it is connected.
struct Wish {
  std::optional<uint32_t> topic = {};  // none: all that the pattern matches
  bool is_of_all = false;  // the pattern is of all topics, not of those with history only
  bool is_red = false;     // has a selector
  bool shows_position = false;
  bool is_acked = false;
};

// What the RECEIPT of a SUBSCRIBE said, and what was true when it was seen.
struct ResumeAnswer {
  std::optional<bool> recovered;
  std::string epoch;
  std::optional<uint64_t> sequence;
  size_t said = 0;  // SENDs that were written
  core::Millis at = 0;
};

// A MESSAGE of a subscription.
struct Heard {
  uint32_t number = 0;  // of the SEND
  // If the subscription shows it.
  std::string epoch = {};
  uint64_t sequence = 0;
};

// One SUBSCRIBE, and what came of it.
struct ResumeSub {
  std::string id;
  Wish wish;
  ResumeForm form = ResumeForm::kPlain;
  // Of kSequence.
  uint64_t sequence = 0;
  std::string epoch;          // empty: not said
  bool is_honest = false;     // it is the one behind the last that the client has seen,
  core::Millis known_at = 0;  // which was then

  std::vector<size_t> numbered_before;  // by topic: so many were numbered when it was written
  std::optional<ResumeAnswer> answer;
  std::vector<Heard> heard;
  bool is_ending = false;  // UNSUBSCRIBE written
  core::Millis ending_at = 0;
  bool is_ended = false;  // and its RECEIPT seen
};

}  // namespace stampede::sim
