#include "net/inbound_queue.h"

#include <gtest/gtest.h>

#include <deque>
#include <random>

namespace stampede::net {
namespace {

TEST(InboundQueue, AgreesWithAPlainQueueWhileItGrowsAndWraps) {
  InboundQueue queue;
  std::deque<uint32_t> model;
  std::mt19937 random(1);
  uint32_t next = 0;
  for (int step = 0; step < 200'000; ++step) {
    // The bias changes, so that it grows past its first size and empties again.
    const bool push = random() % 100 < (step / 20'000 % 2 == 0 ? 60u : 40u);
    if (push) {
      queue.push({.handle = next,
                  .length = next * 2,
                  .error = 0,
                  .buffer = 0,
                  .kind = InboundItem::Kind::kOctets});
      model.push_back(next++);
    } else if (!model.empty()) {
      ASSERT_FALSE(queue.is_empty());
      const InboundItem item = queue.pop();
      ASSERT_EQ(item.handle, model.front());
      ASSERT_EQ(item.length, model.front() * 2);
      model.pop_front();
    }
    ASSERT_EQ(queue.size(), model.size());
  }
}

}  // namespace
}  // namespace stampede::net
