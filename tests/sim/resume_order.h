#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/resume_records.h"

namespace stampede::sim {

// ResumeOrder is the order in which topics were published to, as somebody saw it who was always
// there, and what follows from it for everybody else.
//
// The promise it checks, for each subscription and topic:
//   - what it got is an unbroken piece of that order, without doubles, and it reaches the end if
//     the subscriber stayed. Before it, a last value may come that is older; it is the last value
//     of the place where the piece begins. If there is one, who asked for no other beginning gets
//     it;
//   - the piece begins no later than with the first SEND that was written after the RECEIPT was
//     seen;
//   - recovered:true: the piece begins exactly at the sequence that was asked for, in its epoch;
//   - recovered:false: a message from there on is not kept any more (more than the history holds
//     were written since, or it is too old), the epoch is over, or the sequence was never given;
//   - what is kept comes: a message is missing before the piece only if it need not be kept;
//   - epochs and sequences of MESSAGEs and RECEIPTs are those of the order.
class ResumeOrder {
 public:
  ResumeOrder(const ResumeRules& rules, const std::vector<Said>& said);

  // The next one of its topic. Throws if it does not follow on what came before.
  void add(const Heard& heard);
  // So many were added, by topic.
  [[nodiscard]] std::vector<size_t> sizes() const;

  [[nodiscard]] bool has(size_t number) const {
    return number < places_.size() && places_[number] != kNowhere;
  }

  // Throws std::runtime_error with what was violated. `has_stayed`: it was there until the end, and
  // nothing was under way any more.
  void check(const ResumeSub& sub, bool has_stayed) const;

 private:
  static constexpr size_t kNowhere = SIZE_MAX;

  struct Placed {
    uint32_t number;
    std::string epoch;
    uint64_t sequence;
  };
  // What a subscription got of a topic. Places are indices in the topic's order.
  struct Piece {
    std::optional<size_t> apart;  // a last value that is older than the rest
    std::vector<size_t> got;
    size_t begin = 0;               // of the first of `got`, or of what would have come
    bool is_begin_certain = false;  // else it may be a last value, or later than what was cut off
  };

  [[nodiscard]] bool matches(const Wish& wish, uint32_t topic) const;
  [[nodiscard]] Piece piece_of(const ResumeSub& sub, uint32_t topic, bool has_stayed) const;
  void check_heard(const Heard& heard, const Placed& placed) const;
  void check_piece(const ResumeSub& sub, uint32_t topic, const Piece& piece) const;
  [[nodiscard]] std::string about(const ResumeSub& sub, uint32_t topic, const Piece& piece) const;
  void check_unbroken(const ResumeSub& sub, uint32_t topic, const Piece& piece,
                      bool has_stayed) const;
  void check_apart(const ResumeSub& sub, uint32_t topic, const Piece& piece) const;
  void check_beginning(const ResumeSub& sub, uint32_t topic, const Piece& piece) const;
  void check_last_value(const ResumeSub& sub, uint32_t topic, const Piece& piece) const;
  void check_all_kept_came(const ResumeSub& sub, uint32_t topic, const Piece& piece) const;
  void check_recovered(const ResumeSub& sub, uint32_t topic, const Piece& piece) const;
  void check_not_recovered(const ResumeSub& sub, uint32_t topic, const Piece& piece) const;
  void check_position(const ResumeSub& sub, uint32_t topic, const Piece& piece) const;

  // -- Of one topic's order.
  // The first place from there on whose message the wish wants; the end if there is none.
  [[nodiscard]] size_t next_wanted(const Wish& wish, uint32_t topic, size_t from) const;
  // The last value of the topic for who begins there.
  [[nodiscard]] std::optional<size_t> last_value(uint32_t topic, size_t begin) const;
  // True if holds(last value) is true for who begins there, or before that but behind the last
  // message that the subscription wants: for it that is the same.
  template <typename Holds>
  [[nodiscard]] bool holds_somewhere(const ResumeSub& sub, uint32_t topic, size_t begin,
                                     Holds&& holds) const;
  // The place of a sequence; nothing if the epoch is not the answer's, or not known.
  [[nodiscard]] std::optional<size_t> asked_for(const ResumeSub& sub, uint32_t topic) const;
  // So many SENDs to the topic that were published were written when the answer was seen.
  [[nodiscard]] size_t said_before(const ResumeAnswer& answer, uint32_t topic) const;
  // The message of that place was not necessarily kept when the answer was given.
  [[nodiscard]] bool may_be_lost(const ResumeAnswer& answer, uint32_t topic, size_t place) const;
  [[nodiscard]] const Said& said_at(uint32_t topic, size_t place) const {
    return said_[orders_[topic][place].number];
  }

  const ResumeRules& rules_;
  const std::vector<Said>& said_;
  std::vector<std::vector<Placed>> orders_;  // by topic
  std::vector<size_t> places_;               // by number, once it was added
};

}  // namespace stampede::sim
