#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/memory_budget.h"
#include "core/memory_tally.h"
#include "core/metrics.h"
#include "core/shard_types.h"

namespace stampede::core {

class Client;
class ShardState;

// MemoryWatch is a shard's part in keeping the node to --memory-limit: it tells the budget what the
// shard takes, and does here what the stage asks for.
//
// Owns:      what the shard takes, by kind; a budget of its own if it is given none.
// Thread:    the shard's.
class MemoryWatch {
 public:
  // `budget` null: no limit.
  MemoryWatch(ShardState& shard, MemoryBudget* budget);
  ~MemoryWatch();
  MemoryWatch(const MemoryWatch&) = delete;
  MemoryWatch& operator=(const MemoryWatch&) = delete;

  // Once a turn.
  void look(Millis now);
  // The stage at the last look.
  [[nodiscard]] MemoryStage stage() const { return stage_; }
  [[nodiscard]] bool holds_publishers() const { return stage_ >= MemoryStage::kHoldPublishers; }
  // False: the publisher waits for memory. One that has something to settle or to commit is heard
  // now and then, as that may be what is waited for.
  [[nodiscard]] bool may_go_on(const Client& publisher) const;
  // When a publisher that is held back now may be heard at the earliest.
  [[nodiscard]] Millis held_until(const Client& publisher, Millis now) const;

  // How many of so many groups may get what was gathered for them now. While clients are shed that
  // is few, so that they are given less than is taken back.
  [[nodiscard]] size_t groups_to_fan_out(size_t groups_max, Millis now);
  // True while none may.
  [[nodiscard]] bool is_fan_out_held() const {
    return stage_ == MemoryStage::kShedClients && last_look_ < next_fan_out_;
  }

  void count_tables(ShardTables& tables) const;

 private:
  // Of all kinds, and a part more for what is not counted.
  [[nodiscard]] int64_t sum() const;
  void count_all();
  void follow_stage(MemoryStage stage);
  // Ends those who hold most, or of these those only who have taken nothing for a while, until the
  // stage may end.
  enum class Whom : bool { kAll, kStuck };
  void shed(Whom whom, Millis now);

  ShardState& shard_;
  const std::unique_ptr<MemoryBudget> own_budget_;
  MemoryBudget& budget_;
  MemoryByKind by_kind_ = {};
  int64_t tallied_tables_ = 0;  // of kTables, what is not counted here
  int64_t told_ = 0;            // to the budget
  MemoryStage stage_ = MemoryStage::kCalm;
  Millis next_shed_ = 0;
  uint32_t stuck_rounds_ = 0;  // that ended some, since publishers are held
  Millis next_fan_out_ = 0;
  Millis last_look_ = 0;
};

}  // namespace stampede::core
