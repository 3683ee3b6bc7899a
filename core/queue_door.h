#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "core/envelope.h"
#include "core/intrusive_list.h"
#include "core/message.h"
#include "core/shard_types.h"

namespace stampede::core {

// A SEND, or a COMMIT on its way from queue to queue, that asks for room in one.
//
// Owns:      one reference of the message, by convention: who takes the applicant drops it or
//            passes it on.
struct Applicant {
  ShardId home = 0;
  ClientRef client = {};
  size_t messages = 1;
  size_t bytes = 0;
  Millis since = 0;  // when it came to the first queue that had no room
  // Of a SEND.
  Message* message = nullptr;
  uint32_t ticket = 0;
  // Of a COMMIT: what it needs of this owner, how many of these rooms it has, and which COMMIT of
  // its home it is.
  std::unique_ptr<Reservation> reservation = nullptr;
  size_t rooms_taken = 0;
  uint64_t token = 0;
};

// QueueDoor is where those wait that a full queue has no room for: each publisher's in the order in
// which they came, and the publishers in turn, so that who brought a thousand waits no less than
// who brought one. It knows no clock.
//
// Owns:      its applicants. Thread: owner shard.
// Invariant: whose publisher has not been let in or turned away wholly stands behind what that one
//            brought before.
class QueueDoor {
 public:
  QueueDoor() = default;
  ~QueueDoor();
  QueueDoor(const QueueDoor&) = delete;
  QueueDoor& operator=(const QueueDoor&) = delete;

  [[nodiscard]] bool is_empty() const { return lines_.empty(); }
  [[nodiscard]] size_t size() const { return size_; }
  void join(Applicant applicant, Millis now);

  // The one whose turn it is. Requires: not empty.
  [[nodiscard]] const Applicant& first() const { return turns_.front()->applicants.front(); }
  // Its publisher's next turn comes behind the others'.
  [[nodiscard]] Applicant take_first(Millis now);

  // Takes out all of each publisher whose first has waited for so long while nobody was let in: a
  // queue that moves is worth waiting for.
  [[nodiscard]] std::vector<Applicant> take_late(Millis patience, Millis now);
  // When to call take_late(), at the latest; kNever if nobody waits.
  [[nodiscard]] Millis next_deadline(Millis patience) const;
  [[nodiscard]] std::vector<Applicant> take_all();

 private:
  struct Publisher {
    ShardId home;
    uint32_t slot;
    uint32_t generation;
    auto operator<=>(const Publisher&) const = default;
  };
  struct Line {
    std::deque<Applicant> applicants;  // never empty
    ListLink<Line> turn;
  };
  using Lines = std::map<Publisher, Line>;

  Lines::iterator take_line(Lines::iterator line, std::vector<Applicant>& taken);

  Lines lines_;
  IntrusiveList<Line, &Line::turn> turns_;
  size_t size_ = 0;
  // Nobody who waits came before the one, and nobody was let in since the other.
  Millis came_after_ = 0;
  Millis let_in_at_ = 0;
};

}  // namespace stampede::core
