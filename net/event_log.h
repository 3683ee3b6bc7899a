#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/shard.h"
#include "core/spsc_ring.h"
#include "net/wakeup.h"

namespace stampede::net {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarn, kError };
// Given finished lines, one at a time, by the log's own thread.
using LogSink = std::function<void(LogLevel level, std::string_view line)>;

// One event, of fixed size, so that a shard writes it without allocating.
struct LogRecord {
  enum class Kind : uint8_t { kNote, kClose };

  uint64_t client;
  uint64_t frames;
  uint64_t pending_bytes;
  Kind kind;
  LogLevel level;
  core::CloseReason reason;
  uint8_t peer_size;
  uint8_t text_size;
  std::array<char, 59> peer;
  std::array<char, 168> text;  // kNote: the line; kClose: the detail, may hold what a client wrote
};
static_assert(sizeof(LogRecord) == 256);

// "close shard=0 client=12 peer=127.0.0.1:4000 reason=peer_closed frames=3 pending=0
// detail=\"...\"". Whatever a client wrote is escaped: no control character, quote or octet beyond
// ASCII goes into the log as it is.
[[nodiscard]] std::string format_record(core::ShardId shard, const LogRecord& record);

// ShardLog is where one shard leaves its events: it never blocks, and drops and counts what finds
// no room.
//
// Owns:      the ring. Lifetime: outlives the shard; the EventLog owns it.
// Thread:    on_client_closed, note, publish, dropped: the shard. take: the log's thread.
class ShardLog final : public core::ShardObserver {
 public:
  explicit ShardLog(Wakeup& reader) : reader_(reader), records_(kRecords) {}

  void on_client_closed(const core::ClosedClient& client) override;
  void on_slow_consumer(const core::SlowConsumer& consumer, core::Millis now) override;
  void on_memory_step(core::MemoryBudget::Step step, uint64_t used, uint64_t limit) override;
  void note(LogLevel level, std::string_view text) noexcept;
  // Once a turn: lets the log's thread see what was written.
  void publish() noexcept;
  [[nodiscard]] uint64_t dropped() const {
    // relaxed: a statistic.
    return dropped_.load(std::memory_order_relaxed);
  }

  [[nodiscard]] bool take(LogRecord& record) { return records_.try_pop(record); }
  [[nodiscard]] bool is_empty() const { return records_.is_empty(); }

 private:
  // At 12 us a close a shard makes some 800 records between two looks of the log's thread.
  static constexpr size_t kRecords = 2048;
  static constexpr core::Millis kSlowLineEveryMs = 1'000;

  void push(const LogRecord& record) noexcept;

  Wakeup& reader_;
  core::SpscRing<LogRecord> records_;
  std::atomic<uint64_t> dropped_ = 0;
  // Of slow consumers, of whom there may be very many.
  core::Millis next_slow_line_at_ = 0;
  uint64_t slow_untold_ = 0;
};

// EventLog formats what the shards leave, on a thread of its own, since a sink may block.
//
// Owns:      the thread and the shards' rings.
// Thread:    set-up only, but for shard(), which each shard asks once.
// Invariant: what a shard published before stop() is given to the sink before stop() returns.
class EventLog {
 public:
  EventLog(core::ShardId shards, LogSink sink);
  ~EventLog() { stop(); }
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  [[nodiscard]] ShardLog& shard(core::ShardId id) { return *shards_[id]; }
  void stop();

 private:
  void run();
  bool drain();
  [[nodiscard]] bool has_work() const;

  const LogSink sink_;
  Wakeup wakeup_;
  std::vector<std::unique_ptr<ShardLog>> shards_;
  std::vector<uint64_t> dropped_told_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace stampede::net
