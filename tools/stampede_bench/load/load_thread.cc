#include "tools/stampede_bench/load/load_thread.h"

#include <algorithm>

#include "net/clock.h"
#include "tools/stampede_bench/report/server_watch.h"

namespace stampede::bench {
namespace {

constexpr int64_t kMillisecondNs = 1'000'000;
// How often a thread that has nothing to do looks at what the others did.
constexpr int64_t kLookNs = 10 * kMillisecondNs;
// What the brokers' answers to DISCONNECT get.
constexpr int64_t kLeaveNs = 200 * kMillisecondNs;
// Who has that much to send waits with the next message: else a broker that takes less than the
// schedule gives would have it all pile up here.
constexpr size_t kUnsentBytesMax = size_t{8} << 20;

}  // namespace

LoadThread::LoadThread(LoadRun& run, uint32_t id)
    : run_(run),
      id_(id),
      options_(*run.plan.options),
      body_(options_.body_bytes),
      publisher_clients_(run.plan.publishers.size()),
      is_window_open_(run.plan.publishers.size()) {}

void LoadThread::run_to_end() {
  if (!prepare() || !connect_all() || !wait_for_schedule()) {
    give_up_set_up();
    return leave_all();
  }
  load();
  drain();
  wait_until_gone();
  count_lost();
  leave_all();
}

bool LoadThread::prepare() {
  for (const std::string& ip : options_.source_ips) {
    auto source = net::resolve(ip, 0);
    if (!source) {
      run_.note_error(source.error());
      return false;
    }
    sources_.push_back(*source);
  }
  auto loop = LoadLoop::create(options_.target);
  if (!loop) {
    run_.note_error(loop.error());
    return false;
  }
  loop_ = std::move(*loop);
  loop_->watch(run_.inboxes[id_].wakeup.fd());

  const Expectation expectation = plan().is_queue ? Expectation::kSome : Expectation::kAll;
  for (const ClientPlan& client : plan().clients[id_]) {
    clients_.emplace_back(*this, client, expectation);
    if (client.publisher == kNobody) continue;
    publisher_clients_[client.publisher] = &clients_.back();
    own_publishers_.push_back(client.publisher);
  }
  if (!plan().is_queue)
    delivered_here_.assign(plan().publishers.size(), std::vector<uint32_t>(plan().flight_slots));
  if (options_.rate > 0 && !own_publishers_.empty()) {
    interval_ns_ = 1e9 / options_.rate * static_cast<double>(plan().publishers.size()) /
                   static_cast<double>(own_publishers_.size());
  }
  return true;
}

const net::SocketAddress* LoadThread::next_source() {
  if (sources_.empty()) return nullptr;
  return &sources_[sources_taken_++ % sources_.size()];
}

bool LoadThread::connect_all() {
  const int64_t give_up_at = net::monotonic_ns() + options_.set_up_ms * kMillisecondNs;
  size_t connected = 0;
  while (ready_ < clients_.size()) {
    while (connected < clients_.size() && connected - ready_ < options_.connect_parallel) {
      if (!clients_[connected++].connect(next_source())) return false;
    }
    loop_->turn(loop_->now_ns() + kLookNs);
    // relaxed: for the eyes only.
    run_.live[id_].ready.store(ready_, std::memory_order_relaxed);
    // relaxed: an order to leave, nothing more.
    if (run_.is_stopped.load(std::memory_order_relaxed)) return false;
    if (loop_->now_ns() > give_up_at) {
      run_.note_error("only " + std::to_string(ready_) + " of " + std::to_string(clients_.size()) +
                      " clients were connected and subscribed in time");
      ++tally_.errors.refused;
      return false;
    }
  }
  return true;
}

bool LoadThread::wait_for_schedule() {
  // acquire: the schedule was written before.
  while (!run_.is_scheduled.load(std::memory_order_acquire)) {
    if (run_.is_stopped.load(std::memory_order_relaxed)) return false;
    loop_->turn(loop_->now_ns() + kMillisecondNs);
  }
  return true;
}

// -- Under load.

void LoadThread::load() {
  const Schedule& schedule = run_.schedule;
  if (options_.scenario == Scenario::kChurn && id_ == 0) {
    churn_ = std::make_unique<Churn>(*this, options_.churn_rate,
                                     options_.churn_stay_ms * kMillisecondNs, schedule.start);
  }
  for (const uint32_t publisher : own_publishers_) note_window_open(publisher);
  while (loop_->now_ns() < schedule.start) loop_->turn(schedule.start);
  has_begun_ = true;
  while (true) {
    const int64_t now = loop_->now_ns();
    follow_schedule(now);
    if (now >= schedule.measure_to || run_.is_stopped.load(std::memory_order_relaxed)) break;
    int64_t until = tally_.is_measuring ? step_ends_at_ : schedule.measure_from;
    if (interval_ns_ > 0) {
      until = std::min(until, publish_on_schedule(now));
    } else {
      publish_in_window();
    }
    if (churn_) until = std::min(until, churn_->follow(now));
    turn(until);
  }
  if (churn_) churn_->end();
}

void LoadThread::drain() {
  // release: what was published is counted.
  run_.done_publishing.fetch_add(1, std::memory_order_release);
  const auto is_over = [this] {
    // acquire: then the counts of what was published are final.
    return run_.done_publishing.load(std::memory_order_acquire) == options_.threads &&
           run_.is_all_delivered();
  };
  // Earlier than planned after an interrupt.
  const int64_t until =
      std::min(run_.schedule.drain_until, loop_->now_ns() + options_.drain_ms * kMillisecondNs);
  while (!is_over() && loop_->now_ns() < until) turn(loop_->now_ns() + kMillisecondNs);
}

// What still comes until the broker has closed is neither lost nor unseen.
void LoadThread::wait_until_gone() {
  for (LoadClient& client : clients_) client.leave(true);
  const int64_t until = loop_->now_ns() + kLeaveNs;
  const auto is_gone = [](const LoadClient& client) { return client.is_gone(); };
  while (loop_->now_ns() < until && !std::ranges::all_of(clients_, is_gone)) turn(until);
}

void LoadThread::count_lost() {
  uint64_t lost = 0;
  for (const LoadClient& client : clients_) {
    if (!client.subscribes() || plan().is_queue) continue;
    lost += client.check().left_out();
    const auto [first, count] = plan().publishers_to(client.destination());
    for (uint32_t publisher = first; publisher < first + count; ++publisher)
      lost += client.check().outstanding(publisher, published_by(publisher));
  }
  // Of a queue nobody in particular lacks a message: its publisher knows.
  for (const uint32_t publisher : own_publishers_) {
    // relaxed: is_over() ordered it, or time is up and an estimate must do.
    if (plan().is_queue)
      lost += run_.publishers[publisher].in_flight.load(std::memory_order_relaxed);
  }
  if (lost > 0) run_.note_error(std::to_string(lost) + " deliveries did not come");
  tally_.errors.lost += lost;
}

void LoadThread::leave_all() {
  if (!loop_) return;
  for (LoadClient& client : clients_) client.leave(false);
  clients_.clear();
  loop_.reset();
}

void LoadThread::turn(int64_t until_ns) {
  LoadRun::Inbox& inbox = run_.inboxes[id_];
  inbox.wakeup.prepare_sleep();
  // relaxed: prepare_sleep() fenced it.
  if (inbox.has_some.load(std::memory_order_relaxed)) until_ns = 0;
  loop_->turn(until_ns);
  inbox.wakeup.finish_sleep();
  if (loop_->was_woken()) inbox.wakeup.consume();
  take_inbox();
  LoadRun::Live& live = run_.live[id_];
  // relaxed: for the eyes only.
  live.delivered.store(tally_.delivered_in_all, std::memory_order_relaxed);
  live.published.store(tally_.published_in_all, std::memory_order_relaxed);
}

void LoadThread::follow_schedule(int64_t now_ns) {
  const Schedule& schedule = run_.schedule;
  if (!tally_.is_measuring) {
    if (now_ns < schedule.measure_from) return;
    tally_.is_measuring = true;
    step_ends_at_ = schedule.measure_from + schedule.step;
    step_cpu_ns_ = thread_cpu_ns();
  }
  while (now_ns >= step_ends_at_ && step_ends_at_ <= schedule.measure_to) {
    const int64_t cpu_ns = thread_cpu_ns();
    tally_.step.cpu_ns = cpu_ns - std::exchange(step_cpu_ns_, cpu_ns);
    tally_.step.ends_at_ns = step_ends_at_;
    const Histogram& latency = tally_.step.latency;
    // relaxed: for the eyes only.
    run_.live[id_].latency_p50_ns.store(latency.value_at(50), std::memory_order_relaxed);
    run_.live[id_].latency_p99_ns.store(latency.value_at(99), std::memory_order_relaxed);
    tally_.steps.push_back(std::exchange(tally_.step, {}));
    step_ends_at_ += schedule.step;
  }
  if (now_ns >= schedule.measure_to) tally_.is_measuring = false;
}

// -- Publishing.

int64_t LoadThread::publish_on_schedule(int64_t now_ns) {
  const auto due_at = [this] {
    return run_.schedule.start +
           static_cast<int64_t>(static_cast<double>(scheduled_) * interval_ns_);
  };
  // What has no room in flight waits, and its latency counts from when it was due all the same.
  while (due_at() <= now_ns) {
    if (!publish_one(own_publishers_[scheduled_ % own_publishers_.size()], due_at()))
      return now_ns + kMillisecondNs;
    ++scheduled_;
  }
  return due_at();
}

void LoadThread::publish_in_window() {
  const uint32_t burst = std::min(options_.burst, plan().window_each);
  const int64_t now = net::monotonic_ns();
  for (const uint32_t publisher : std::exchange(open_windows_, {})) {
    is_window_open_[publisher] = false;
    const auto& in_flight = run_.publishers[publisher].in_flight;
    // relaxed: what ends later opens the window again.
    bool has_slot = true;
    while (has_slot && in_flight.load(std::memory_order_relaxed) <= plan().window_each - burst) {
      for (uint32_t count = 0; count < burst && has_slot; ++count)
        has_slot = publish_one(publisher, now);
    }
    if (!has_slot) note_window_open(publisher);
  }
}

bool LoadThread::publish_one(uint32_t publisher, int64_t intended_ns) {
  LoadRun::PublisherState& state = run_.publishers[publisher];
  // relaxed: only this thread writes it.
  const uint64_t number = state.published.load(std::memory_order_relaxed);
  const uint32_t destination = plan().publishers[publisher].destination_of(number);
  const uint32_t waiting = plan().waiting_threads[destination];
  if (publisher_clients_[publisher]->unsent_bytes() > kUnsentBytesMax) return false;
  if (!run_.flights[publisher].try_begin(number, intended_ns, waiting)) return false;
  // relaxed: counts; what they count is ordered by the flight.
  if (waiting > 0) state.in_flight.fetch_add(1, std::memory_order_relaxed);
  state.published.store(number + 1, std::memory_order_relaxed);
  publisher_clients_[publisher]->publish({publisher, number});
  ++tally_.published_in_all;
  if (tally_.is_measuring) ++tally_.step.published;
  return true;
}

void LoadThread::note_window_open(uint32_t publisher) {
  if (is_window_open_[publisher]) return;
  is_window_open_[publisher] = true;
  open_windows_.push_back(publisher);
}

void LoadThread::take_inbox() {
  LoadRun::Inbox& inbox = run_.inboxes[id_];
  // relaxed: a look; the mutex orders what follows.
  if (!inbox.has_some.load(std::memory_order_relaxed)) return;
  const std::lock_guard lock(inbox.mutex);
  for (const uint32_t publisher : inbox.publishers) note_window_open(publisher);
  inbox.publishers.clear();
  inbox.has_some.store(false, std::memory_order_relaxed);
}

// -- What clients tell.

void LoadThread::note_ready() { ++ready_; }

void LoadThread::note_refused(std::string_view reason) {
  ++tally_.errors.refused;
  run_.note_error("refused: " + std::string(reason));
  give_up_set_up();
}

void LoadThread::give_up_set_up() {
  // relaxed: an order to leave, nothing more.
  if (!has_begun_) run_.is_stopped.store(true, std::memory_order_relaxed);
}

uint64_t LoadThread::published_by(uint32_t publisher) const {
  if (publisher >= run_.publishers.size()) return 0;
  // relaxed: it was counted before it was sent, and who asks has received it.
  return run_.publishers[publisher].published.load(std::memory_order_relaxed);
}

bool LoadThread::was_delivered(const Stamp& stamp) const {
  return stamp.number < published_by(stamp.publisher) &&
         !run_.flights[stamp.publisher].is_in_flight(stamp.number);
}

void LoadThread::count_delivery(const Stamp& stamp, uint32_t destination) {
  Flight& flight = run_.flights[stamp.publisher];
  const int64_t intended_ns = flight.intended_ns(stamp.number);
  const bool was_awaited =
      plan().is_queue ? flight.try_end_only(stamp.number) : flight.is_in_flight(stamp.number);
  if (!was_awaited) {
    ++tally_.errors.duplicated;
    return;
  }
  ++tally_.delivered_in_all;
  if (tally_.is_measuring) {
    ++tally_.step.delivered;
    tally_.step.latency.record(loop_->now_ns() - intended_ns);
  }
  if (plan().is_queue) return note_completed(stamp, intended_ns);
  uint32_t& delivered = delivered_here_[stamp.publisher][flight.slot_of(stamp.number)];
  if (++delivered < plan().subscribers[id_][destination]) return;
  delivered = 0;
  if (flight.end_one(stamp.number)) note_completed(stamp, intended_ns);
}

void LoadThread::note_completed(const Stamp& stamp, int64_t intended_ns) {
  if (tally_.is_measuring) tally_.completion.record(loop_->now_ns() - intended_ns);
  // release: see LoadRun::is_all_delivered().
  run_.publishers[stamp.publisher].in_flight.fetch_sub(1, std::memory_order_release);
  if (options_.rate > 0) return;
  const uint32_t home = plan().publishers[stamp.publisher].thread;
  if (home == id_) return note_window_open(stamp.publisher);
  LoadRun::Inbox& inbox = run_.inboxes[home];
  {
    const std::lock_guard lock(inbox.mutex);
    inbox.publishers.push_back(stamp.publisher);
    inbox.has_some.store(true, std::memory_order_relaxed);
  }
  inbox.wakeup.wake();
}

}  // namespace stampede::bench
