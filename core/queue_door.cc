#include "core/queue_door.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "proto/base/check.h"

namespace stampede::core {

QueueDoor::~QueueDoor() {
  for (const Applicant& applicant : take_all()) {
    if (applicant.message != nullptr) applicant.message->drop_reference();
  }
}

void QueueDoor::join(Applicant applicant, Millis now) {
  if (is_empty()) came_after_ = let_in_at_ = now;
  came_after_ = std::min(came_after_, applicant.since);
  const Publisher publisher = {applicant.home, applicant.client.slot, applicant.client.generation};
  const auto [line, is_new] = lines_.try_emplace(publisher);
  line->second.applicants.push_back(std::move(applicant));
  if (is_new) turns_.push_back(line->second);
  ++size_;
}

Applicant QueueDoor::take_first(Millis now) {
  DCHECK(!is_empty());
  let_in_at_ = now;
  --size_;
  Line& line = *turns_.pop_front();
  Applicant first = std::move(line.applicants.front());
  line.applicants.pop_front();
  if (line.applicants.empty()) {
    lines_.erase({first.home, first.client.slot, first.client.generation});
  } else {
    turns_.push_back(line);
  }
  return first;
}

QueueDoor::Lines::iterator QueueDoor::take_line(Lines::iterator line,
                                                std::vector<Applicant>& taken) {
  turns_.remove(line->second);
  size_ -= line->second.applicants.size();
  std::ranges::move(line->second.applicants, std::back_inserter(taken));
  return lines_.erase(line);
}

std::vector<Applicant> QueueDoor::take_late(Millis patience, Millis now) {
  std::vector<Applicant> late;
  if (now < next_deadline(patience)) return late;
  came_after_ = now;
  for (auto line = lines_.begin(); line != lines_.end();) {
    const Millis since = line->second.applicants.front().since;
    if (now - std::max(since, let_in_at_) >= patience) {
      line = take_line(line, late);
    } else {
      came_after_ = std::min(came_after_, since);
      ++line;
    }
  }
  return late;
}

Millis QueueDoor::next_deadline(Millis patience) const {
  return is_empty() ? kNever : std::max(came_after_, let_in_at_) + patience;
}

std::vector<Applicant> QueueDoor::take_all() {
  std::vector<Applicant> all;
  for (auto line = lines_.begin(); line != lines_.end();) line = take_line(line, all);
  return all;
}

}  // namespace stampede::core
