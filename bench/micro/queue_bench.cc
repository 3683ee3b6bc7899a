// One queue at its owner. Workloads:
//
//   publish_deliver_ack/consumers/waiting
//                               a message is published, one is acknowledged, one is delivered. So
//                               many consumers in turns. With waiting:0 it is the published one
//                               that is delivered and acknowledged; else each consumer has its one
//                               unsettled message, and gets the next of those that wait.
//   publish_deliver_ack_mixed/waiting
//                               the same with one consumer, ten priorities and a time to live.
//   ack_with_filters/consumers/waiting
//                               so many waiting messages that no filter takes; what is published is
//                               for the last of the consumers.
//   requeue/unsettled           all of a consumer's deliveries are requeued together, and go to it
//                               again: time for all of them.
//   lose_consumer/unsettled/waiting  a consumer goes and all that it has goes back before what
//                               waits; the next takes as much: time for all of it.
//
// The message is always the same one and costs nothing; the sink only remembers deliveries.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/message.h"
#include "core/options.h"
#include "core/queue.h"
#include "proto/base/check.h"

namespace stampede::core {
namespace {

constexpr Millis kNow = 1'000;

class DeliverySink : public QueueSink {
 public:
  void on_deliver(const ConsumerKey& consumer, Message&, uint64_t tag, uint32_t) override {
    last = {consumer, tag};
    ++count;
  }
  void on_browsed(const ConsumerKey&) override {}
  void on_dead(Message&, DeadReason, uint32_t) override { CHECK(false); }

  std::pair<ConsumerKey, uint64_t> last;
  uint64_t count = 0;
};

ConsumerKey consumer_key(size_t number) {
  return {.home = 0,
          .client = {.slot = static_cast<uint32_t>(number), .generation = 1},
          .subscription = 0};
}

Message* make_message(std::string_view body, MessageProperties properties = {}) {
  return Message::create({.destination = "/queue/jobs",
                          .message_id = "",
                          .headers = {},
                          .body = {reinterpret_cast<const uint8_t*>(body.data()), body.size()},
                          .origin = {},
                          .properties = properties},
                         1);
}

struct BenchQueue {
  BenchQueue() {
    options.queue_messages_max = options.queue_bytes_max = SIZE_MAX / 2;
    options.queue_deliveries_max = UINT32_MAX;
  }
  ~BenchQueue() { message->drop_reference(); }

  void consume(size_t number, ConsumerOptions consumer_options) {
    queue.add_consumer(consumer_key(number), std::move(consumer_options), kNow);
  }
  void publish(Message* what) {
    what->add_references(1);
    queue.publish(what, kNow);
  }
  void publish(size_t count) {
    for (size_t n = 0; n < count; ++n) publish(message);
  }
  void ack(const std::pair<ConsumerKey, uint64_t>& delivery) {
    queue.settle(delivery.first, delivery.second, Settlement::kAck, false, kNow);
  }

