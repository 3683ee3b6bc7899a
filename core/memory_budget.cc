#include "core/memory_budget.h"

#include <algorithm>

#include "core/memory_tally.h"
#include "proto/base/check.h"

namespace stampede::core {

std::string_view to_string(MemoryKind kind) {
  static constexpr std::array<std::string_view, kMemoryKinds> kNames = {
      "messages", "fan_out_log", "outboxes", "receive", "queues", "tables"};
  CHECK(kind < MemoryKind::kCount);
  return kNames[static_cast<size_t>(kind)];
}

std::string_view to_string(MemoryStage stage) {
  static constexpr std::array<std::string_view, kMemoryStages> kNames = {
      "calm", "warn", "hold_publishers", "refuse_connections", "shed_clients"};
  return kNames[static_cast<size_t>(stage)];
}

MemoryBudget::MemoryBudget(uint64_t limit, ShardId shards)
    : limit_(limit), grain_(std::min(kGrainMax, limit / (1024 * uint64_t{shards}))) {}

uint64_t MemoryBudget::begins_above(MemoryStage stage) const {
  return limit_ / 100 * kBeginsAbove[static_cast<size_t>(stage)];
}

uint64_t MemoryBudget::ends_at(MemoryStage stage) const {
  return limit_ / 100 * (kBeginsAbove[static_cast<size_t>(stage)] - kHysteresis);
}

MemoryStage MemoryBudget::next(MemoryStage stage, uint64_t used) const {
  const auto one_up = [](MemoryStage from) {
    return static_cast<MemoryStage>(static_cast<uint8_t>(from) + 1);
  };
  const auto one_down = [](MemoryStage from) {
    return static_cast<MemoryStage>(static_cast<uint8_t>(from) - 1);
  };
  while (stage != MemoryStage::kShedClients && used > begins_above(one_up(stage))) {
    stage = one_up(stage);
  }
  while (stage != MemoryStage::kCalm && used <= ends_at(stage)) stage = one_down(stage);
  return stage;
}

std::optional<MemoryBudget::Step> MemoryBudget::add(int64_t bytes) {
  const int64_t used = used_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  if (limit_ == 0) return std::nullopt;
  MemoryStage before = stage();
  const MemoryStage after = next(before, used > 0 ? static_cast<uint64_t>(used) : 0);
  if (after == before) return std::nullopt;
  // Of several shards that see it one takes the step; another sum is another shard's to judge.
  if (!stage_.compare_exchange_strong(before, after, std::memory_order_relaxed)) {
    return std::nullopt;
  }
  return Step{before, after};
}

}  // namespace stampede::core
