#include "net/server.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "net/clock.h"
#include "net/cpus.h"
#include "net/listeners.h"
#include "net/memory_size.h"
#include "net/node.h"
#include "net/shard_thread.h"
#include "proto/base/check.h"

namespace stampede::net {
namespace {

// Descriptors that are not connections: rings, listeners, eventfds, log, admin.
constexpr uint64_t kDescriptorReserve = 256;

// Who leaves within so long leaves together: nobody waits for a goodbye, and no message is
// acknowledged that some who were there a moment ago have missed.
constexpr core::Millis kTogetherMs = 1'000;

// A mobile network may be gone for half a minute and come back.
constexpr int64_t kUserTimeoutMsMin = 30'000;

// Of the memory that the process may use, where no limit is given. The kernel needs some for the
// sockets, and what was freed stays with the allocator for a while.
constexpr double kMemoryPart = 0.8;

// A turn takes milliseconds; whoever waits longer for a shard's answer asks in vain.
constexpr std::chrono::seconds kAnswerPatience{2};

uint64_t random_boot_id() {
  uint64_t id = 0;
  while (id == 0) {
    if (getrandom(&id, sizeof(id), 0) != sizeof(id)) id = static_cast<uint64_t>(monotonic_ns());
  }
  return id;
}

core::HashKey random_secret() {
  core::HashKey key = {};
  // So few octets are never refused, nor given in part.
  CHECK(getrandom(&key, sizeof(key), 0) == sizeof(key));
  return key;
}

Result<std::vector<int>> choose_cpus(const ServerOptions& options, core::ShardId shards,
                                     unsigned cores) {
  const std::vector<int> usable = usable_cpus();
  for (const int cpu : options.cpus) {
    if (!std::ranges::binary_search(usable, cpu)) {
      return std::unexpected("CPU " + std::to_string(cpu) +
                             " (--cpus) is not one that this process may use");
    }
  }
  const std::vector<int>& cpus = options.cpus.empty() ? usable : options.cpus;
  const bool is_wanted =
      options.pin == Pin::kOn || (options.pin == Pin::kAuto && shards <= cpus.size() &&
                                  (shards <= cores || !options.cpus.empty()));
  return is_wanted ? cpus : std::vector<int>{};
}

}  // namespace

std::string BoundListener::uri() const {
  return std::string(scheme_of(transport)) + "://" + host_port_text(host, port);
}

uint64_t raise_descriptor_limit() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  const rlim_t before = std::exchange(limit.rlim_cur, limit.rlim_max);
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = before;
  return limit.rlim_cur;
}

Server::Server() = default;

Server::~Server() {
  if (node_ == nullptr) return;
  stop_now();
  wait();
}

Result<std::unique_ptr<Server>> Server::start(ServerOptions options, core::Options core_options,
                                              InheritedSockets inherited) {
  const unsigned cores = usable_cores();
  const core::ShardId shards =
      options.shards == 0 ? std::min(cores, core::kShardsMax) : options.shards;
  if (shards > core::kShardsMax) {
    return std::unexpected("--shards can be at most " + std::to_string(core::kShardsMax));
  }
  if (options.listeners.empty())
    return std::unexpected(std::string("there is nothing to listen on (--listen)"));
  Result<std::vector<int>> cpus = choose_cpus(options, shards, cores);
  if (!cpus) return std::unexpected(std::move(cpus.error()));
  const uint64_t descriptors = raise_descriptor_limit();
  if (options.connections_max == 0) {
    options.connections_max = descriptors > 2 * kDescriptorReserve
                                  ? descriptors - kDescriptorReserve
                                  : std::max<uint64_t>(descriptors / 2, 1);
  }
  if (!options.user_timeout_ms) {
    options.user_timeout_ms = std::max(kUserTimeoutMsMin, 2 * core_options.slow_consumer_after_ms);
  }
  if (core_options.boot_id == 0) core_options.boot_id = random_boot_id();
  if (core_options.secret == core::HashKey{}) core_options.secret = random_secret();
  core_options.memory_limit_bytes =
      options.memory_limit_bytes > 0
          ? options.memory_limit_bytes
          : static_cast<uint64_t>(kMemoryPart * static_cast<double>(usable_memory_bytes()));
  core_options.wall_clock_offset_ms = to_millis(realtime_ns()) - to_millis(monotonic_ns());

  std::unique_ptr<Server> server(new Server);
  Result<Listeners> listeners = open_listeners(options, shards, inherited);
  if (!listeners) return std::unexpected(std::move(listeners.error()));
  server->bound_ = std::move(listeners->bound);
  server->listening_ = std::move(listeners->copies);
  server->are_shared_ = std::ranges::any_of(server->listening_, &SharedSocket::lives_on);
  server->is_pinned_ = !cpus->empty();
  server->drain_rate_ = options.drain_rate;
  server->node_ =
      std::make_unique<Node>(std::move(core_options), shards, options.connections_max,
                             options.connections_per_address_max, std::move(options.log));
  Node& node = *server->node_;
  node.listeners = plan_listeners(options.listeners, node.options);
  node.return_memory = std::move(options.return_memory);
  node.spin_ns = shards <= cores ? options.spin_us * 1000 : 0;
  for (core::ShardId id = 0; id < shards; ++id) {
    if (!node.controls[id]->wakeup.is_open())
      return std::unexpected(std::string("cannot make an eventfd"));
    server->threads_.push_back(std::make_unique<ShardThread>(node, id));
    const std::optional<int> cpu =
        cpus->empty() ? std::optional<int>() : (*cpus)[id % cpus->size()];
    Result<void> started = server->threads_.back()->start(std::move(listeners->by_shard[id]), cpu);
    if (started) continue;
    for (const auto& thread : server->threads_) thread->release(false);
    return std::unexpected(std::move(started.error()));
  }
  // What is there before anybody came: code, rings and their buffers.
  (void)node.memory.add(static_cast<int64_t>(resident_memory_bytes()));
  for (const auto& thread : server->threads_) thread->release(true);
  return server;
}

