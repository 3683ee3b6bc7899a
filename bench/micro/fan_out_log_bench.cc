// What fan-out costs in user space. Workloads:
//
//   append_to_busy_group/N     one more message into the log of a group all of whose N cursors are
//   behind.
//                              Must not depend on N.
//   wake_and_flush_group/N     one message to N cursors that are caught up, and a flight of each:
//   time for all
//                              of them; items are cursors, so that items_per_second shows the price
//                              of one.
//   deliver/groups/readers     one message through Topics::deliver to so many groups of so many
//   idle readers
//                              each. 1/1000 is the shared case; 1000/1 is clients that make up
//                              their own ids (UUIDs). What the readers then send is not in the
//                              time.
//
// A message is 200 octets of body with the headers that a MESSAGE has.

#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/micro/stopwatch.h"
#include "core/fan_out_log.h"
#include "core/mailbox.h"
#include "core/message.h"
#include "core/options.h"
#include "core/shard_state.h"
#include "proto/base/check.h"

namespace stampede::core {
namespace {

constexpr size_t kBodyBytes = 200;
constexpr size_t kFrameBytes = 300;

// A group's log without the rest of the shard.
class BusyLog {
 public:
  explicit BusyLog(size_t cursors) : cursors_(cursors) {
    for (Cursor& cursor : cursors_) log_.attach(cursor);
  }
  ~BusyLog() {
    for (Cursor& cursor : cursors_) log_.detach(cursor);
  }

  void append() {
    uint8_t* at = log_.reserve(kFrameBytes);
    while (Cursor* cursor = log_.wake_front()) benchmark::DoNotOptimize(cursor);
    std::memcpy(at, frame_.data(), kFrameBytes);
    log_.commit(kFrameBytes);
  }
  // A flight of each cursor to the log's end; gives the octets sent.
  size_t catch_up() {
    std::array<SendSpan, kSendSpansMax> spans;
    size_t sent = 0;
    for (Cursor& cursor : cursors_) {
      while (!cursor.is_caught_up()) {
        size_t bytes = 0;
        benchmark::DoNotOptimize(log_.begin_flight(cursor, spans, 65536, bytes));
        log_.end_flight(cursor);
        sent += bytes;
      }
    }
    return sent;
  }
  [[nodiscard]] size_t bytes() const { return log_.bytes(); }

 private:
  const std::string frame_ = std::string(kFrameBytes, 'x');
  ChunkPool pool_;
  FanOutLog log_{pool_};
  std::vector<Cursor> cursors_;
};

void append_to_busy_group(benchmark::State& state) {
  // Enough to leave the processor's caches, little enough to be kept as spare chunks.
  constexpr size_t kLogBytesMax = 2 << 20;
  BusyLog log(static_cast<size_t>(state.range(0)));
  log.append();
  for (auto _ : state) {
    if (log.bytes() > kLogBytesMax) {
      state.PauseTiming();
      log.catch_up();
      log.append();
      state.ResumeTiming();
    }
    log.append();
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(append_to_busy_group)->Arg(1)->Arg(100)->Arg(1'000)->Arg(10'000);

void wake_and_flush_group(benchmark::State& state) {
  const auto cursors = static_cast<size_t>(state.range(0));
  BusyLog log(cursors);
  for (auto _ : state) {
    log.append();
    const size_t sent = log.catch_up();
    CHECK(sent == cursors * kFrameBytes);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(wake_and_flush_group)->Arg(1)->Arg(100)->Arg(1'000)->Arg(10'000);

// A shard with connected readers.
class Readers : private ShardObserver {
 public:
  Readers(size_t groups, size_t readers_each) : grid_(1, 2) {
    ShardObserver& observer = *this;
    state_ = std::make_unique<ShardState>(0, 1, options_, grid_, observer);
    for (size_t n = 0; n < groups * readers_each; ++n) {
      Client* client = state_->open({.transport = Transport::kTcp, .upgrade = nullptr, .peer = ""},
                                    static_cast<uint32_t>(n), 0);
      const std::string id = std::to_string(n / readers_each) + "-57a3-4bd6-9f21-c0ffee123456";
      receive(*client, "CONNECT\naccept-version:1.2\n\n");
      receive(*client, "SUBSCRIBE\nid:" + id + "\ndestination:/topic/a\n\n");
    }
    flush();
    Message::Content content;
    content.destination = "/topic/a";
    content.message_id = "";
    content.body = {reinterpret_cast<const uint8_t*>(body_.data()), body_.size()};
    message_ = Message::create(content, hash_text("/topic/a", options_.boot_id));
    message_->set_number(1, "k3x9-0-1");
  }
  ~Readers() override { message_->drop_reference(); }

  void deliver() {
    state_->topics.deliver(*message_, 0);
    state_->topics.fan_out(SIZE_MAX);
  }
  // Everything is sent at once; gives how many clients had something.
  size_t flush() {
    std::array<SendSpan, kSendSpansMax> spans;
    size_t clients = 0;
    while (Client* client = state_->ready.pop()) {
      FlushPlan plan = {};
      client->plan_flush(spans, plan, 0);
      CHECK(plan.action == FlushAction::kSend);
      client->on_sent();
      ++clients;
    }
    return clients;
  }

 private:
  void on_client_closed(const ClosedClient& /*client*/) override {}
  static void receive(Client& client, std::string frame) {
    frame += '\0';
    client.receive({reinterpret_cast<const uint8_t*>(frame.data()), frame.size()}, 0);
  }

  const Options options_;
  const std::string body_ = std::string(kBodyBytes, 'x');
  MailboxGrid grid_;
  std::unique_ptr<ShardState> state_;
  Message* message_;
};

void deliver(benchmark::State& state) {
  const auto groups = static_cast<size_t>(state.range(0));
  const auto readers_each = static_cast<size_t>(state.range(1));
  Readers readers(groups, readers_each);
  bench::Stopwatch delivering;
  for (auto _ : state) {
    const double before = delivering.seconds();
    delivering.time([&] { readers.deliver(); });
    state.SetIterationTime(delivering.seconds() - before);
    CHECK(readers.flush() == groups * readers_each);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0) * state.range(1));
}
BENCHMARK(deliver)
    ->ArgNames({"groups", "readers"})
    ->Args({1, 1'000})
    ->Args({1'000, 1})
    ->UseManualTime();

}  // namespace
}  // namespace stampede::core
