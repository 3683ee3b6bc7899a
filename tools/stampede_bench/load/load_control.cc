#include "tools/stampede_bench/load/load_control.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <thread>

#include "net/clock.h"
#include "tools/stampede_bench/load/load_thread.h"
#include "tools/stampede_bench/report/progress.h"
#include "tools/stampede_bench/report/server_watch.h"

namespace stampede::bench {
namespace {

constexpr int64_t kMillisecondNs = 1'000'000;
constexpr int64_t kSecondNs = 1'000'000'000;
// How soon an interrupt and a failed set-up are noticed.
constexpr int64_t kLookNs = 50 * kMillisecondNs;
// The series over time has at most about this many steps, none shorter than kStepNsMin.
constexpr int64_t kSteps = 120;
constexpr int64_t kStepNsMin = 100 * kMillisecondNs;
// A load thread that is busier than that may have held the server back.
constexpr double kBusyLimit = 0.95;

volatile sig_atomic_t interrupts = 0;

void on_interrupt(int) { interrupts = interrupts + 1; }

void wait_until(int64_t at_ns) {
  const timespec at = {.tv_sec = at_ns / kSecondNs, .tv_nsec = at_ns % kSecondNs};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr);
}

// What the server had used at one time.
struct ServerPoint {
  int64_t at_ns = 0;
  int64_t cpu_ns = 0;
  uint64_t rss_bytes = 0;
};

// LoadControl starts the threads, watches the clock and the server, and makes the report.
class LoadControl {
 public:
  explicit LoadControl(const BenchOptions& options);
  [[nodiscard]] Result<RunReport> run();

 private:
  [[nodiscard]] bool wait_until_ready();
  void set_schedule();
  void watch_load();
  [[nodiscard]] ServerPoint look_at_server();
  void show_progress(int64_t now_ns, const ServerPoint& point);
  [[nodiscard]] RunReport report();
  void add_series(RunReport& report);
  void add_figures(RunReport& report);

