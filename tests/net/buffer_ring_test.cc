#include "net/buffer_ring.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

namespace stampede::net {
namespace {

// One end of a socket pair under a multishot receive; the other is written to.
class BufferRingTest : public testing::Test {
 protected:
  static constexpr unsigned kCount = 4;
  static constexpr size_t kBytes = 64;

  void SetUp() override {
    auto ring = Ring::create(16, 64);
    ASSERT_TRUE(ring.has_value()) << ring.error();
    ring_ = std::move(*ring);
    auto buffers = BufferRing::create(*ring_, kCount, kBytes);
    ASSERT_TRUE(buffers.has_value()) << buffers.error();
    buffers_ = std::move(*buffers);
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair_.data()), 0);
    arm();
  }

  void TearDown() override {
    close(pair_[1]);
    collect();
    close(pair_[0]);
  }

  void arm() {
    io_uring_sqe* const sqe = ring_->get_sqe();
    io_uring_prep_recv_multishot(sqe, pair_[0], nullptr, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = kReceiveBufferGroup;
    ring_->submit();
  }

  void write(const std::string& text) {
    ASSERT_EQ(::write(pair_[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

  // What arrived; leaves the buffers taken.
  std::string collect() {
    std::string text;
    ring_->submit();
    ring_->reap(SIZE_MAX, [&](const Completion& completion) {
      last_result_ = completion.result;
      ended_ = ended_ || !completion.has_more();
      if (!completion.has_buffer()) return;
      const auto data = buffers_->take(completion.buffer(), static_cast<size_t>(completion.result));
      text.append(data.begin(), data.end());
      taken_.push_back(completion.buffer());
    });
    return text;
  }

  void give_back() {
    for (const uint16_t buffer : taken_) buffers_->recycle(buffer);
    taken_.clear();
    buffers_->publish();
  }

  std::unique_ptr<Ring> ring_;
  std::unique_ptr<BufferRing> buffers_;
  std::array<int, 2> pair_ = {-1, -1};
  std::vector<uint16_t> taken_;
  int last_result_ = 0;
  bool ended_ = false;
};

TEST_F(BufferRingTest, CutsTheStreamIntoBuffers) {
  write(std::string(kBytes, 'a') + "b");
  EXPECT_EQ(collect(), std::string(kBytes, 'a') + "b");
  EXPECT_EQ(taken_.size(), 2u);
  EXPECT_EQ(buffers_->available(), kCount - 2);
}

TEST_F(BufferRingTest, ServesManyTimesItsSize) {
  // More than 65536 buffers, so that the 16-bit tail wraps.
  for (int i = 0; i < 70'000; ++i) {
    const std::string text = std::to_string(i);
    write(text);
    ASSERT_EQ(collect(), text);
    give_back();
    ASSERT_EQ(buffers_->available(), kCount);
  }
  EXPECT_FALSE(ended_);
}

TEST_F(BufferRingTest, RunsDryWithoutLosingOctets) {
  std::string sent;
  for (char c = 'a'; c < 'a' + 6; ++c) sent += std::string(kBytes, c);
  write(sent);
  std::string received = collect();
  EXPECT_TRUE(ended_);
  EXPECT_EQ(last_result_, -ENOBUFS);
  EXPECT_EQ(buffers_->available(), 0u);
  give_back();
  arm();
  received += collect();
  EXPECT_EQ(received, sent);
}

TEST_F(BufferRingTest, KeepsUnpublishedBuffersFromTheKernel) {
  write(std::string(kCount * kBytes, 'x'));
  collect();
  for (const uint16_t buffer : taken_) buffers_->recycle(buffer);
  EXPECT_EQ(buffers_->available(), 0u);
  buffers_->publish();
  EXPECT_EQ(buffers_->available(), kCount);
}

#ifndef NDEBUG
// What the kernel owns is not ours to touch.
class BufferRingDeathTest : public BufferRingTest {
 protected:
  // A forked child would not have the ring.
  BufferRingDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }

  // The first octet of a buffer that was ours and is the kernel's again.
  uint8_t* octet_of_the_kernels() {
    write("x");
    collect();
    auto* const octet = const_cast<uint8_t*>(buffers_->octets(taken_[0], 1).data());
    give_back();
    return octet;
  }
};

TEST_F(BufferRingDeathTest, DiesOfAWriteIntoABufferThatIsTheKernels) {
  uint8_t* const octet = octet_of_the_kernels();
#ifdef __SANITIZE_ADDRESS__
  EXPECT_DEATH(*octet = 1, "use-after-poison");
#else
  EXPECT_DEATH(
      {
        // Behind what the kernel fills in next.
        octet[kBytes - 1] = 1;
        for (unsigned i = 0; i < kCount; ++i) {
          write("y");
          collect();
        }
      },
      "CHECK failed");
#endif
}

TEST_F(BufferRingDeathTest, ShowsNobodyWhatWasInABufferThatIsTheKernels) {
  [[maybe_unused]] uint8_t* const octet = octet_of_the_kernels();
#ifdef __SANITIZE_ADDRESS__
  EXPECT_DEATH({ [[maybe_unused]] const uint8_t read = *static_cast<volatile uint8_t*>(octet); },
               "use-after-poison");
#else
  EXPECT_NE(*octet, 'x');
#endif
}

#ifdef __SANITIZE_ADDRESS__
TEST_F(BufferRingDeathTest, DiesOfAReadBehindWhatTheKernelFilled) {
  write("x");
  collect();
  const volatile uint8_t* const octets = buffers_->octets(taken_[0], 1).data();
  EXPECT_DEATH({ [[maybe_unused]] const uint8_t read = octets[1]; }, "use-after-poison");
}
#endif
#endif

}  // namespace
}  // namespace stampede::net
