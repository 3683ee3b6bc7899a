#include "net/event_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

namespace stampede::net {
namespace {

// A sink that keeps the lines and can be held up.
struct Lines {
  LogSink sink() {
    return [this](LogLevel, std::string_view line) {
      const std::lock_guard gate(held_);
      const std::lock_guard lock(mutex_);
      lines_.emplace_back(line);
      changed_.notify_all();
    };
  }
  void wait_for(size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(
        changed_.wait_for(lock, std::chrono::seconds(10), [&] { return lines_.size() >= count; }));
  }

  std::mutex held_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_;
};

core::ClosedClient closed(uint64_t id, std::string_view detail = "") {
  return {.id = id,
          .peer = "127.0.0.1:4000",
          .reason = core::CloseReason::kPeerClosed,
          .detail = detail,
          .frames_received = 3,
          .pending_bytes = 17};
}

TEST(EventLog, WritesOneLineAClose) {
  Lines lines;
  EventLog log(1, lines.sink());
  log.shard(0).on_client_closed(closed(12, "end of stream"));
  log.shard(0).publish();
  lines.wait_for(1);
  EXPECT_EQ(lines.lines_[0],
            "close shard=0 client=12 peer=127.0.0.1:4000 reason=peer_closed frames=3 pending=17 "
            "detail=\"end of stream\"");
}

TEST(EventLog, EscapesWhatAClientWrote) {
  Lines lines;
  EventLog log(1, lines.sink());
  log.shard(0).on_client_closed(closed(1, "a\"b\\c\nclose shard=9\x1b[31m\xff"));
  log.shard(0).publish();
  lines.wait_for(1);
  EXPECT_TRUE(lines.lines_[0].ends_with("detail=\"a\\\"b\\\\c\\x0aclose shard=9\\x1b[31m\\xff\""))
      << lines.lines_[0];
}

TEST(EventLog, CutsALongDetail) {
  Lines lines;
  EventLog log(1, lines.sink());
  log.shard(0).on_client_closed(closed(1, std::string(5000, 'x')));
  log.shard(0).publish();
  lines.wait_for(1);
  EXPECT_LT(lines.lines_[0].size(), 300u);
}

TEST(EventLog, GivesEverythingPublishedBeforeItStops) {
  Lines lines;
  EventLog log(3, lines.sink());
  for (core::ShardId shard = 0; shard < 3; ++shard) {
    for (uint64_t i = 0; i < 100; ++i) log.shard(shard).on_client_closed(closed(i));
    log.shard(shard).publish();
  }
  log.stop();
  EXPECT_EQ(lines.lines_.size(), 300u);
}

TEST(EventLog, DropsAndCountsWhileTheSinkIsStuck) {
  constexpr uint64_t kClosed = 10'000;
  Lines lines;
  uint64_t dropped = 0;
  {
    std::unique_lock stuck(lines.held_);
    EventLog log(1, lines.sink());
    for (uint64_t i = 0; i < kClosed; ++i) {
      log.shard(0).on_client_closed(closed(i));
      log.shard(0).publish();
    }
    dropped = log.shard(0).dropped();
    EXPECT_GT(dropped, 0u);
    stuck.unlock();
    log.stop();
  }
  EXPECT_EQ(lines.lines_.size() - 1, kClosed - dropped);
  EXPECT_NE(
      std::ranges::find(lines.lines_, "log_dropped lines=" + std::to_string(dropped) + " shard=0"),
      lines.lines_.end());
}

core::SlowConsumer slow(uint64_t id, bool has_recovered = false) {
  return {.client_id = id,
          .peer = "10.0.0.1:7",
          .destination = "/topic/a",
          .policy = core::SlowPolicy::kConflate,
          .has_recovered = has_recovered,
          .unsent_bytes = 9};
}

TEST(EventLog, SaysWhoLagsOnceASecondAndHowManyItDidNotName) {
  Lines lines;
  EventLog log(1, lines.sink());
  log.shard(0).on_slow_consumer(slow(1), 5'000);
  log.shard(0).on_slow_consumer(slow(2), 5'999);
  log.shard(0).on_slow_consumer(slow(3), 5'999);
  log.shard(0).on_slow_consumer(slow(4, true), 6'000);
  log.shard(0).publish();
  log.stop();
  EXPECT_EQ(
      lines.lines_,
      (std::vector<std::string>{
          "slow_consumer client=1 peer=10.0.0.1:7 policy=conflate unsent=9 untold=0 "
          "destination=/topic/a shard=0",
          "slow_consumer_recovered client=4 peer=10.0.0.1:7 policy=conflate unsent=9 untold=2 "
          "destination=/topic/a shard=0"}));
}

TEST(EventLog, SaysEachStageOfMemory) {
  Lines lines;
  EventLog log(1, lines.sink());
  log.shard(0).on_memory_step({core::MemoryStage::kWarn, core::MemoryStage::kHoldPublishers}, 81,
                              100);
  log.shard(0).publish();
  log.stop();
  EXPECT_EQ(lines.lines_, std::vector<std::string>{
                              "memory stage=hold_publishers was=warn used=81 limit=100 shard=0"});
}

TEST(EventLog, RunsWithoutASink) {
  EventLog log(1, nullptr);
  log.shard(0).note(LogLevel::kWarn, "accept paused");
  log.shard(0).publish();
}

}  // namespace
}  // namespace stampede::net
