// What crossing shards costs. Workloads:
//
//   ring_push_and_drain/batch     SpscRing<Envelope> in one thread: push so many, publish, pop all.
//   mailbox_push_and_drain/batch  the same through Mailbox; 8192 is twice what its ring holds, so
//   half
//                                 of them go through the overflow.
//   mailbox_to_thread/batch       posted here, taken by another thread, which does nothing else.
//   mailbox_round_trip            an envelope there and one back, both threads looking all the
//   time. wake_awake                    Wakeup::wake() of a thread that is awake: a fence and a
//   load. wake_asleep                   announce sleep, wake, consume, in one thread: the two
//   system calls. wake_round_trip               two threads that sleep in poll(2) and wake each
//   other; half of it is
//                                 what a wake-up adds to the latency of a message.
//
// With two threads the time is that of the clock, and on a machine that does something else it is
// the scheduler's.

#include <benchmark/benchmark.h>
#include <poll.h>

#include <atomic>
#include <cstdint>
#include <thread>

#include "core/envelope.h"
#include "core/mailbox.h"
#include "core/spsc_ring.h"
#include "net/wakeup.h"
#include "proto/base/cache_line.h"
#include "proto/base/check.h"

namespace stampede::bench {
namespace {

constexpr size_t kSlots = 4096;

// Looks again and again, and lets others run where there are fewer CPUs than threads.
class Patience {
 public:
  void wait() {
    if (++looks_ % 1024 == 0) std::this_thread::yield();
  }

 private:
  uint32_t looks_ = 0;
};

void ring_push_and_drain(benchmark::State& state) {
  core::SpscRing<core::Envelope> ring(kSlots);
  core::Envelope envelope = {.kind = core::EnvelopeKind::kPublished};
  for (auto _ : state) {
    for (int64_t n = 0; n < state.range(0); ++n) {
      envelope.token = static_cast<uint64_t>(n);
      benchmark::DoNotOptimize(ring.try_push(envelope));
    }
    ring.publish();
    core::Envelope taken;
    while (ring.try_pop(taken)) benchmark::DoNotOptimize(taken);
    CHECK(taken.token + 1 == static_cast<uint64_t>(state.range(0)));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(ring_push_and_drain)->ArgName("batch")->Arg(1)->Arg(16)->Arg(256);

void mailbox_push_and_drain(benchmark::State& state) {
  core::Mailbox mailbox(kSlots);
  core::Envelope envelope = {.kind = core::EnvelopeKind::kPublished};
  for (auto _ : state) {
    for (int64_t n = 0; n < state.range(0); ++n) {
      envelope.token = static_cast<uint64_t>(n);
      benchmark::DoNotOptimize(mailbox.post(envelope));
    }
    core::Envelope taken;
    while (mailbox.publish()) {
      while (mailbox.take(taken)) benchmark::DoNotOptimize(taken);
    }
    CHECK(taken.token + 1 == static_cast<uint64_t>(state.range(0)));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(mailbox_push_and_drain)->ArgName("batch")->Arg(1)->Arg(16)->Arg(256)->Arg(8'192);

void mailbox_to_thread(benchmark::State& state) {
  core::Mailbox mailbox(kSlots);
  std::atomic<bool> is_over = false;
  uint64_t taken_count = 0;
  std::thread consumer([&] {
    Patience patience;
    core::Envelope taken;
    while (true) {
      // Looked at first: what was posted before it was set is found below.
      const bool is_last_look = is_over.load(std::memory_order_acquire);
      while (mailbox.take(taken)) ++taken_count;
      if (is_last_look) return;
      patience.wait();
    }
  });

  Patience patience;
  for (auto _ : state) {
    for (int64_t n = 0; n < state.range(0); ++n) {
      benchmark::DoNotOptimize(mailbox.post({.kind = core::EnvelopeKind::kPublished}));
    }
    mailbox.publish();
    while (mailbox.is_congested()) {
      patience.wait();
      mailbox.publish();
    }
  }
  is_over.store(true, std::memory_order_release);
  consumer.join();
  CHECK(taken_count == static_cast<uint64_t>(state.iterations() * state.range(0)));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(mailbox_to_thread)->ArgName("batch")->Arg(1)->Arg(16)->Arg(256)->UseRealTime();

void mailbox_round_trip(benchmark::State& state) {
  core::Mailbox there(kSlots);
  core::Mailbox back(kSlots);
  constexpr uint64_t kEnd = UINT64_MAX;
  std::thread peer([&] {
    Patience patience;
    core::Envelope envelope;
    while (true) {
      while (!there.take(envelope)) patience.wait();
      if (envelope.token == kEnd) return;
      (void)back.post(envelope);
      back.publish();
    }
  });

  Patience patience;
  uint64_t token = 0;
  for (auto _ : state) {
    (void)there.post({.kind = core::EnvelopeKind::kPublished, .token = ++token});
    there.publish();
    core::Envelope answer;
    while (!back.take(answer)) patience.wait();
    CHECK(answer.token == token);
  }
  (void)there.post({.kind = core::EnvelopeKind::kPublished, .token = kEnd});
  there.publish();
  peer.join();
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(mailbox_round_trip)->UseRealTime();

void wake_awake(benchmark::State& state) {
  net::Wakeup wakeup;
  CHECK(wakeup.is_open());
  bool was_asleep = false;
  for (auto _ : state) {
    was_asleep |= wakeup.wake();
    benchmark::DoNotOptimize(was_asleep);
  }
  CHECK(!was_asleep);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(wake_awake);

void wake_asleep(benchmark::State& state) {
  net::Wakeup wakeup;
  CHECK(wakeup.is_open());
  for (auto _ : state) {
    wakeup.prepare_sleep();
    CHECK(wakeup.wake());
    wakeup.finish_sleep();
    wakeup.consume();
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(wake_asleep);

// Two threads take turns; who has none sleeps.
struct Turns {
  alignas(kNoSharingBytes) std::atomic<uint64_t> count = 0;
  net::Wakeup even;
  net::Wakeup odd;

  void sleep_until(uint64_t turn, net::Wakeup& own) {
    // acquire: what the peer did in its turn is visible in the next one.
    while (count.load(std::memory_order_acquire) < turn) {
      own.prepare_sleep();
      if (count.load(std::memory_order_acquire) < turn) {
        pollfd waits = {.fd = own.fd(), .events = POLLIN, .revents = 0};
        CHECK(poll(&waits, 1, -1) == 1);
        own.consume();
      }
      own.finish_sleep();
    }
  }
  void pass_on(uint64_t turn, net::Wakeup& peer) {
    count.store(turn, std::memory_order_release);
    (void)peer.wake();
  }
};

void wake_round_trip(benchmark::State& state) {
  Turns turns;
  CHECK(turns.even.is_open() && turns.odd.is_open());
  constexpr uint64_t kEnd = uint64_t{1} << 63;
  std::thread peer([&] {
    for (uint64_t turn = 1;; turn += 2) {
      turns.sleep_until(turn, turns.odd);
      if (turns.count.load(std::memory_order_acquire) >= kEnd) return;
      turns.pass_on(turn + 1, turns.even);
    }
  });

  uint64_t turn = 0;
  for (auto _ : state) {
    turns.pass_on(turn + 1, turns.odd);
    turn += 2;
    turns.sleep_until(turn, turns.even);
  }
  turns.pass_on(kEnd, turns.odd);
  peer.join();
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(wake_round_trip)->UseRealTime();

}  // namespace
}  // namespace stampede::bench
