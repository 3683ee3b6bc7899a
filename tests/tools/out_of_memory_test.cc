#include "tools/stampede/out_of_memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <string>

#include "tests/net/server_fixture.h"

namespace {

// How many allocations of other threads than the first still succeed.
std::atomic<int64_t> allocations_left = INT64_MAX;

// relaxed: which of two threads gets the last one is chance.
bool may_allocate() {
  return getpid() == gettid() || allocations_left.fetch_sub(1, std::memory_order_relaxed) > 0;
}

}  // namespace

// As the library's, with a limit. Not inlined, or g++ takes the free() for one too few.
[[gnu::noinline]] void* operator new(size_t size) {
  while (true) {
    void* const memory = may_allocate() ? std::malloc(size) : nullptr;
    if (memory != nullptr) return memory;
    const std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
  }
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t /*size*/) noexcept {
  std::free(memory);
}

namespace stampede::tools {
namespace {

// The shards of a broker get so many allocations from now on.
class OutOfMemoryDeathTest : public net::ServerFixture,
                             public testing::WithParamInterface<int64_t> {
 protected:
  OutOfMemoryDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }

  void work_until_it_ends() {
    end_when_out_of_memory();
    start(2);
    net::Peer subscriber(port_);
    subscriber.connect();
    subscriber.subscribe("/topic/a");
    net::Peer publisher(port_);
    publisher.connect();
    allocations_left = GetParam();
    const std::string message = net::message_to("/topic/a", std::string(1'000, 'x'));
    for (int n = 0; n < 100'000; ++n) publisher.send(message);
  }
};

// Whichever it is that fails.
INSTANTIATE_TEST_SUITE_P(Allocations, OutOfMemoryDeathTest,
                         testing::Values(0, 1, 2, 3, 5, 10, 30, 100, 1'000));

TEST_P(OutOfMemoryDeathTest, EndsTheProgramWithALineThatSaysSo) {
  EXPECT_EXIT(work_until_it_ends(), testing::KilledBySignal(SIGABRT), "out of memory: .*--max-");
}

}  // namespace
}  // namespace stampede::tools
