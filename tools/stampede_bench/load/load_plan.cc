#include "tools/stampede_bench/load/load_plan.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

namespace stampede::bench {
namespace {

// Messages in flight for which memory is kept, all publishers together, and the bounds for one.
constexpr size_t kSlotsInAll = size_t{1} << 20;
constexpr size_t kSlotsEachMin = 64;
constexpr size_t kSlotsEachMax = size_t{1} << 16;

void add_client(LoadPlan& plan, uint32_t& next_thread, const ClientPlan& client) {
  const uint32_t thread = next_thread;
  next_thread = (next_thread + 1) % plan.options->threads;
  plan.clients[thread].push_back(client);
  if (client.publisher != kNobody) plan.publishers[client.publisher].thread = thread;
  if (client.destination != kNobody) ++plan.subscribers[thread][client.destination];
}

// The next above `stride` that has no divisor in common with `cycle`.
uint32_t next_stride(uint32_t stride, uint32_t cycle) {
  do ++stride;
  while (std::gcd(stride, cycle) != 1);
  return stride;
}

// Euclid's algorithm, with what each remainder is a multiple of.
uint32_t inverse_of(uint32_t stride, uint32_t cycle) {
  int64_t remainder = stride % cycle, next_remainder = cycle;
  int64_t factor = 1, next_factor = 0;
  while (next_remainder != 0) {
    const int64_t quotient = remainder / next_remainder;
    remainder = std::exchange(next_remainder, remainder - quotient * next_remainder);
    factor = std::exchange(next_factor, factor - quotient * next_factor);
  }
  return static_cast<uint32_t>((factor % cycle + cycle) % cycle);
}

}  // namespace

size_t LoadPlan::client_count() const {
  size_t count = 0;
  for (const auto& of_thread : clients) count += of_thread.size();
  return count;
}

PublisherRange LoadPlan::publishers_to(uint32_t destination) const {
  if (destination == kNobody) return {};
  if (is_echo) return {destination, 1};
  return {0, static_cast<uint32_t>(publishers.size())};
}

LoadPlan make_plan(const BenchOptions& options) {
  LoadPlan plan;
  plan.options = &options;
  plan.is_queue = options.scenario == Scenario::kQueue;
  plan.is_echo = options.scenario == Scenario::kEcho;
  const uint32_t destinations = plan.is_echo ? options.subscribers : options.destinations;
  const uint32_t publishers = plan.is_echo                          ? options.subscribers
                              : options.scenario == Scenario::kIdle ? 0
                                                                    : options.publishers;
  for (uint32_t index = 0; index < destinations; ++index)
    plan.destinations.push_back(options.destination + "." + std::to_string(index));
  plan.publishers.resize(publishers);
  plan.clients.resize(options.threads);
  plan.subscribers.assign(options.threads, std::vector<uint32_t>(destinations));

  uint32_t next_thread = 0;
  uint32_t stride = 0;
  for (uint32_t index = 0; index < publishers; ++index) {
    PublisherPlan& publisher = plan.publishers[index];
    if (plan.is_echo) {
      publisher.first = index;
      add_client(plan, next_thread, {.destination = index, .publisher = index});
      continue;
    }
    // Spread, and in an order of its own each, so that they do not all publish to the same
    // destination at the same time: who takes the same way meets those before him, is served with
    // them, and stays with them.
    stride = next_stride(stride % destinations, destinations);
    publisher.cycle = destinations;
    publisher.stride = stride;
    publisher.stride_inverse = inverse_of(stride, destinations);
    publisher.phase = static_cast<uint32_t>(uint64_t{index} * destinations / publishers);
    add_client(plan, next_thread, {.publisher = index});
  }
  for (uint32_t index = 0; !plan.is_echo && index < options.subscribers; ++index)
    add_client(plan, next_thread, {.destination = index % destinations});

  plan.waiting_threads.resize(destinations);
  for (uint32_t destination = 0; destination < destinations; ++destination) {
    for (const auto& of_thread : plan.subscribers)
      plan.waiting_threads[destination] += of_thread[destination] > 0 ? 1 : 0;
    if (plan.is_queue) plan.waiting_threads[destination] = 1;
  }
  if (publishers > 0) {
    if (options.rate == 0) plan.window_each = std::max(1U, options.window / publishers);
    // A straggler may hold its slot while others of the window pass it many times.
    plan.flight_slots =
        std::bit_ceil(std::clamp(kSlotsInAll / publishers, kSlotsEachMin, kSlotsEachMax));
  }
  return plan;
}

}  // namespace stampede::bench
