#include "core/memory_watch.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <numeric>

#include "core/client.h"
#include "core/shard_state.h"

namespace stampede::core {

namespace {

// What one of each takes, with its place in a table and what it nearly always owns; measured by how
// the heap grew with ten thousand of them.
constexpr int64_t kClientBytes = 640;
constexpr int64_t kSubscriptionBytes = 160;
constexpr int64_t kGroupBytes = 640;
constexpr int64_t kTopicBytes = 480;
constexpr int64_t kDestinationBytes = 320;
constexpr int64_t kQueueBytes = 1'600;
constexpr int64_t kConsumerBytes = 640;

// Of what is counted: what allocators keep for later, and what nobody counts. Under floods that
// came and went it was a sixth with mimalloc 2, and less with time.
constexpr int64_t kUncountedPart = 6;

// How long those who were ended get to give back what they held, before others are.
constexpr Millis kShedEveryMs = 10;
constexpr size_t kGroupsWhileShedding = 8;
// While publishers wait, who takes nothing is waited for no longer than this part of
// --slow-consumer-after, as everybody waits with them.
constexpr Millis kStuckPart = 8;
constexpr Millis kShedStuckEveryMs = 100;
constexpr uint32_t kDoublingsMax = 16;
// How often a publisher is heard that has something to settle or to commit.
constexpr Millis kSettleEveryMs = 100;

}  // namespace

MemoryWatch::MemoryWatch(ShardState& shard, MemoryBudget* budget)
    : shard_(shard),
      own_budget_(budget == nullptr ? std::make_unique<MemoryBudget>(0) : nullptr),
      budget_(budget == nullptr ? *own_budget_ : *budget) {
  // What others left there is not this shard's.
  (void)MemoryTally::take();
}

MemoryWatch::~MemoryWatch() { (void)budget_.add(-told_); }

int64_t MemoryWatch::sum() const {
  const int64_t counted = std::accumulate(by_kind_.begin(), by_kind_.end(), int64_t{0});
  return counted + counted / kUncountedPart;
}

void MemoryWatch::count_all() {
  const MemoryByKind changes = MemoryTally::take();
  constexpr auto kTables = static_cast<size_t>(MemoryKind::kTables);
  for (size_t kind = 0; kind < kMemoryKinds; ++kind) by_kind_[kind] += changes[kind];
  tallied_tables_ += changes[kTables];
  const ShardState::TableSizes sizes = shard_.table_sizes();
  const auto times = [](size_t count, int64_t bytes) {
    return static_cast<int64_t>(count) * bytes;
  };
  by_kind_[kTables] = tallied_tables_ + times(sizes.clients, kClientBytes) +
                      times(sizes.subscriptions, kSubscriptionBytes) +
                      times(sizes.groups, kGroupBytes) + times(sizes.topics, kTopicBytes) +
                      times(sizes.destinations, kDestinationBytes) +
                      times(sizes.queues, kQueueBytes) + times(sizes.consumers, kConsumerBytes);
}

void MemoryWatch::look(Millis now) {
  count_all();
  const int64_t change = sum() - told_;
  if (change != 0 && static_cast<uint64_t>(std::abs(change)) >= budget_.grain()) {
    told_ += change;
    if (const auto step = budget_.add(change)) {
      shard_.tell_memory_step(*step, budget_.used(), budget_.limit());
    }
  }
  if (const MemoryStage stage = budget_.stage(); stage != stage_) follow_stage(stage);
  last_look_ = now;
  if (now < next_shed_) return;
  if (stage_ == MemoryStage::kShedClients) {
    next_shed_ = now + kShedEveryMs;
    shed(Whom::kAll, now);
  } else if (holds_publishers()) {
    next_shed_ = now + kShedStuckEveryMs;
    shed(Whom::kStuck, now);
  }
}

void MemoryWatch::follow_stage(MemoryStage stage) {
  stage_ = stage;
  const bool is_careful = stage != MemoryStage::kCalm;
  shard_.topics.be_careful(is_careful);
  if (!holds_publishers()) stuck_rounds_ = 0;
}

bool MemoryWatch::may_go_on(const Client& publisher) const {
  return !holds_publishers() || publisher.session().has_unfinished();
}

Millis MemoryWatch::held_until(const Client& publisher, Millis now) const {
  return holds_publishers() && publisher.session().has_unfinished() ? now + kSettleEveryMs : 0;
}

// Those who hold most go first, as many as hold this shard's part of what is too much. Some of it
// others hold too, and another shard may have nobody to end, so it may take several rounds. What
// many hold together comes back with the last of them, and while everybody waits for those who are
// stuck, each round ends at least twice as many. Who holds no more than a send would not help.
void MemoryWatch::shed(Whom whom, Millis now) {
  const uint64_t end = budget_.ends_at(whom == Whom::kAll ? MemoryStage::kShedClients
                                                          : MemoryStage::kHoldPublishers);
  const uint64_t used = budget_.used();
  if (used <= end) return;
  struct Holder {
    size_t bytes;
    ClientRef client;
  };
  std::vector<Holder> holders;
  const size_t bytes_min = shard_.options().send_bytes_max;
  const Millis patience = shard_.options().slow_consumer_after_ms / kStuckPart;
  shard_.for_each_client([&](const Client& client) {
    if (whom == Whom::kStuck && !client.is_stuck_for(patience, now)) return;
    const size_t bytes = client.held_bytes();
    if (bytes > bytes_min) holders.push_back({bytes, client.ref()});
  });
  std::ranges::sort(holders, std::greater(), &Holder::bytes);
  uint64_t left = (used - end) / shard_.shard_count();
  size_t least = 0;
  if (whom == Whom::kStuck && !holders.empty()) {
    least = size_t{1} << std::min(stuck_rounds_++, kDoublingsMax);
  }
  for (const Holder& holder : holders) {
    if (left == 0 && least == 0) break;
    left -= std::min<uint64_t>(left, holder.bytes);
    least -= std::min<size_t>(least, 1);
    if (Client* const client = shard_.find(holder.client)) client->fail_out_of_memory();
  }
}

size_t MemoryWatch::groups_to_fan_out(size_t groups_max, Millis now) {
  if (stage_ != MemoryStage::kShedClients) return groups_max;
  if (now < next_fan_out_) return 0;
  next_fan_out_ = now + kShedEveryMs;
  return std::min(groups_max, kGroupsWhileShedding);
}

void MemoryWatch::count_tables(ShardTables& tables) const {
  for (size_t kind = 0; kind < kMemoryKinds; ++kind) {
    // Less than nothing is right where more was freed than made: the sum over the shards is not.
    tables.memory_bytes[kind] += static_cast<uint64_t>(by_kind_[kind]);
  }
}

}  // namespace stampede::core