  Options options;
  DeliverySink sink;
  Queue queue{"/queue/jobs", options, sink};
  Message* const message = make_message("a job");
};

void publish_deliver_ack(benchmark::State& state) {
  const auto consumers = static_cast<size_t>(state.range(0));
  const auto waiting = static_cast<size_t>(state.range(1));
  BenchQueue bench;
  std::deque<std::pair<ConsumerKey, uint64_t>> unsettled;
  for (size_t n = 0; n < consumers; ++n) {
    bench.consume(n, {.credit_messages = 1});
    if (waiting == 0) continue;
    bench.publish(1);
    unsettled.push_back(bench.sink.last);
  }
  bench.publish(waiting);
  const uint64_t before = bench.sink.count;
  for (auto _ : state) {
    bench.publish(bench.message);
    if (waiting == 0) unsettled.push_back(bench.sink.last);
    bench.ack(unsettled.front());
    unsettled.pop_front();
    if (waiting != 0) unsettled.push_back(bench.sink.last);
  }
  CHECK(bench.sink.count - before == static_cast<uint64_t>(state.iterations()));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(publish_deliver_ack)
    ->ArgNames({"consumers", "waiting"})
    ->ArgsProduct({{1, 100}, {0, 10'000}});

void publish_deliver_ack_mixed(benchmark::State& state) {
  BenchQueue bench;
  std::vector<Message*> messages;
  for (uint8_t n = 0; n < 10; ++n) {
    messages.push_back(make_message("a job", {.expires_at = kNow + 1'000 + n, .priority = n}));
  }
  for (int64_t n = 0; n < state.range(0); ++n) {
    bench.publish(messages[static_cast<size_t>(n) % messages.size()]);
  }
  bench.consume(0, {.credit_messages = 1});
  size_t next = 0;
  for (auto _ : state) {
    bench.publish(messages[next++ % messages.size()]);
    bench.ack(bench.sink.last);
  }
  CHECK(bench.sink.count == static_cast<uint64_t>(state.iterations()) + 1);
  state.SetItemsProcessed(state.iterations());
  for (Message* message : messages) message->drop_reference();
}
BENCHMARK(publish_deliver_ack_mixed)->ArgName("waiting")->Arg(10)->Arg(10'000);

class BodyFilter : public MessageFilter {
 public:
  explicit BodyFilter(char wanted) : wanted_(wanted) {}
  [[nodiscard]] bool takes(const Message& message) const override {
    return message.body().front() == static_cast<uint8_t>(wanted_);
  }

 private:
  const char wanted_;
};

void ack_with_filters(benchmark::State& state) {
  const auto consumers = static_cast<size_t>(state.range(0));
  BenchQueue bench;
  for (size_t n = 0; n < consumers; ++n) {
    const auto filter = std::make_shared<BodyFilter>(static_cast<char>('A' + n));
    bench.consume(n, {.credit_messages = 1, .filter = filter});
  }
  bench.publish(static_cast<size_t>(state.range(1)));  // "a job" is for nobody
  Message* const wanted = make_message(std::string(1, static_cast<char>('A' + consumers - 1)));
  for (auto _ : state) {
    bench.publish(wanted);
    bench.ack(bench.sink.last);
  }
  CHECK(bench.sink.count == static_cast<uint64_t>(state.iterations()));
  state.SetItemsProcessed(state.iterations());
  wanted->drop_reference();
}
BENCHMARK(ack_with_filters)
    ->ArgNames({"consumers", "waiting"})
    ->ArgsProduct({{1, 10}, {0, 10'000}});

void requeue(benchmark::State& state) {
  const auto unsettled = static_cast<uint32_t>(state.range(0));
  BenchQueue bench;
  bench.consume(0, {.credit_messages = unsettled});
  bench.publish(unsettled);
  for (auto _ : state) {
    const auto [key, tag] = bench.sink.last;
    bench.queue.settle(key, tag, Settlement::kRequeue, true, kNow);
  }
  CHECK(bench.sink.count == unsettled * (static_cast<uint64_t>(state.iterations()) + 1));
  state.SetItemsProcessed(state.iterations() * unsettled);
}
BENCHMARK(requeue)->ArgName("unsettled")->Arg(1'000);

void lose_consumer(benchmark::State& state) {
  const auto unsettled = static_cast<uint32_t>(state.range(0));
  BenchQueue bench;
  bench.publish(unsettled + static_cast<size_t>(state.range(1)));
  size_t number = 0;
  bench.consume(number, {.credit_messages = unsettled});
  for (auto _ : state) {
    bench.queue.remove_consumer(consumer_key(number++), kNow);
    bench.consume(number, {.credit_messages = unsettled});
  }
  CHECK(bench.sink.count == unsettled * (static_cast<uint64_t>(state.iterations()) + 1));
  state.SetItemsProcessed(state.iterations() * unsettled);
}
BENCHMARK(lose_consumer)->ArgNames({"unsettled", "waiting"})->ArgsProduct({{1'000}, {0, 100'000}});

}  // namespace
}  // namespace stampede::core
