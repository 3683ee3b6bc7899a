#include "net/send_watch.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>

namespace stampede::net {
namespace {

#ifdef NDEBUG
constexpr bool kWatches = false;
#else
constexpr bool kWatches = true;
#endif

// One connection with a send of two spans.
class SendWatchTest : public testing::Test {
 protected:
  SendWatchTest() {
    if (!kWatches) return;
    watch_.begin(7, spans_);
  }

  void SetUp() override {
    if (!kWatches) GTEST_SKIP() << "release builds watch nothing";
  }

  std::string first_ = "MESSAGE";
  std::string second_ = "body";
  std::array<core::SendSpan, 2> spans_ = {core::SendSpan{first_.data(), first_.size()},
                                          {second_.data(), second_.size()}};
  SendWatch watch_;
};
using SendWatchDeathTest = SendWatchTest;

TEST_F(SendWatchTest, IsContentIfNothingChanges) {
  watch_.end(7);
  // The next send of the connection may be of other octets.
  first_ = "RECEIPT";
  watch_.begin(7, spans_);
  watch_.end(7);
}

TEST_F(SendWatchTest, TellsConnectionsApart) {
  const std::string other = "other";
  watch_.begin(8, std::array{core::SendSpan{other.data(), other.size()}});
  watch_.end(7);
  first_ = "changed";
  watch_.end(8);
}

TEST_F(SendWatchDeathTest, DiesOfOneOctetThatChangedInFlight) {
  second_.back() = '!';
  EXPECT_DEATH(watch_.end(7), "is_as_it_was");
}

TEST_F(SendWatchDeathTest, DiesOfASecondSendOfAConnection) {
  EXPECT_DEATH(watch_.begin(7, spans_), "CHECK failed");
}

TEST_F(SendWatchDeathTest, DiesOfACompletionOfNoSend) {
  EXPECT_DEATH(watch_.end(8), "CHECK failed");
}

#ifdef __SANITIZE_ADDRESS__
TEST_F(SendWatchDeathTest, DiesOfMemoryThatWasFreedInFlight) {
  auto freed = std::make_unique<std::string>(100, 'x');
  watch_.begin(9, std::array{core::SendSpan{freed->data(), freed->size()}});
  freed.reset();
  EXPECT_DEATH(watch_.end(9), "heap-use-after-free");
}
#endif

}  // namespace
}  // namespace stampede::net
