#include "tests/net/ring_faults.h"

#include <liburing.h>

#include <algorithm>
#include <memory>

#include "proto/base/check.h"
#include "tests/net/faulty_ring.h"

namespace stampede::net {
namespace {

// The one that is in force, and the rings that were made under it.
struct Registry {
  std::mutex mutex;
  RingFaults* faults = nullptr;
  size_t rings_made = 0;
  std::unordered_map<const io_uring*, std::unique_ptr<FaultyRing>> rings;
};

Registry& registry() {
  static Registry instance;
  return instance;
}

// Null: made before there were faults.
FaultyRing* find(const io_uring* ring) {
  const std::lock_guard lock(registry().mutex);
  const auto it = registry().rings.find(ring);
  return it == registry().rings.end() ? nullptr : it->second.get();
}

}  // namespace

const char* to_string(Fault fault) {
  constexpr std::array<const char*, static_cast<size_t>(Fault::kCount)> kNames = {
      "short send",        "send retry",       "send failed",   "send scribbled", "short receive",
      "single receive",    "no buffers",       "receive retry", "receive failed", "single accept",
      "accept retry",      "accept exhausted", "single poll",   "lost cancel",    "late completion",
      "enter interrupted", "enter refused"};
  return kNames[static_cast<size_t>(fault)];
}

RingFaults::RingFaults(uint64_t seed) : seed_(seed) {
  const std::lock_guard lock(registry().mutex);
  CHECK(registry().faults == nullptr);
  registry().faults = this;
  registry().rings_made = 0;
}

RingFaults::~RingFaults() {
  const std::lock_guard lock(registry().mutex);
  CHECK(registry().rings.empty());
  registry().faults = nullptr;
}

void RingFaults::set(Fault fault, Rule rule) {
  State& state = states_[static_cast<size_t>(fault)];
  // relaxed: see happens().
  state.value.store(rule.value, std::memory_order_relaxed);
  state.times_left.store(rule.times, std::memory_order_relaxed);
  state.skips_left.store(rule.skip, std::memory_order_relaxed);
  state.one_in.store(rule.one_in, std::memory_order_relaxed);
}

void RingFaults::clear_all() {
  for (size_t fault = 0; fault < states_.size(); ++fault) clear(static_cast<Fault>(fault));
}

uint64_t RingFaults::count(Fault fault) const {
  return states_[static_cast<size_t>(fault)].count.load(std::memory_order_relaxed);
}

bool RingFaults::take(State& state, int* value) {
  if (take_one(state.skips_left) || !take_one(state.times_left)) return false;
  // relaxed: see happens().
  if (value != nullptr) *value = state.value.load(std::memory_order_relaxed);
  state.count.fetch_add(1, std::memory_order_relaxed);
  return true;
}

bool RingFaults::take_one(std::atomic<uint64_t>& left) {
  // relaxed: each ring that takes one gets one of its own, which is all that counts.
  uint64_t now = left.load(std::memory_order_relaxed);
  while (now != 0) {
    if (left.compare_exchange_weak(now, now - 1, std::memory_order_relaxed)) return true;
  }
  return false;
}

void RingFaults::set_ring_sizes(unsigned submissions, unsigned completions) {
  const std::lock_guard lock(mutex_);
  submissions_ = submissions;
  completions_ = completions;
}

void RingFaults::apply_sizes(unsigned& submissions, unsigned& completions) const {
  const std::lock_guard lock(mutex_);
  if (submissions_ != 0) submissions = submissions_;
  if (completions_ != 0) completions = completions_;
}

void RingFaults::stall(size_t ring) {
  const std::lock_guard lock(mutex_);
  stalled_ring_ = ring;
}

void RingFaults::wait_until_stalled() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return is_stalled_; });
}

void RingFaults::resume() {
  const std::lock_guard lock(mutex_);
  stalled_ring_ = SIZE_MAX;
  changed_.notify_all();
}

void RingFaults::stay_if_stalled(size_t ring) {
  std::unique_lock lock(mutex_);
  if (stalled_ring_ != ring) return;
  is_stalled_ = true;
  changed_.notify_all();
  changed_.wait(lock, [this, ring] { return stalled_ring_ != ring; });
  is_stalled_ = false;
}

std::vector<std::string> RingFaults::violations() const {
  const std::lock_guard lock(mutex_);
  return {violations_.begin(), violations_.end()};
}

void RingFaults::violation(const std::string& what) {
  const std::lock_guard lock(mutex_);
  violations_.insert(what);
}

void RingFaults::begin_operation(int fd) {
  const std::lock_guard lock(mutex_);
  ++operations_[fd];
}

void RingFaults::end_operation(int fd) {
  const std::lock_guard lock(mutex_);
  const auto it = operations_.find(fd);
  if (it != operations_.end() && --it->second == 0) operations_.erase(it);
}

void RingFaults::on_close(int fd) {
  const std::lock_guard lock(mutex_);
  if (operations_.erase(fd) > 0)
    violations_.insert("a descriptor is closed with an operation under way");
}

}  // namespace stampede::net

// -- What the linker calls instead of liburing and of close().

using stampede::net::FaultyRing;
using stampede::net::find;
using stampede::net::registry;

extern "C" {

int __real_io_uring_queue_init_params(unsigned entries, io_uring* ring, io_uring_params* params);
void __real_io_uring_queue_exit(io_uring* ring);
int __real_io_uring_submit_and_get_events(io_uring* ring);
int __real_io_uring_submit_and_wait_timeout(io_uring* ring, io_uring_cqe** cqe, unsigned wait_for,
                                            __kernel_timespec* timeout, sigset_t* mask);
int __real_close(int fd);

int __wrap_io_uring_queue_init_params(unsigned entries, io_uring* ring, io_uring_params* params) {
  const std::lock_guard lock(registry().mutex);
  if (registry().faults != nullptr) registry().faults->apply_sizes(entries, params->cq_entries);
  const int error = __real_io_uring_queue_init_params(entries, ring, params);
  if (error == 0 && registry().faults != nullptr) {
    registry().rings[ring] =
        std::make_unique<FaultyRing>(*registry().faults, *ring, registry().rings_made++);
  }
  return error;
}

void __wrap_io_uring_queue_exit(io_uring* ring) {
  {
    const std::lock_guard lock(registry().mutex);
    registry().rings.erase(ring);
  }
  __real_io_uring_queue_exit(ring);
}

int __wrap_io_uring_submit_and_get_events(io_uring* ring) {
  FaultyRing* const faulty = find(ring);
  return faulty != nullptr ? faulty->submit() : __real_io_uring_submit_and_get_events(ring);
}

int __wrap_io_uring_submit_and_wait_timeout(io_uring* ring, io_uring_cqe** cqe, unsigned wait_for,
                                            __kernel_timespec* timeout, sigset_t* mask) {
  FaultyRing* const faulty = find(ring);
  return faulty != nullptr
             ? faulty->submit_and_wait(cqe, wait_for, timeout, mask)
             : __real_io_uring_submit_and_wait_timeout(ring, cqe, wait_for, timeout, mask);
}

int __wrap_close(int fd) {
  {
    const std::lock_guard lock(registry().mutex);
    if (registry().faults != nullptr) registry().faults->on_close(fd);
  }
  return __real_close(fd);
}

}  // extern "C"
