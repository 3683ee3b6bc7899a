#include "net/server.h"

#include <sys/random.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "net/clock.h"
#include "net/cpus.h"
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

// A turn takes milliseconds; whoever waits longer for a shard's answer asks in vain.
constexpr std::chrono::seconds kAnswerPatience{2};

using SocketsByShard = std::vector<std::vector<ListeningSocket>>;

// One listening socket a shard, all on one port; adds them to `sockets`.
Result<BoundListener> bind_listener(uint32_t listener, const ServerOptions& options,
                                    SocketsByShard& sockets) {
  const ListenUri& uri = options.listeners[listener];
  Result<SocketAddress> address = resolve(uri.host, uri.port);
  if (!address) return std::unexpected(std::move(address.error()));
  if (!options.allow_anonymous && !address->is_loopback()) {
    return std::unexpected(
        "refusing to listen on " + address->text() +
        ": it can be reached from other machines and any login is accepted; listen on "
        "127.0.0.1 or give --allow-anonymous");
  }
  if (uri.port != 0) {
    if (Result<void> is_free = check_port_is_free(*address); !is_free) {
      return std::unexpected(std::move(is_free.error()));
    }
  }
  for (std::vector<ListeningSocket>& of_shard : sockets) {
    Result<FileDescriptor> socket = listen_on(
        *address,
        {.send_buffer_bytes = options.send_buffer_bytes,
         .share_port = sockets.size() > 1,
         .user_timeout_ms = *options.user_timeout_ms,
         // A WebSocket has its pings; a kernel that wakes a telephone every ten seconds is no help.
         .keep_alive = uri.transport == core::Transport::kTcp});
    if (!socket) return std::unexpected(std::move(socket.error()));
    // With port 0 the first one picked a port, which the others share.
    Result<SocketAddress> bound = local_address(socket->get());
    if (!bound) return std::unexpected(std::move(bound.error()));
    address->set_port(bound->port());
    of_shard.push_back({.fd = std::move(*socket), .listener = listener});
  }
  return BoundListener{.transport = uri.transport,
                       .host = address->host_text(),
                       .port = address->port(),
                       .paths = uri.paths};
}

std::vector<ListenerPlan> plan_listeners(const std::vector<ListenUri>& uris,
                                         const core::Options& options) {
  std::vector<ListenerPlan> plans;
  for (const ListenUri& uri : uris) {
    plans.push_back({.transport = uri.transport,
                     .upgrade = {.paths = uri.paths,
                                 .head_bytes_max = options.http_head_bytes_max,
                                 .headers_max = options.http_headers_max,
                                 .allowed_origins = options.allowed_origins}});
  }
  return plans;
}

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

Result<std::unique_ptr<Server>> Server::start(ServerOptions options, core::Options core_options) {
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
  core_options.wall_clock_offset_ms = to_millis(realtime_ns()) - to_millis(monotonic_ns());

  std::unique_ptr<Server> server(new Server);
  SocketsByShard sockets(shards);
  for (uint32_t listener = 0; listener < options.listeners.size(); ++listener) {
    Result<BoundListener> bound = bind_listener(listener, options, sockets);
    if (!bound) return std::unexpected(std::move(bound.error()));
    server->bound_.push_back(std::move(*bound));
  }
  server->is_pinned_ = !cpus->empty();
  server->drain_rate_ = options.drain_rate;
  server->node_ =
      std::make_unique<Node>(std::move(core_options), shards, options.connections_max,
                             options.connections_per_address_max, std::move(options.log));
  Node& node = *server->node_;
  node.listeners = plan_listeners(options.listeners, node.options);
  node.spin_ns = shards <= cores ? options.spin_us * 1000 : 0;
  for (core::ShardId id = 0; id < shards; ++id) {
    if (!node.controls[id]->wakeup.is_open())
      return std::unexpected(std::string("cannot make an eventfd"));
    server->threads_.push_back(std::make_unique<ShardThread>(node, id));
    const std::optional<int> cpu =
        cpus->empty() ? std::optional<int>() : (*cpus)[id % cpus->size()];
    Result<void> started = server->threads_.back()->start(std::move(sockets[id]), cpu);
    if (started) continue;
    for (const auto& thread : server->threads_) thread->release(false);
    return std::unexpected(std::move(started.error()));
  }
  for (const auto& thread : server->threads_) thread->release(true);
  return server;
}

core::ShardId Server::shards() const { return node_->shards; }
uint64_t Server::connections() const { return node_->limits.connections(); }
uint64_t Server::connections_max() const { return node_->limits.connections_max(); }

void Server::drain(const DrainOrder& order) {
  // relaxed: only one caller goes on, and the phase below publishes what it writes.
  if (has_ended_.exchange(true, std::memory_order_relaxed)) return;
  const core::Millis begin = to_millis(monotonic_ns()) + order.delay_ms;
  const core::Millis end_at = begin + order.for_ms / 4 * 3;
  const auto window_ms = static_cast<core::Millis>(connections() * 1000 / drain_rate_);
  core::DrainTimes leave;
  if (window_ms > kTogetherMs) leave = {.leave_by = begin + window_ms, .end_at = end_at};
  for (const auto& control : node_->controls) {
    control->drain = {.begin = begin, .leave = leave, .deadline = begin + order.for_ms};
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
  for (const auto& control : node_->controls) {
    // release: as in drain().
    control->phase.store(ShardControl::Phase::kStop, std::memory_order_release);
    control->wakeup.wake();
  }
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
