#include "core/reply_queue.h"

#include <gtest/gtest.h>

#include <deque>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace stampede::core {
namespace {

using Ids = std::vector<std::string>;

Ids release(ReplyQueue& queue) {
  Ids ids;
  queue.release(
      [&](std::string_view id, std::optional<uint64_t> subscriptions, std::string_view lines) {
        ids.emplace_back(id);
        if (subscriptions) ids.back() += "=" + std::to_string(*subscriptions);
        ids.back() += lines;
      });
  return ids;
}

TEST(ReplyQueue, IsDueAfterAllItsParts) {
  ReplyQueue queue;
  const uint32_t ticket = queue.add("r", 2);
  queue.complete(ticket);
  EXPECT_EQ(release(queue), Ids{});
  queue.complete(ticket);
  EXPECT_EQ(release(queue), Ids{"r"});
}

TEST(ReplyQueue, WaitsForTheReportsOfWhatItCounts) {
  ReplyQueue queue;
  const uint32_t ticket = queue.add("r");
  queue.count_subscriptions(ticket);
  queue.report(ticket, 3);  // before it is known how many come
  EXPECT_EQ(release(queue), Ids{});
  queue.expect_reports(ticket, 2);
  queue.complete(ticket);
  EXPECT_EQ(release(queue), Ids{});
  queue.report(ticket, 4);
  EXPECT_EQ(release(queue), Ids{"r=7"});
}

TEST(ReplyQueue, GivesBackTheTextOfWhatIsCancelledAndGoesOn) {
  ReplyQueue queue;
  (void)queue.add("first");
  const uint32_t ticket = queue.add("second", 3);
  const uint32_t last = queue.add("third");
  EXPECT_EQ(queue.cancel(ticket), "second");
  queue.complete(last);
  EXPECT_EQ(release(queue), Ids{});
  queue.complete(ticket - 1);
  EXPECT_EQ(release(queue), (Ids{"first", "third"}));
  EXPECT_EQ(queue.cancel(ticket), std::nullopt);
}

TEST(ReplyQueue, GivesARepliesTextOnceItsWorkIsDone) {
  ReplyQueue queue;
  const uint32_t ticket = queue.add("r1");
  EXPECT_NE(ticket, 0u);
  EXPECT_EQ(release(queue), Ids{});
  queue.complete(ticket);
  EXPECT_EQ(release(queue), Ids{"r1"});
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(release(queue), Ids{});
}

TEST(ReplyQueue, KeepsTheOrderOfTheFrames) {
  ReplyQueue queue;
  const uint32_t first = queue.add("1");
  const uint32_t second = queue.add("2");
  const uint32_t third = queue.add("3");
  queue.complete(third);
  queue.complete(second);
  EXPECT_EQ(release(queue), Ids{});
  EXPECT_EQ(queue.size(), 3u);
  queue.complete(first);
  EXPECT_EQ(release(queue), (Ids{"1", "2", "3"}));
  EXPECT_EQ(queue.size(), 0u);
}

TEST(ReplyQueue, GivesWhatWasNotedWithItsReplyOnly) {
  ReplyQueue queue;
  const uint32_t first = queue.add("1");
  const uint32_t second = queue.add("2");
  const uint32_t third = queue.add("3");
  queue.note(third, "|c");
  queue.note(first, "|a");
  queue.note(0, "|x");
  queue.complete(first);
  EXPECT_EQ(release(queue), Ids{"1|a"});
  queue.complete(second);
  queue.complete(third);
  EXPECT_EQ(release(queue), (Ids{"2", "3|c"}));
  queue.complete(queue.add("4"));
  EXPECT_EQ(release(queue), Ids{"4"});
}

TEST(ReplyQueue, KeepsAnEmptyText) {
  ReplyQueue queue;
  queue.complete(queue.add(""));
  EXPECT_EQ(release(queue), Ids{""});
}

TEST(ReplyQueue, IgnoresTicketsThatItDoesNotKnow) {
  ReplyQueue queue;
  queue.complete(1);
  const uint32_t ticket = queue.add("r");
  queue.complete(0);
  queue.complete(ticket + 1);
  queue.complete(ticket - 1);
  EXPECT_EQ(release(queue), Ids{});
  queue.complete(ticket);
  EXPECT_EQ(release(queue), Ids{"r"});
  queue.complete(ticket);
  EXPECT_EQ(release(queue), Ids{});
}

TEST(ReplyQueue, BehavesAsAListOfTextsWithMarks) {
  struct Reply {
    std::string id;
    uint32_t ticket;
    bool is_done;
  };
  std::mt19937 random(11);
  ReplyQueue queue;
  std::deque<Reply> model;
  for (int n = 0; n < 20'000; ++n) {
    if (random() % 5 < 2 && model.size() < 50) {
      const std::string id = std::to_string(n);
      model.push_back({id, queue.add(id), false});
    } else if (!model.empty()) {
      Reply& reply = model[random() % model.size()];
      reply.is_done = true;
      queue.complete(reply.ticket);
    }
    Ids expected;
    if (random() % 3 == 0) {
      while (!model.empty() && model.front().is_done) {
        expected.push_back(model.front().id);
        model.pop_front();
      }
      ASSERT_EQ(release(queue), expected);
    }
    ASSERT_EQ(queue.size(), model.size());
    ASSERT_EQ(queue.empty(), model.empty());
  }
}

}  // namespace
}  // namespace stampede::core