  const BenchOptions& options_;
  const LoadPlan plan_;
  LoadRun run_;
  std::deque<LoadThread> threads_;
  std::optional<ServerWatch> server_;
  Progress progress_;
  ServerPoint before_;               // no connection yet
  ServerPoint ready_;                // all connected and subscribed
  std::vector<ServerPoint> points_;  // at the ends of steps, the first at the window's beginning
  uint64_t rss_peak_bytes_ = 0;
  int64_t shown_at_ns_ = 0;
  uint64_t shown_delivered_ = 0;
  uint64_t shown_published_ = 0;
  int64_t shown_cpu_ns_ = 0;
};

LoadControl::LoadControl(const BenchOptions& options)
    : options_(options),
      plan_(make_plan(options)),
      run_(plan_),
      progress_(STDERR_FILENO, static_cast<double>(options.duration_ms) / 1e3) {
  for (uint32_t id = 0; id < options.threads; ++id) threads_.emplace_back(run_, id);
  if (options.server_pid != 0) server_.emplace(options.server_pid);
}

Result<RunReport> LoadControl::run() {
  if (server_ && !server_->is_alive())
    return std::unexpected("there is no process " + std::to_string(options_.server_pid));
  struct sigaction action = {};
  action.sa_handler = on_interrupt;
  action.sa_flags = SA_RESETHAND;  // the second one ends it as it would any program
  sigaction(SIGINT, &action, nullptr);
  before_ = look_at_server();
  std::vector<std::jthread> runners;
  for (LoadThread& thread : threads_) runners.emplace_back([&thread] { thread.run_to_end(); });
  const bool was_ready = wait_until_ready();
  if (was_ready) {
    set_schedule();
    watch_load();
  }
  runners.clear();
  progress_.erase();
  if (!was_ready) {
    std::string error = run_.first_error();
    return std::unexpected(error.empty() ? "interrupted before all were connected" : error);
  }
  return report();
}

bool LoadControl::wait_until_ready() {
  while (true) {
    uint64_t ready = 0;
    // relaxed: counts that only grow.
    for (const LoadRun::Live& live : run_.live) ready += live.ready.load(std::memory_order_relaxed);
    if (ready >= plan_.client_count()) break;
    if (interrupts > 0) run_.is_stopped.store(true, std::memory_order_relaxed);
    if (run_.is_stopped.load(std::memory_order_relaxed)) return false;
    wait_until(net::monotonic_ns() + kLookNs / 10);
  }
  ready_ = look_at_server();
  return true;
}

void LoadControl::set_schedule() {
  Schedule& schedule = run_.schedule;
  schedule.start = net::monotonic_ns() + options_.settle_ms * kMillisecondNs + kMillisecondNs;
  schedule.measure_from = schedule.start + options_.warm_up_ms * kMillisecondNs;
  schedule.measure_to = schedule.measure_from + options_.duration_ms * kMillisecondNs;
  schedule.drain_until = schedule.measure_to + options_.drain_ms * kMillisecondNs;
  // A whole number of steps fills the window.
  const int64_t window = schedule.measure_to - schedule.measure_from;
  const int64_t steps = std::max<int64_t>(1, std::min(kSteps, window / kStepNsMin));
  schedule.step = window / steps;
  schedule.measure_to = schedule.measure_from + steps * schedule.step;
  // release: the threads read the schedule after they have seen this.
  run_.is_scheduled.store(true, std::memory_order_release);
}

void LoadControl::watch_load() {
  const Schedule& schedule = run_.schedule;
  int64_t next = schedule.measure_from;
  while (next <= schedule.measure_to) {
    const int64_t now = net::monotonic_ns();
    if (now < next) {
      wait_until(std::min(next, now + kLookNs));
      if (interrupts > 0) run_.is_stopped.store(true, std::memory_order_relaxed);
      if (run_.is_stopped.load(std::memory_order_relaxed)) return;
      continue;
    }
    points_.push_back(look_at_server());
    show_progress(now, points_.back());
    next += schedule.step;
  }
}

ServerPoint LoadControl::look_at_server() {
  ServerPoint point = {.at_ns = net::monotonic_ns()};
  if (!server_) return point;
  point.cpu_ns = server_->cpu_ns();
  point.rss_bytes = server_->rss_bytes();
  rss_peak_bytes_ = std::max(rss_peak_bytes_, point.rss_bytes);
  return point;
}

void LoadControl::show_progress(int64_t now_ns, const ServerPoint& point) {
  ReportSample sample;
  sample.at_s = static_cast<double>(now_ns - run_.schedule.measure_from) / 1e9;
  sample.seconds = static_cast<double>(now_ns - shown_at_ns_) / 1e9;
  uint64_t delivered = 0;
  uint64_t published = 0;
  for (const LoadRun::Live& live : run_.live) {
    // relaxed: for the eyes only.
    const int64_t p50_ns = live.latency_p50_ns.load(std::memory_order_relaxed);
    const int64_t p99_ns = live.latency_p99_ns.load(std::memory_order_relaxed);
    delivered += live.delivered.load(std::memory_order_relaxed);
    published += live.published.load(std::memory_order_relaxed);
    sample.latency_p50_ns = std::max(sample.latency_p50_ns, p50_ns);
    sample.latency_p99_ns = std::max(sample.latency_p99_ns, p99_ns);
  }
  sample.delivered = delivered - shown_delivered_;
  sample.published = published - shown_published_;
  sample.server_cpu = static_cast<double>(point.cpu_ns - shown_cpu_ns_) / 1e9 / sample.seconds;
  sample.server_rss_bytes = point.rss_bytes;
  const bool is_first = shown_at_ns_ == 0;
  if (!is_first && now_ns - shown_at_ns_ < kSecondNs) return;
  shown_at_ns_ = now_ns;
  shown_delivered_ = delivered;
  shown_published_ = published;
  shown_cpu_ns_ = point.cpu_ns;
  if (!is_first) progress_.show(sample);
}

// -- The report.

RunReport LoadControl::report() {
  RunReport report;
  report.scenario = to_string(options_.scenario);
  report.url = options_.url;
  // Those that every thread completed: an interrupt cuts one short.
  size_t steps = SIZE_MAX;
  for (LoadThread& thread : threads_) steps = std::min(steps, thread.tally().steps.size());
  int64_t busiest_ns = 0;
  for (LoadThread& thread : threads_) {
    const ThreadTally& tally = thread.tally();
    int64_t cpu_ns = 0;
    for (size_t index = 0; index < steps; ++index) {
      const TallyStep& step = tally.steps[index];
      report.published += step.published;
      report.delivered += step.delivered;
      report.latency.merge(step.latency);
      cpu_ns += step.cpu_ns;
    }
    report.completion.merge(tally.completion);
    report.errors.add(tally.errors);
    busiest_ns = std::max(busiest_ns, cpu_ns);
  }
  report.seconds = static_cast<double>(static_cast<int64_t>(steps) * run_.schedule.step) / 1e9;
  report.first_error = run_.first_error();
  if (report.seconds > 0) report.load_cpu = static_cast<double>(busiest_ns) / 1e9 / report.seconds;
  report.load_was_limit = report.load_cpu > kBusyLimit;
  if (server_ && points_.size() > 1) {
    const ServerPoint& last = points_[std::min(steps, points_.size() - 1)];
    report.server = ServerUse{.cpu_ns = last.cpu_ns - points_.front().cpu_ns,
                              .rss_before_bytes = before_.rss_bytes,
                              .rss_bytes = last.rss_bytes,
                              .rss_peak_bytes = rss_peak_bytes_};
  }
  add_series(report);
  add_figures(report);
  return report;
}

void LoadControl::add_series(RunReport& report) {
  for (size_t index = 0;; ++index) {
    ReportSample sample;
    Histogram latency;
    int64_t busiest_ns = 0;
    for (LoadThread& thread : threads_) {
      if (index >= thread.tally().steps.size()) return;
      const TallyStep& step = thread.tally().steps[index];
      sample.published += step.published;
      sample.delivered += step.delivered;
      latency.merge(step.latency);
      busiest_ns = std::max(busiest_ns, step.cpu_ns);
    }
    sample.seconds = static_cast<double>(run_.schedule.step) / 1e9;
    sample.at_s = static_cast<double>(index + 1) * sample.seconds;
    sample.latency_p50_ns = latency.value_at(50);
    sample.latency_p99_ns = latency.value_at(99);
    sample.load_cpu = static_cast<double>(busiest_ns) / 1e9 / sample.seconds;
    if (index + 1 < points_.size()) {
      const ServerPoint& from = points_[index];
      const ServerPoint& to = points_[index + 1];
      sample.server_cpu = static_cast<double>(to.cpu_ns - from.cpu_ns) /
                          static_cast<double>(std::max<int64_t>(1, to.at_ns - from.at_ns));
      sample.server_rss_bytes = to.rss_bytes;
    }
    report.series.push_back(sample);
  }
}

void LoadControl::add_figures(RunReport& report) {
  Histogram connect;
  uint64_t churned = 0;
  for (LoadThread& thread : threads_) {
    connect.merge(thread.tally().connect);
    churned += thread.tally().churned;
  }
  const auto add = [&report](const char* name, double value) {
    report.figures.push_back({name, value});
  };
  add("connect_p50_us", static_cast<double>(connect.value_at(50)) / 1e3);
  add("connect_p99_us", static_cast<double>(connect.value_at(99)) / 1e3);
  if (options_.scenario == Scenario::kChurn) add("churned", static_cast<double>(churned));
  if (!server_) return;
  const auto clients = static_cast<double>(plan_.client_count());
  add("rss_per_connection_bytes",
      (static_cast<double>(ready_.rss_bytes) - static_cast<double>(before_.rss_bytes)) / clients);
  add("connect_cpu_us", static_cast<double>(ready_.cpu_ns - before_.cpu_ns) / 1e3 / clients);
  if (options_.scenario == Scenario::kChurn && points_.size() > 1) {
    add("rss_growth_bytes", static_cast<double>(points_.back().rss_bytes) -
                                static_cast<double>(points_.front().rss_bytes));
  }
}

}  // namespace

Result<RunReport> run_load(const BenchOptions& options) { return LoadControl(options).run(); }

}  // namespace stampede::bench
