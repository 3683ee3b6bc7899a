#include "net/ring.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <set>
#include <vector>

namespace stampede::net {
namespace {

std::unique_ptr<Ring> make_ring(unsigned submissions, unsigned completions) {
  auto ring = Ring::create(submissions, completions);
  EXPECT_TRUE(ring.has_value()) << ring.error();
  return std::move(*ring);
}

void prep_nop(Ring& ring, uint32_t number) {
  io_uring_sqe* const sqe = ring.get_sqe();
  io_uring_prep_nop(sqe);
  sqe->user_data = OpTag{.op = Op::kSend, .handle = number, .generation = 7}.encode();
}

std::vector<uint32_t> reap_handles(Ring& ring, size_t max = SIZE_MAX) {
  std::vector<uint32_t> handles;
  ring.reap(max,
            [&](const Completion& c) { handles.push_back(OpTag::decode(c.user_data).handle); });
  return handles;
}

TEST(OpTag, ComesBackFromUserData) {
  const OpTag tag = OpTag::decode(
      OpTag{.op = Op::kCancel, .handle = 0xffff'fffe, .generation = 0xabcdef}.encode());
  EXPECT_EQ(tag.op, Op::kCancel);
  EXPECT_EQ(tag.handle, 0xffff'fffe);
  EXPECT_EQ(tag.generation, 0xabcdefu);
}

TEST(OpTag, CutsTheGenerationTo24Bits) {
  EXPECT_EQ(OpTag::decode(OpTag{.op = Op::kSend, .handle = 1, .generation = 0x1000001}.encode())
                .generation,
            1u);
}

TEST(Ring, CompletesInOrder) {
  auto ring = make_ring(8, 64);
  for (uint32_t i = 0; i < 5; ++i) prep_nop(*ring, i);
  EXPECT_TRUE(ring->has_submissions());
  ring->submit();
  EXPECT_FALSE(ring->has_submissions());
  EXPECT_EQ(reap_handles(*ring), (std::vector<uint32_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(ring->counters().completions, 5u);
}

TEST(Ring, ReapsNoMoreThanAsked) {
  auto ring = make_ring(8, 64);
  for (uint32_t i = 0; i < 5; ++i) prep_nop(*ring, i);
  ring->submit();
  EXPECT_EQ(reap_handles(*ring, 2), (std::vector<uint32_t>{0, 1}));
  EXPECT_TRUE(ring->has_completions());
  EXPECT_EQ(reap_handles(*ring), (std::vector<uint32_t>{2, 3, 4}));
  EXPECT_FALSE(ring->has_completions());
}

TEST(Ring, SubmitsByItselfWhenTheSubmissionQueueIsFull) {
  auto ring = make_ring(4, 64);
  for (uint32_t i = 0; i < 20; ++i) prep_nop(*ring, i);
  ring->submit();
  EXPECT_EQ(reap_handles(*ring).size(), 20u);
}

TEST(Ring, LosesNothingWhenTheCompletionQueueOverflows) {
  auto ring = make_ring(4, 8);
  constexpr uint32_t kOperations = 1000;
  for (uint32_t i = 0; i < kOperations; ++i) prep_nop(*ring, i);
  std::set<uint32_t> seen;
  for (int turn = 0; turn < 1000 && seen.size() < kOperations; ++turn) {
    ring->submit();
    for (const uint32_t handle : reap_handles(*ring))
      EXPECT_TRUE(seen.insert(handle).second) << handle;
  }
  EXPECT_EQ(seen.size(), kOperations);
}

TEST(Ring, MayBeSubmittedFromACompletion) {
  auto ring = make_ring(4, 8);
  for (uint32_t i = 0; i < 4; ++i) prep_nop(*ring, i);
  ring->submit();
  uint32_t next = 4;
  size_t seen = 0;
  for (int turn = 0; turn < 200 && seen < 100; ++turn) {
    ring->reap(SIZE_MAX, [&](const Completion&) {
      ++seen;
      for (int i = 0; i < 2 && next < 100; ++i) prep_nop(*ring, next++);
    });
    ring->submit();
  }
  EXPECT_EQ(seen, 100u);
}

TEST(Ring, WaitEndsWithTheTime) {
  auto ring = make_ring(4, 8);
  ring->submit_and_wait(1'000'000);
  EXPECT_FALSE(ring->has_completions());
  EXPECT_EQ(ring->counters().submit_refused, 0u);
}

TEST(Ring, WaitEndsWithACompletion) {
  auto ring = make_ring(4, 8);
  prep_nop(*ring, 3);
  ring->submit_and_wait(10'000'000'000);
  EXPECT_EQ(reap_handles(*ring), (std::vector<uint32_t>{3}));
}

TEST(Ring, ABadOperationDoesNotHoldTheOthersBack) {
  auto ring = make_ring(8, 64);
  prep_nop(*ring, 0);
  io_uring_sqe* const bad = ring->get_sqe();
  io_uring_prep_send(bad, -1, "x", 1, 0);
  bad->user_data = OpTag{.op = Op::kSend, .handle = 1}.encode();
  prep_nop(*ring, 2);
  ring->submit();
  int failures = 0;
  const size_t seen =
      ring->reap(SIZE_MAX, [&](const Completion& c) { failures += c.result == -EBADF; });
  EXPECT_EQ(seen, 3u);
  EXPECT_EQ(failures, 1);
}

}  // namespace
}  // namespace stampede::net
