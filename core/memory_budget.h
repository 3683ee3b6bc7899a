#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/shard_types.h"

namespace stampede::core {

// What is done for the memory limit. Each does what those before it do, too.
enum class MemoryStage : uint8_t {
  kCalm,               // nothing
  kWarn,               // spare memory is given back, publishers may lead by half as much
  kHoldPublishers,     // who publishes is not listened to any more; readers are served
  kRefuseConnections,  // nobody is let in
  kShedClients,        // those who hold most are ended
};
inline constexpr size_t kMemoryStages = 5;

[[nodiscard]] std::string_view to_string(MemoryStage stage);  // "calm", "warn", ...

// MemoryBudget is what all shards of a node take, against the limit.
//
// Thread:    any. The sum and the stage are hints that everybody follows a little late, and nothing
//            else is read by them, hence relaxed.
// Lifetime:  outlives the shards.
// Invariant: a stage begins above its share of the limit, and ends at five points less.
class MemoryBudget {
 public:
  // 0: no limit, and always calm.
  explicit MemoryBudget(uint64_t limit, ShardId shards = 1);

  struct Step {
    MemoryStage before;
    MemoryStage after;
  };
  // Adds a change of what is taken. Gives the step to another stage, if this was what made it.
  [[nodiscard]] std::optional<Step> add(int64_t bytes);

  [[nodiscard]] uint64_t limit() const { return limit_; }
  [[nodiscard]] uint64_t used() const {
    const int64_t used = used_.load(std::memory_order_relaxed);
    return used > 0 ? static_cast<uint64_t>(used) : 0;
  }
  [[nodiscard]] MemoryStage stage() const { return stage_.load(std::memory_order_relaxed); }
  // Shards need not tell changes that are smaller, as all of them together are nothing.
  [[nodiscard]] uint64_t grain() const { return grain_; }

  // Where the stage begins and ends, in octets. Requires: not kCalm.
  [[nodiscard]] uint64_t begins_above(MemoryStage stage) const;
  [[nodiscard]] uint64_t ends_at(MemoryStage stage) const;

 private:
  // Each stage's, in percent of the limit.
  static constexpr std::array<uint64_t, kMemoryStages> kBeginsAbove = {0, 70, 80, 90, 95};
  static constexpr uint64_t kHysteresis = 5;
  // A change that is told costs a line of cache that all shards share.
  static constexpr uint64_t kGrainMax = 64 * 1024;

  [[nodiscard]] MemoryStage next(MemoryStage stage, uint64_t used) const;

  const uint64_t limit_;
  const uint64_t grain_;
  alignas(64) std::atomic<int64_t> used_ = 0;
  std::atomic<MemoryStage> stage_ = MemoryStage::kCalm;
};

}  // namespace stampede::core
