#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tools/stampede/admin/busy_watch.h"
#include "tools/stampede/admin/metrics_page.h"
#include "tools/stampede/admin/page_range.h"
#include "tools/stampede/snapshot_figures.h"

namespace stampede::tools {
namespace {

using net::ShardSnapshot;

proto::HttpRequest asking(std::string query) {
  return {.path = "/connz", .query = std::move(query), .is_head = false};
}

std::vector<std::pair<size_t, size_t>> split(size_t offset, size_t limit,
                                             const std::vector<uint64_t>& sizes) {
  std::vector<std::pair<size_t, size_t>> pieces;
  for (const core::ListRange& piece : split_range({.offset = offset, .limit = limit}, sizes)) {
    pieces.emplace_back(piece.offset, piece.limit);
  }
  return pieces;
}

using Pieces = std::vector<std::pair<size_t, size_t>>;

TEST(PageRange, HasDefaults) {
  const auto range = page_range(asking(""));
  ASSERT_TRUE(range.has_value());
  EXPECT_EQ(range->limit, kPageLimit);
  EXPECT_EQ(range->offset, 0u);
}

TEST(PageRange, TakesALimitUpToItsMost) {
  EXPECT_EQ(page_range(asking("limit=1000&offset=7"))->limit, kPageLimitMax);
  EXPECT_EQ(page_range(asking("limit=1&offset=7"))->offset, 7u);
  for (const char* query : {"limit=1001", "limit=0", "limit=", "offset=-1", "offset=1 "}) {
    EXPECT_FALSE(page_range(asking(query)).has_value()) << query;
  }
}

TEST(PageRange, IsSplitOverTheShards) {
  EXPECT_EQ(split(0, 10, {4, 0, 3}), (Pieces{{0, 4}, {0, 0}, {0, 3}}));
  EXPECT_EQ(split(0, 5, {4, 0, 3}), (Pieces{{0, 4}, {0, 0}, {0, 1}}));
  EXPECT_EQ(split(3, 2, {4, 0, 3}), (Pieces{{3, 1}, {0, 0}, {0, 1}}));
  EXPECT_EQ(split(5, 9, {4, 0, 3}), (Pieces{{4, 0}, {0, 0}, {1, 2}}));
  EXPECT_EQ(split(SIZE_MAX, 9, {4, 3}), (Pieces{{4, 0}, {3, 0}}));
}

ShardSnapshot busy(int64_t busy_ms, int64_t alive_ms) {
  ShardSnapshot snapshot;
  snapshot.net.busy_ns = busy_ms * 1'000'000;
  snapshot.net.alive_ns = alive_ms * 1'000'000;
  return snapshot;
}

TEST(BusyWatch, TellsTheRatioBetweenLooksASecondApart) {
  BusyWatch watch;
  EXPECT_EQ(watch.look({busy(500, 2000)}), std::vector<double>{0.25});
  EXPECT_EQ(watch.look({busy(1500, 4000)}), std::vector<double>{0.5});
}

TEST(BusyWatch, KeepsItsRatioWhereLooksAreClose) {
  BusyWatch watch;
  (void)watch.look({busy(500, 2000)});
  EXPECT_EQ(watch.look({busy(1499, 2999)}), std::vector<double>{0.25});
  EXPECT_EQ(watch.look({busy(1500, 3000)}), std::vector<double>{1.0});
}

TEST(MetricsPage, SumsOverTheShards) {
  std::vector<ShardSnapshot> snapshots(2);
  snapshots[0].metrics.messages_received = 3;
  snapshots[1].metrics.messages_received = 4;
  const std::string page =
      metrics_page(snapshots, core::MemoryBudget(0), {0, 0}, "stampede_messages_received");
  EXPECT_NE(page.find("\nstampede_messages_received_total 7\n"), page.npos) << page;
  EXPECT_NE(page.find("# TYPE stampede_messages_received_total counter\n"), page.npos);
}

TEST(MetricsPage, LabelsWhatIsOfOneShard) {
  std::vector<ShardSnapshot> snapshots(2);
  snapshots[1].net.ring.overflows = 5;
  const std::string page = metrics_page(snapshots, core::MemoryBudget(0), {0, 0.5}, "");
  EXPECT_NE(page.find("stampede_ring_cq_overflow_total{shard=\"1\"} 5\n"), page.npos);
  EXPECT_NE(page.find("stampede_shard_busy_ratio{shard=\"1\"} 0.5\n"), page.npos);
}

TEST(MetricsPage, SaysWhatSlowReadersMissedByPolicy) {
  std::vector<ShardSnapshot> snapshots(2);
  snapshots[0].metrics.slow_dropped[static_cast<size_t>(core::SlowPolicy::kDropOld)] = 3;
  snapshots[1].metrics.slow_dropped[static_cast<size_t>(core::SlowPolicy::kDropOld)] = 4;
  snapshots[1].metrics.slow_begun[static_cast<size_t>(core::SlowPolicy::kConflate)] = 1;
  const std::string page = metrics_page(snapshots, core::MemoryBudget(0), {0, 0}, "");
  EXPECT_NE(page.find("stampede_messages_dropped_total{cause=\"drop_old\"} 7\n"), page.npos);
  EXPECT_NE(page.find("stampede_slow_consumers_total{action=\"conflate\"} 1\n"), page.npos);
}

TEST(MetricsPage, SaysHowMuchMemoryIsUsedAndForWhat) {
  std::vector<ShardSnapshot> snapshots(2);
  constexpr auto kLogs = static_cast<size_t>(core::MemoryKind::kLogs);
  snapshots[0].tables.memory_bytes[kLogs] = 50;
  // More was freed here than made.
  snapshots[1].tables.memory_bytes[kLogs] = static_cast<uint64_t>(-20);
  core::MemoryBudget memory(1000);
  (void)memory.add(901);
  const std::string page = metrics_page(snapshots, memory, {0, 0}, "stampede_memory");
  EXPECT_NE(page.find("stampede_memory_bytes{kind=\"fan_out_log\"} 30\n"), page.npos) << page;
  EXPECT_NE(page.find("stampede_memory_used_bytes 901\n"), page.npos);
  EXPECT_NE(page.find("stampede_memory_limit_bytes 1000\n"), page.npos);
  EXPECT_NE(page.find("stampede_memory_stage 3\n"), page.npos);
}

TEST(SnapshotFigures, AddUp) {
  ShardSnapshot snapshot;
  snapshot.tables.clients = 2;
  snapshot.metrics.connections_closed[0] = 1;
  SnapshotFigures sum = snapshot_figures({});
  add_figures(sum, snapshot_figures(snapshot));
  add_figures(sum, snapshot_figures(snapshot));
  EXPECT_EQ(sum.tables.front().name, "clients");
  EXPECT_EQ(sum.tables.front().value, 4u);
  EXPECT_EQ(sum.closed.front().value, 2u);
}

}  // namespace
}  // namespace stampede::tools
