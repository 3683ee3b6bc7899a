#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/stampede_bench/bench_options.h"

namespace stampede::bench {

inline constexpr uint32_t kNobody = UINT32_MAX;

// Number n of a publisher goes to first + (phase + n * stride) % cycle, so a subscriber knows which
// numbers it must see.
//
// Invariant: stride has no divisor in common with cycle, so every `cycle` numbers visit all.
struct PublisherPlan {
  uint32_t first = 0;
  uint32_t cycle = 1;
  uint32_t phase = 0;
  uint32_t stride = 1;
  uint32_t stride_inverse = 1;  // stride * stride_inverse % cycle == 1 % cycle
  uint32_t thread = 0;

  [[nodiscard]] uint32_t destination_of(uint64_t number) const {
    return first + static_cast<uint32_t>((phase + number % cycle * stride) % cycle);
  }
  // The first number that goes there; kNever if none does.
  [[nodiscard]] uint64_t first_number_to(uint32_t destination) const {
    if (destination < first || destination - first >= cycle) return kNever;
    return (uint64_t{destination} - first + cycle - phase) % cycle * stride_inverse % cycle;
  }
  static constexpr uint64_t kNever = UINT64_MAX;
};

// Those who publish to a destination.
struct PublisherRange {
  uint32_t first = 0;
  uint32_t count = 0;
};

// One connection: it subscribes, publishes, or both.
struct ClientPlan {
  uint32_t destination = kNobody;
  uint32_t publisher = kNobody;
};

// LoadPlan is who connects and what each does; every thread works on its own clients.
//
// Thread:    constant once the load threads run.
// Invariant: a destination's subscribers are the same from the first publish to the last, but for
// those that churn, which no message waits for.
struct LoadPlan {
  const BenchOptions* options = nullptr;
  std::vector<std::string> destinations;
  std::vector<PublisherPlan> publishers;
  std::vector<std::vector<ClientPlan>> clients;    // by thread
  std::vector<std::vector<uint32_t>> subscribers;  // by thread and destination
  std::vector<uint32_t> waiting_threads;           // by destination: see Flight
  bool is_queue = false;  // each message goes to exactly one subscriber of its destination
  bool is_echo = false;   // each destination has the publisher of the same index, and no other
  size_t flight_slots = 0;
  uint32_t window_each = 0;  // of a publisher; 0 in open loop

  [[nodiscard]] size_t client_count() const;
  // `destination` may be kNobody.
  [[nodiscard]] PublisherRange publishers_to(uint32_t destination) const;
};

[[nodiscard]] LoadPlan make_plan(const BenchOptions& options);

}  // namespace stampede::bench
