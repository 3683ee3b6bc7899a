#include "tests/sim/resume_order.h"

#include <algorithm>
#include <stdexcept>

namespace stampede::sim {

namespace {

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what); }

}  // namespace

ResumeOrder::ResumeOrder(const ResumeRules& rules, const std::vector<Said>& said)
    : rules_(rules), said_(said) {}

void ResumeOrder::add(const Heard& heard) {
  orders_.resize(rules_.topics.size());
  std::vector<Placed>& order = orders_[said_[heard.number].topic];
  const bool is_next = !order.empty() && order.back().epoch == heard.epoch;
  if (heard.sequence != (is_next ? order.back().sequence + 1 : 1)) {
    fail("the one who sees all missed a message");
  }
  if (places_.size() <= heard.number) places_.resize(heard.number + 1, kNowhere);
  if (places_[heard.number] != kNowhere) fail("a SEND was published twice");
  places_[heard.number] = order.size();
  order.push_back({heard.number, heard.epoch, heard.sequence});
}

std::vector<size_t> ResumeOrder::sizes() const {
  std::vector<size_t> sizes(rules_.topics.size());
  for (size_t topic = 0; topic < orders_.size(); ++topic) sizes[topic] = orders_[topic].size();
  return sizes;
}

bool ResumeOrder::matches(const Wish& wish, uint32_t topic) const {
  if (wish.topic) return *wish.topic == topic;
  return wish.is_of_all || topic < rules_.topics_with_history;
}

void ResumeOrder::check(const ResumeSub& sub, bool has_stayed) const {
  for (const Heard& heard : sub.heard) {
    if (!has(heard.number)) fail("a message that the one who sees all did not see");
    const uint32_t topic = said_[heard.number].topic;
    if (!matches(sub.wish, topic)) fail("a message of another topic");
    check_heard(heard, orders_[topic][places_[heard.number]]);
  }
  for (uint32_t topic = 0; topic < orders_.size(); ++topic) {
    if (!matches(sub.wish, topic)) continue;
    const Piece piece = piece_of(sub, topic, has_stayed);
    try {
      check_unbroken(sub, topic, piece, has_stayed);
      check_piece(sub, topic, piece);
    } catch (const std::runtime_error& error) {
      fail(error.what() + about(sub, topic, piece));
    }
  }
}

void ResumeOrder::check_piece(const ResumeSub& sub, uint32_t topic, const Piece& piece) const {
  check_apart(sub, topic, piece);
  if (!sub.answer || !piece.is_begin_certain) return;
  check_beginning(sub, topic, piece);
  check_last_value(sub, topic, piece);
  check_all_kept_came(sub, topic, piece);
  if (!sub.wish.topic) return;
  check_position(sub, topic, piece);
  if (sub.answer->recovered == true) check_recovered(sub, topic, piece);
  if (sub.answer->recovered == false) check_not_recovered(sub, topic, piece);
}

std::string ResumeOrder::about(const ResumeSub& sub, uint32_t topic, const Piece& piece) const {
  std::string text = "\n  topic " + std::to_string(topic) + " with " +
                     std::to_string(orders_[topic].size()) + " messages, subscription " + sub.id +
                     ", form " + std::to_string(static_cast<int>(sub.form)) + ", asked for " +
                     sub.epoch + " " + std::to_string(sub.sequence);
  if (sub.wish.is_red) text += ", red";
  if (sub.wish.is_acked) text += ", acked";
  if (sub.is_ending) text += ", unsubscribed";
  if (sub.answer && sub.answer->sequence)
    text += ", told " + sub.answer->epoch + " " + std::to_string(*sub.answer->sequence);
  if (sub.answer) text += ", said " + std::to_string(said_before(*sub.answer, topic));
  text += "\n  got";
  if (piece.apart) text += " (" + std::to_string(*piece.apart) + ")";
  for (const size_t place : piece.got) text += " " + std::to_string(place);
  text += "\n  retained";
  for (size_t place = 0; place < orders_[topic].size(); ++place) {
    const Said::Retain retain = said_at(topic, place).retain;
    if (retain != Said::Retain::kNo)
      text += (retain == Said::Retain::kSet ? " " : " -") + std::to_string(place);
  }
  return text;
}

void ResumeOrder::check_heard(const Heard& heard, const Placed& placed) const {
  if (heard.sequence == 0) return;
  if (heard.sequence != placed.sequence || heard.epoch != placed.epoch) {
    fail("a MESSAGE with the position of another");
  }
}

// -- The piece.

