#include "tools/stampede_bench/load/load_run.h"

namespace stampede::bench {

LoadRun::LoadRun(const LoadPlan& the_plan)
    : plan(the_plan),
      publishers(the_plan.publishers.size()),
      inboxes(the_plan.options->threads),
      live(the_plan.options->threads) {
  for (size_t index = 0; index < publishers.size(); ++index)
    flights.emplace_back(plan.flight_slots);
}

void LoadRun::note_error(std::string_view text) {
  const std::lock_guard lock(error_mutex_);
  if (first_error_.empty()) first_error_ = text;
}

std::string LoadRun::first_error() {
  const std::lock_guard lock(error_mutex_);
  return first_error_;
}

bool LoadRun::is_all_delivered() const {
  for (const PublisherState& publisher : publishers) {
    // acquire: what was delivered is counted by the thread that brought this to zero.
    if (publisher.in_flight.load(std::memory_order_acquire) != 0) return false;
  }
  return true;
}

}  // namespace stampede::bench
