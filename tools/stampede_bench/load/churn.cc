#include "tools/stampede_bench/load/churn.h"

#include <algorithm>

#include "tools/stampede_bench/load/load_thread.h"

namespace stampede::bench {

Churn::Churn(LoadThread& thread, double rate, int64_t stay_ns, int64_t start_ns)
    : thread_(thread), interval_ns_(1e9 / rate), stay_ns_(stay_ns), start_ns_(start_ns) {}

int64_t Churn::follow(int64_t now_ns) {
  const auto due_at = [this] {
    return start_ns_ + static_cast<int64_t>(static_cast<double>(came_) * interval_ns_);
  };
  while (due_at() <= now_ns) {
    const auto destination = static_cast<uint32_t>(came_++ % thread_.plan().destinations.size());
    Guest guest = {std::make_unique<LoadClient>(thread_, ClientPlan{.destination = destination},
                                                Expectation::kFromFirst),
                   now_ns + stay_ns_};
    if (guest.client->connect(thread_.next_source())) guests_.push_back(std::move(guest));
  }
  while (!guests_.empty() && guests_.front().leaves_at_ns <= now_ns) {
    let_go(guests_.front());
    guests_.pop_front();
  }
  forget_gone();
  return guests_.empty() ? due_at() : std::min(due_at(), guests_.front().leaves_at_ns);
}

void Churn::end() {
  for (Guest& guest : guests_) let_go(guest);
  guests_.clear();
  for (Guest& guest : leaving_) {
    guest.client->leave(false);
    count_lost(guest);
  }
  leaving_.clear();
}

void Churn::let_go(Guest& guest) {
  // Those that the broker let in too late to have been there count as well: that is what churn is.
  ++thread_.tally().churned;
  const bool politely = went_++ % 2 == 0 && guest.client->is_ready();
  guest.client->leave(politely);
  if (guest.client->is_gone()) return count_lost(guest);
  leaving_.push_back(std::move(guest));
}

void Churn::forget_gone() {
  while (!leaving_.empty() && leaving_.front().client->is_gone()) {
    count_lost(leaving_.front());
    leaving_.pop_front();
  }
}

void Churn::count_lost(const Guest& guest) {
  const uint64_t lost = guest.client->check().left_out();
  if (lost > 0) {
    thread_.run().note_error(std::to_string(lost) +
                             " deliveries did not come to one who stayed a while");
  }
  thread_.tally().errors.lost += lost;
}

}  // namespace stampede::bench