ResumeOrder::Piece ResumeOrder::piece_of(const ResumeSub& sub, uint32_t topic,
                                         bool has_stayed) const {
  Piece piece;
  for (const Heard& heard : sub.heard) {
    if (said_[heard.number].topic == topic) piece.got.push_back(places_[heard.number]);
  }
  std::vector<size_t>& got = piece.got;
  const size_t end = orders_[topic].size();
  // One that is alone may be a last value, and nothing that was wanted was published since.
  const bool has_second = got.size() > 1 || (got.size() == 1 && has_stayed);
  const size_t second = got.size() > 1 ? got[1] : end;
  if (has_second && second != next_wanted(sub.wish, topic, got[0] + 1)) {
    piece.apart = got[0];
    got.erase(got.begin());
  }
  piece.begin = got.empty() ? end : got[0];
  piece.is_begin_certain = has_stayed || piece.apart || got.size() > 1;
  return piece;
}

void ResumeOrder::check_unbroken(const ResumeSub& sub, uint32_t topic, const Piece& piece,
                                 bool has_stayed) const {
  const std::vector<size_t>& got = piece.got;
  if (piece.begin != next_wanted(sub.wish, topic, piece.begin)) fail("not what was wanted");
  for (size_t n = 1; n < got.size(); ++n) {
    if (got[n] != next_wanted(sub.wish, topic, got[n - 1] + 1)) {
      fail("a hole, a double or another order at " + std::to_string(got[n]));
    }
  }
  const size_t end = orders_[topic].size();
  if (has_stayed && !got.empty() && next_wanted(sub.wish, topic, got.back() + 1) != end) {
    fail("the end is missing");
  }
}

size_t ResumeOrder::next_wanted(const Wish& wish, uint32_t topic, size_t from) const {
  const size_t end = orders_[topic].size();
  while (wish.is_red && from < end && !said_at(topic, from).is_red) ++from;
  return std::min(from, end);
}

void ResumeOrder::check_beginning(const ResumeSub& sub, uint32_t topic, const Piece& piece) const {
  for (size_t place = 0; place < piece.begin; ++place) {
    const bool is_due = orders_[topic][place].number >= sub.answer->said;
    if (is_due && next_wanted(sub.wish, topic, place) == place) {
      fail("a SEND behind the RECEIPT is missing");
    }
  }
}

// -- Last values.

std::optional<size_t> ResumeOrder::last_value(uint32_t topic, size_t begin) const {
  const std::vector<Placed>& order = orders_[topic];
  for (size_t place = begin; place-- > 0;) {
    // With its topic a last value is forgotten.
    if (order[place].epoch != order[begin - 1].epoch) return std::nullopt;
    const Said& said = said_at(topic, place);
    if (said.retain == Said::Retain::kSet) return place;
    if (said.retain == Said::Retain::kRemove) return std::nullopt;
  }
  return std::nullopt;
}

template <typename Holds>
bool ResumeOrder::holds_somewhere(const ResumeSub& sub, uint32_t topic, size_t begin,
                                  Holds&& holds) const {
  for (size_t place = begin;; --place) {
    if (holds(last_value(topic, place))) return true;
    if (place == 0 || next_wanted(sub.wish, topic, place - 1) == place - 1) return false;
  }
}

void ResumeOrder::check_apart(const ResumeSub& sub, uint32_t topic, const Piece& piece) const {
  if (!piece.apart) return;
  if (sub.form == ResumeForm::kNext) fail("a last value that was not asked for");
  if (sub.answer && sub.answer->recovered == true) fail("recovered:true, and a hole");
  const bool is_last_value =
      holds_somewhere(sub, topic, piece.begin,
                      [&](std::optional<size_t> last_value) { return last_value == piece.apart; });
  if (!is_last_value) fail("a hole, or not the last value");
}

void ResumeOrder::check_last_value(const ResumeSub& sub, uint32_t topic, const Piece& piece) const {
  // That of the moment of the answer; if it never changed, from the beginning of all that is kept.
  const bool wants_it =
      sub.form == ResumeForm::kPlain ||
      (sub.form == ResumeForm::kFirst &&
       last_value(topic, piece.begin) == last_value(topic, orders_[topic].size()));
  if (!wants_it || piece.apart) return;
  // The first one of an unbroken piece may be it.
  if (!piece.got.empty() && last_value(topic, piece.got[0] + 1) == piece.got[0]) return;
  const bool may_be_without =
      holds_somewhere(sub, topic, piece.begin, [&](std::optional<size_t> last_value) {
        return !last_value || next_wanted(sub.wish, topic, *last_value) != *last_value ||
               sub.answer->at - said_at(topic, *last_value).at > rules_.kept_time;
      });
  if (!may_be_without) fail("the last value did not come first");
}