core::ShardId Server::shards() const { return node_->shards; }
uint64_t Server::connections() const { return node_->limits.connections(); }
uint64_t Server::connections_max() const { return node_->limits.connections_max(); }
const core::MemoryBudget& Server::memory() const { return node_->memory; }

void Server::drain(const DrainOrder& order) {
  // relaxed: only one caller goes on, and the phase below publishes what it writes.
  if (has_ended_.exchange(true, std::memory_order_relaxed)) return;
  const bool are_shared = forget_listening();
  const core::Millis begin = to_millis(monotonic_ns()) + order.delay_ms;
  const core::Millis end_at = begin + order.for_ms / 4 * 3;
  const auto window_ms = static_cast<core::Millis>(connections() * 1000 / drain_rate_);
  core::DrainTimes leave;
  // Where another process goes on with the sockets, who is in the middle of its handshake is not
  // refused either.
  if (window_ms > kTogetherMs || are_shared)
    leave = {.leave_by = begin + window_ms, .end_at = end_at};
  for (const auto& control : node_->controls) {
    control->drain = {.begin = begin,
                      .leave = leave,
                      .deadline = begin + order.for_ms,
                      .sockets_live_on = are_shared};
    ShardControl::Phase serving = ShardControl::Phase::kServe;
    // release: the schedule is there for whoever sees the phase. A stop is not taken back.
    if (control->phase.compare_exchange_strong(serving, ShardControl::Phase::kDrain,
                                               std::memory_order_release,
                                               std::memory_order_relaxed)) {
      control->wakeup.wake();
    }
  }
}

void Server::stop_now() {
  has_ended_.store(true, std::memory_order_relaxed);
  (void)forget_listening();
  for (const auto& control : node_->controls) {
    // release: as in drain().
    control->phase.store(ShardControl::Phase::kStop, std::memory_order_release);
    control->wakeup.wake();
  }
}

std::vector<SharedSocket> Server::copy_listening_sockets() {
  const std::lock_guard lock(listening_mutex_);
  std::vector<SharedSocket> copies;
  are_shared_ = true;
  for (const SharedSocket& socket : listening_) {
    copies.push_back({.fd = FileDescriptor(fcntl(socket.fd.get(), F_DUPFD_CLOEXEC, 0)),
                      .name = socket.name,
                      .lives_on = socket.lives_on});
    if (!copies.back().fd.is_open()) return {};
  }
  return copies;
}

// A copy keeps a socket open for the kernel, which would go on to accept for it.
bool Server::forget_listening() {
  const std::lock_guard lock(listening_mutex_);
  listening_.clear();
  return are_shared_;
}

void Server::wait() {
  for (const auto& thread : threads_) thread->join();
  node_->log.stop();
}

bool Server::is_serving() const {
  // relaxed: nothing else is read by it.
  return !has_ended_.load(std::memory_order_relaxed);
}

std::vector<std::optional<ShardSnapshot>> Server::ask_shards(const ShardVisit& visit) {
  const std::lock_guard lock(ask_mutex_);
  for (const auto& thread : threads_) thread->ask(visit);
  const auto deadline = ShardThread::Clock::now() + kAnswerPatience;
  std::vector<std::optional<ShardSnapshot>> snapshots;
  for (const auto& thread : threads_) snapshots.push_back(thread->answer(deadline));
  return snapshots;
}

}  // namespace stampede::net