// -- What is kept.

size_t ResumeOrder::said_before(const ResumeAnswer& answer, uint32_t topic) const {
  return static_cast<size_t>(std::ranges::count_if(
      orders_[topic], [&](const Placed& placed) { return placed.number < answer.said; }));
}

bool ResumeOrder::may_be_lost(const ResumeAnswer& answer, uint32_t topic, size_t place) const {
  if (topic >= rules_.topics_with_history) return true;
  if (place >= orders_[topic].size()) return false;
  const bool is_too_old = answer.at - said_at(topic, place).at > rules_.kept_time;
  return is_too_old || said_before(answer, topic) > place + rules_.kept_max;
}

void ResumeOrder::check_all_kept_came(const ResumeSub& sub, uint32_t topic,
                                      const Piece& piece) const {
  if (sub.form == ResumeForm::kPlain || sub.form == ResumeForm::kNext) return;
  size_t from = 0;
  if (sub.form == ResumeForm::kSequence) from = asked_for(sub, topic).value_or(0);
  for (size_t place = piece.begin; place-- > from;) {
    if (next_wanted(sub.wish, topic, place) != place || piece.apart == place) continue;
    if (!may_be_lost(*sub.answer, topic, place)) fail("a message that was kept is missing");
  }
}

// -- What the RECEIPT said.

std::optional<size_t> ResumeOrder::asked_for(const ResumeSub& sub, uint32_t topic) const {
  if (!sub.epoch.empty() && sub.epoch != sub.answer->epoch) return std::nullopt;
  const std::vector<Placed>& order = orders_[topic];
  const auto first = std::ranges::find(order, sub.answer->epoch, &Placed::epoch);
  return static_cast<size_t>(first - order.begin()) + sub.sequence - 1;
}

void ResumeOrder::check_position(const ResumeSub& sub, uint32_t topic, const Piece& piece) const {
  const ResumeAnswer& answer = *sub.answer;
  if (answer.recovered.has_value() != (sub.form != ResumeForm::kPlain)) fail("recovered");
  const bool is_told = sub.form != ResumeForm::kPlain || sub.wish.shows_position;
  if (answer.sequence.has_value() != is_told || answer.epoch.empty() == is_told) {
    fail("the position of a RECEIPT");
  }
  const size_t first = piece.apart.value_or(piece.begin);
  const std::vector<Placed>& order = orders_[topic];
  if (!is_told || sub.wish.is_red || first == order.size()) return;
  if (order[first].epoch != answer.epoch || order[first].sequence != *answer.sequence + 1) {
    fail("a RECEIPT with the position of another message");
  }
}

void ResumeOrder::check_recovered(const ResumeSub& sub, uint32_t topic, const Piece& piece) const {
  if (sub.form == ResumeForm::kNext) return;
  std::optional<size_t> from = asked_for(sub, topic);
  if (sub.form == ResumeForm::kFirst) {
    const auto first = std::ranges::find(orders_[topic], sub.answer->epoch, &Placed::epoch);
    from = static_cast<size_t>(first - orders_[topic].begin());
  }
  if (!from) fail("recovered:true, and the epoch is another one");
  if (piece.begin != next_wanted(sub.wish, topic, *from)) {
    fail("recovered:true, and the piece begins at " + std::to_string(piece.begin) + " and not at " +
         std::to_string(*from));
  }
}

void ResumeOrder::check_not_recovered(const ResumeSub& sub, uint32_t topic,
                                      const Piece& piece) const {
  if (sub.form == ResumeForm::kFirst) {
    const auto first = std::ranges::find(orders_[topic], sub.answer->epoch, &Placed::epoch);
    const auto from = static_cast<size_t>(first - orders_[topic].begin());
    if (!may_be_lost(*sub.answer, topic, from)) fail("recovered:false, and all was kept");
    return;
  }
  if (sub.form != ResumeForm::kSequence) fail("recovered:false to who wants what is new");
  const std::optional<size_t> from = asked_for(sub, topic);
  if (!from) {
    // A topic is forgotten when it was not used for long, and nothing of it is kept.
    const bool may_be_over = sub.answer->at - sub.known_at > rules_.kept_time;
    if (sub.is_honest && !may_be_over) fail("an epoch ended");
    return;
  }
  const bool was_never_given = !sub.is_honest && *from > sub.numbered_before[topic];
  if (was_never_given) return;
  if (!may_be_lost(*sub.answer, topic, *from)) fail("recovered:false, and all was kept");
  if (!sub.wish.is_red && piece.begin <= *from) fail("recovered:false, and nothing is missing");
}

}  // namespace stampede::sim
