#include "core/queue.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/core/queue_recorder.h"

namespace stampede::core {
namespace {

using tests::consumer_key;
using tests::make_queue_message;
using tests::NameFilter;
using tests::QueueMessageParts;
using tests::QueueRecorder;
using Words = std::vector<std::string>;

constexpr uint32_t kMuch = 1000;  // credit that does not run out

class QueueOf : public ::testing::Test {
 protected:
  void publish(std::string_view name, const QueueMessageParts& parts = {}) {
    queue_.publish(make_queue_message(name, parts), now_);
  }
  void publish_each(std::string_view names, const QueueMessageParts& parts = {}) {
    for (const char name : names) publish({&name, 1}, parts);
  }
  void consume(uint32_t consumer, ConsumerOptions options) {
    queue_.add_consumer(consumer_key(consumer), std::move(options), now_);
  }
  void consume(uint32_t consumer, uint32_t credit = kMuch) {
    consume(consumer, {.credit_messages = credit});
  }
  void leave(uint32_t consumer) { queue_.remove_consumer(consumer_key(consumer), now_); }
  size_t settle(uint32_t consumer, const std::string& name, Settlement how = Settlement::kAck,
                bool is_cumulative = false) {
    return queue_.settle(consumer_key(consumer), recorder_.tag(consumer, name), how, is_cumulative,
                         now_);
  }
  size_t settle_to(uint32_t consumer, const std::string& name, Settlement how = Settlement::kAck) {
    return settle(consumer, name, how, true);
  }
  void pass(Millis time) { queue_.run(now_ += time); }
  Words said() { return recorder_.take(); }

  Options options_;
  QueueRecorder recorder_;
  Queue queue_{"/queue/a", options_, recorder_};
  Millis now_ = 1'000;
};

// -- Order, and one message to one consumer.

TEST_F(QueueOf, HandsOutInTheOrderOfPublishing) {
  publish_each("ab");
  consume(1);
  publish_each("c");
  EXPECT_EQ(said(), (Words{"1:a", "1:b", "1:c"}));
  EXPECT_EQ(queue_.unsettled(), 3u);
  EXPECT_EQ(settle(1, "a") + settle(1, "c") + settle(1, "b"), 3u);
  EXPECT_EQ(queue_.messages(), 0u);
  EXPECT_EQ(queue_.bytes(), 0u);
}

TEST_F(QueueOf, GivesOneMessageToOneConsumerInTurns) {
  for (const uint32_t consumer : {1u, 2u, 3u}) consume(consumer);
  publish_each("abcd");
  EXPECT_EQ(said(), (Words{"1:a", "2:b", "3:c", "1:d"}));
}

TEST_F(QueueOf, PassesOverConsumersWithoutCredit) {
  consume(1, 1);
  consume(2);
  publish_each("abc");
  EXPECT_EQ(said(), (Words{"1:a", "2:b", "2:c"}));
  settle(1, "a");
  publish_each("de");
  EXPECT_EQ(said(), (Words{"2:d", "1:e"}));
}

TEST_F(QueueOf, GivesUpToTheCreditAndNotOneMore) {
  consume(1, 2);
  publish_each("abcd");
  EXPECT_EQ(said(), (Words{"1:a", "1:b"}));
  EXPECT_EQ(queue_.waiting(), 2u);
  settle(1, "b");
  EXPECT_EQ(said(), Words{"1:c"});
}

TEST_F(QueueOf, TakesNoCreditForOne) {
  consume(1, 0);
  publish_each("ab");
  EXPECT_EQ(said(), Words{"1:a"});
}

TEST_F(QueueOf, GivesBodyOctetsUpToTheCreditAndNotOneMore) {
  consume(1, {.credit_messages = kMuch, .credit_bytes = 4});
  publish("aa");
  publish("bb");
  publish("c");
  EXPECT_EQ(said(), (Words{"1:aa", "1:bb"}));
  settle(1, "aa");
  EXPECT_EQ(said(), Words{"1:c"});
}

TEST_F(QueueOf, GivesABodyOfAnySizeToWhoHasNothingElse) {
  consume(1, {.credit_messages = kMuch, .credit_bytes = 0});
  publish("aaaaa");
  publish("b");
  EXPECT_EQ(said(), Words{"1:aaaaa"});
  settle(1, "aaaaa");
  EXPECT_EQ(said(), Words{"1:b"});
}

TEST_F(QueueOf, DoesNotPutSmallMessagesBeforeOneThatHasNoRoom) {
  consume(1, {.credit_messages = kMuch, .credit_bytes = 4});
  for (const char* name : {"aaa", "b", "ccc", "d"}) publish(name);
  EXPECT_EQ(said(), (Words{"1:aaa", "1:b"}));
  settle(1, "b");
  EXPECT_EQ(said(), Words{});
  settle(1, "aaa");
  EXPECT_EQ(said(), (Words{"1:ccc", "1:d"}));
}

TEST_F(QueueOf, PrefersConsumersOfHigherPriorityWhileTheyHaveCredit) {
  consume(1, {.credit_messages = kMuch, .priority = -1});
  consume(2, {.credit_messages = 1, .priority = 5});
  consume(3, {.credit_messages = 1, .priority = 5});
  publish_each("abc");
  EXPECT_EQ(said(), (Words{"2:a", "3:b", "1:c"}));
  settle(3, "b");
  publish_each("d");
  EXPECT_EQ(said(), Words{"3:d"});
}

TEST_F(QueueOf, LetsHigherPrioritiesPass) {
  publish("low", {.priority = 0});
  publish("a");
  publish("high", {.priority = 9});
  publish("b");
  publish("beyond", {.priority = 200});
  consume(1);
  EXPECT_EQ(said(), (Words{"1:high", "1:beyond", "1:a", "1:b", "1:low"}));
}

// -- Settling.

TEST_F(QueueOf, SettlesAllUpToATagIfCumulative) {
  consume(1);
  publish_each("abcd");
  EXPECT_EQ(settle(1, "b"), 1u);
  EXPECT_EQ(settle_to(1, "c"), 2u);
  EXPECT_EQ(queue_.unsettled(), 1u);
  EXPECT_EQ(settle_to(1, "c"), 0u);
  EXPECT_EQ(settle_to(1, "d"), 1u);
}

TEST_F(QueueOf, IgnoresUnknownTagsAndConsumers) {
  consume(1);
  publish_each("ab");
  EXPECT_EQ(queue_.settle(consumer_key(1), 0, Settlement::kAck, true, now_), 0u);
  EXPECT_EQ(queue_.settle(consumer_key(1), 3, Settlement::kAck, true, now_), 0u);
  EXPECT_EQ(queue_.settle(consumer_key(1), 3, Settlement::kAck, false, now_), 0u);
  EXPECT_EQ(queue_.settle(consumer_key(2), 1, Settlement::kAck, false, now_), 0u);
  EXPECT_EQ(settle(1, "a") + settle(1, "a"), 1u);
  leave(2);
  EXPECT_EQ(queue_.unsettled(), 1u);
}

TEST_F(QueueOf, NumbersTheTagsOfEachConsumerFromOne) {
  consume(1);
  consume(2);
  publish_each("abcd");
  EXPECT_EQ(recorder_.tag(1, "a"), 1u);
  EXPECT_EQ(recorder_.tag(2, "b"), 1u);
  EXPECT_EQ(recorder_.tag(2, "d"), 2u);
}

TEST_F(QueueOf, PutsWhatIsRequeuedBackToItsPlace) {
  publish_each("abcde");
  consume(1, 3);
  (void)said();
  settle(1, "b", Settlement::kRequeue);
  EXPECT_EQ(said(), Words{"1:b(1)"});
  leave(1);
  consume(2);
  EXPECT_EQ(said(), (Words{"2:a(1)", "2:b(2)", "2:c(1)", "2:d", "2:e"}));
}

TEST_F(QueueOf, RequeuesTogetherInOrder) {
  publish_each("abcde");
  consume(1, 3);
  (void)said();
  EXPECT_EQ(settle_to(1, "c", Settlement::kRequeue), 3u);
  EXPECT_EQ(said(), (Words{"1:a(1)", "1:b(1)", "1:c(1)"}));
}

TEST_F(QueueOf, MergesWhatComesBackWithWhatWaits) {
  publish_each("abc");
  consume(1, 3);
  publish_each("d");
  consume(2, 1);
  publish_each("e");
  (void)said();
  leave(1);
  settle(2, "d");
  for (const char* name : {"a", "b", "c"}) settle(2, name);
  EXPECT_EQ(said(), (Words{"2:a(1)", "2:b(1)", "2:c(1)", "2:e"}));
}

TEST_F(QueueOf, DoesNotCountWhatAConsumerThatLeftWasNeverGiven) {
  publish_each("ab");
  consume(1);
  queue_.remove_consumer(consumer_key(1), now_, recorder_.tag(1, "b"));
  (void)said();
  consume(2);
  EXPECT_EQ(said(), (Words{"2:a(1)", "2:b"}));
}

TEST_F(QueueOf, DoesNotCountWhatIsReturned) {
  publish_each("ab");
  consume(1, 1);
  settle(1, "a", Settlement::kReturn);
  EXPECT_EQ(said(), (Words{"1:a", "1:a"}));
}

TEST_F(QueueOf, BuriesWhatIsRejected) {
  publish_each("ab");
  consume(1, 1);
  settle(1, "a", Settlement::kReject);
  EXPECT_EQ(said(), (Words{"1:a", "dead:a:rejected(1)", "1:b"}));
  EXPECT_EQ(queue_.messages(), 1u);
}

TEST_F(QueueOf, BuriesAtTheDeliveryLimitAndNotOneBefore) {
  options_.queue_deliveries_max = 3;
  publish_each("a");
  consume(1);
  settle(1, "a", Settlement::kRequeue);
  settle(1, "a", Settlement::kReturn);
  leave(1);
  consume(1);
  EXPECT_EQ(said(), (Words{"1:a", "1:a(1)", "1:a(1)", "1:a(2)"}));
  leave(1);
  EXPECT_EQ(said(), Words{"dead:a:delivery-limit(3)"});
  EXPECT_TRUE(queue_.is_idle());
}

TEST_F(QueueOf, GivesWhatAConsumerLeavesToTheOthersInOrder) {
  consume(1, 3);
  publish_each("abc");
  consume(2);
  consume(3, 1);
  (void)said();
  leave(1);
  EXPECT_EQ(said(), (Words{"2:a(1)", "3:b(1)", "2:c(1)"}));
}

// -- Time.

TEST_F(QueueOf, BuriesWhatExpiresWhileItWaits) {
  publish("a", {.expires_at = now_ + 10});
  EXPECT_EQ(queue_.next_deadline(), now_ + 10);
  pass(9);
  EXPECT_EQ(said(), Words{});
  pass(1);
  EXPECT_EQ(said(), Words{"dead:a:expired"});
  EXPECT_EQ(queue_.next_deadline(), kNever);
}

TEST_F(QueueOf, NeverDeliversWhatHasExpired) {
  publish("a", {.expires_at = now_ + 10});
  publish("b", {.expires_at = now_ + 11});
  now_ += 10;
  consume(1);
  publish("c", {.expires_at = now_});
  EXPECT_EQ(said(), (Words{"dead:a:expired", "1:b", "dead:c:expired"}));
}

TEST_F(QueueOf, LetsAClientFinishWhatExpiresMeanwhile) {
  consume(1);
  publish("a", {.expires_at = now_ + 10});
  publish("b", {.expires_at = now_ + 10});
  EXPECT_EQ(queue_.next_deadline(), kNever);
  pass(10);
  EXPECT_EQ(settle(1, "a"), 1u);
  leave(1);
  EXPECT_EQ(said(), (Words{"1:a", "1:b", "dead:b:expired(1)"}));
}

TEST_F(QueueOf, HandsOutWhatIsDelayedWhenItIsDue) {
  consume(1);
  publish("a", {.due_at = now_ + 10});
  EXPECT_EQ(queue_.delayed(), 1u);
  EXPECT_EQ(queue_.next_deadline(), now_ + 10);
  pass(9);
  EXPECT_EQ(said(), Words{});
  pass(1);
  EXPECT_EQ(said(), Words{"1:a"});
  EXPECT_EQ(queue_.delayed(), 0u);
}

TEST_F(QueueOf, PutsWhatIsDueToItsPlace) {
  publish("a", {.due_at = now_ + 20});
  publish("b");
  publish("c", {.due_at = now_ + 10});
  pass(20);
  consume(1);
  EXPECT_EQ(said(), (Words{"1:a", "1:b", "1:c"}));
}

TEST_F(QueueOf, BuriesWhatExpiresBeforeItIsDue) {
  publish("a", {.expires_at = now_ + 5, .due_at = now_ + 10});
  publish("b", {.expires_at = now_ + 20, .due_at = now_ + 10});
  pass(10);
  EXPECT_EQ(said(), Words{"dead:a:expired"});
  EXPECT_EQ(queue_.next_deadline(), now_ + 10);
  pass(10);
  EXPECT_EQ(said(), Words{"dead:b:expired"});
}

// -- Groups.

TEST_F(QueueOf, GivesAGroupToOneConsumer) {
  consume(1);
  consume(2);
  for (const char* name : {"a", "b", "c"}) publish(name, {.group = "g"});
  publish("d");
  publish("e", {.group = "h"});
  EXPECT_EQ(said(), (Words{"1:a", "1:b", "1:c", "2:d", "1:e"}));
}

TEST_F(QueueOf, LetsAGroupWaitForItsConsumerAndNobodyElseForTheGroup) {
  consume(1, 1);
  consume(2);
  for (const char* name : {"a", "b", "c"}) publish(name, {.group = "g"});
  publish("d");
  EXPECT_EQ(said(), (Words{"1:a", "2:d"}));
  settle(1, "a");
  EXPECT_EQ(said(), Words{"1:b"});
}

TEST_F(QueueOf, GivesWhatWaitsOfAGroupToItsConsumer) {
  for (const char* name : {"a", "b", "c"}) publish(name, {.group = "g"});
  publish("d");
  consume(1, 1);
  consume(2);
  EXPECT_EQ(said(), (Words{"1:a", "2:d"}));
}

TEST_F(QueueOf, AssignsAGroupAnewInOrderWhenItsConsumerGoes) {
  consume(1, 2);
  for (const char* name : {"a", "b", "c", "d"}) publish(name, {.group = "g"});
  consume(2);
  consume(3);
  (void)said();
  leave(1);
  EXPECT_EQ(said(), (Words{"2:a(1)", "2:b(1)", "2:c", "2:d"}));
}

TEST_F(QueueOf, ForgetsAGroupThatHasNoMessage) {
  consume(1);
  consume(2);
  publish("a", {.group = "g"});
  settle(1, "a");
  publish("b", {.group = "g"});
  EXPECT_EQ(said(), (Words{"1:a", "2:b"}));
}

TEST_F(QueueOf, KeepsManyGroupsApart) {
  consume(1);
  consume(2);
  for (int round = 0; round < 2; ++round) {
    for (int n = 0; n < 1000; ++n) publish("a", {.group = std::to_string(n)});
    for (int n = 0; n < 1000; ++n) publish("b", {.group = std::to_string(n)});
    const Words words = said();
    for (size_t n = 0; n < 1000; ++n) ASSERT_EQ(words[n].front(), words[1000 + n].front());
    EXPECT_EQ(settle_to(1, "b") + settle_to(2, "b"), 2000u);
    EXPECT_EQ(queue_.messages(), 0u);
  }
}

TEST_F(QueueOf, LeavesAsideWhatTheConsumerOfItsGroupRefuses) {
  consume(1, {.credit_messages = kMuch, .filter = std::make_shared<NameFilter>("abc")});
  consume(2);
  for (const char* name : {"a", "x", "b"}) publish(name, {.group = "g"});
  EXPECT_EQ(said(), (Words{"1:a", "1:b"}));
  leave(1);
  EXPECT_EQ(said(), (Words{"2:a(1)", "2:x", "2:b(1)"}));
}

// -- Filters.

TEST_F(QueueOf, GivesAConsumerOnlyWhatItsFilterTakes) {
  consume(1, {.credit_messages = kMuch, .filter = std::make_shared<NameFilter>("a")});
  publish_each("xaya");
  EXPECT_EQ(said(), (Words{"1:a", "1:a"}));
  EXPECT_EQ(queue_.waiting(), 2u);
  consume(2);
  EXPECT_EQ(said(), (Words{"2:x", "2:y"}));
}

TEST_F(QueueOf, GivesAConsumerNothingOfItsOwnIfNoLocal) {
  consume(1, {.credit_messages = kMuch, .is_no_local = true});
  publish("mine", {.sender = 1});
  publish("same slot", {.sender = 0});
  publish("same shard", {.sender = 3});
  EXPECT_EQ(said(), (Words{"1:same slot", "1:same shard"}));
}

TEST_F(QueueOf, FallsBackToLowerPriorityIfNoHigherTakesTheMessage) {
  consume(1);
  consume(2, {.credit_messages = 1, .priority = 1, .filter = std::make_shared<NameFilter>("a")});
  publish_each("xab");
  EXPECT_EQ(said(), (Words{"1:x", "2:a", "1:b"}));
}

TEST_F(QueueOf, LooksAtWhatWaitsOnce) {
  const auto filter = std::make_shared<NameFilter>("a");
  for (int n = 0; n < 100; ++n) publish("x");
  consume(1, {.credit_messages = 1, .filter = filter});
  for (int n = 0; n < 50; ++n) {
    publish_each("xa");
    settle(1, "a");
  }
  EXPECT_EQ(said().size(), 50u);
  EXPECT_EQ(queue_.waiting(), 150u);
  EXPECT_EQ(filter->looks(), 200u);
}

TEST_F(QueueOf, LooksAtWhatWaitsOnceInEachPriority) {
  const auto filter = std::make_shared<NameFilter>("a");
  consume(1, {.credit_messages = 1, .filter = filter});
  publish("a");
  for (uint8_t priority = 0; priority < 10; ++priority) {
    for (int n = 0; n < 10; ++n) publish("x", {.priority = priority});
    settle(1, "a");
    publish("a", {.priority = priority});
  }
  EXPECT_EQ(said().size(), 11u);
  EXPECT_EQ(filter->looks(), 111u);
}

TEST_F(QueueOf, LooksAgainAtWhatCameBack) {
  consume(1, 1);
  publish_each("a");
  consume(2, {.credit_messages = 1, .filter = std::make_shared<NameFilter>("abc")});
  publish_each("bxc");
  (void)said();
  settle(2, "b");
  EXPECT_EQ(said(), Words{"2:c"});
  leave(1);
  EXPECT_EQ(queue_.waiting(), 2u) << "nobody had credit";
  settle(2, "c");
  EXPECT_EQ(said(), Words{"2:a(1)"});
}

TEST_F(QueueOf, ARequeueThatIsTakenAtOnceCostsNoLooks) {
  const auto filter = std::make_shared<NameFilter>("a");
  publish_each("a");
  consume(1, {.credit_messages = 1, .filter = filter});
  options_.queue_deliveries_max = 1000;
  for (int n = 0; n < 100; ++n) publish("x");
  settle(1, "a", Settlement::kRequeue);
  const size_t looks = filter->looks();
  for (int n = 0; n < 100; ++n) settle(1, "a", Settlement::kRequeue);
  EXPECT_LE(filter->looks() - looks, 300u);
}

TEST_F(QueueOf, LooksOnceAtWhatIsRefusedOfAGroup) {
  const auto filter = std::make_shared<NameFilter>("a");
  for (int n = 0; n < 10; ++n) publish("x", {.group = "g"});
  consume(1, {.credit_messages = 1, .filter = filter});
  publish("a", {.group = "g"});
  for (int n = 0; n < 10; ++n) publish("x", {.group = "g"});
  for (int n = 0; n < 10; ++n) {
    publish("a", {.group = "g"});
    settle(1, "a");
  }
  EXPECT_EQ(said().size(), 11u);
  EXPECT_EQ(filter->looks(), 31u);
}

TEST_F(QueueOf, LooksOnceAtWhatTheReadyOwnerOfAGroupRefuses) {
  const auto filter = std::make_shared<NameFilter>("a");
  consume(1, {.credit_messages = 2, .filter = filter});
  publish("a", {.group = "g"});
  for (int n = 0; n < 10; ++n) publish("x", {.group = "g"});
  publish("aa", {.group = "g"});
  settle(1, "a");
  EXPECT_EQ(said(), (Words{"1:a", "1:aa"}));
  EXPECT_EQ(filter->looks(), 12u);
}

TEST_F(QueueOf, DoesNotLookAgainAtAllForOneThatCameBack) {
  const auto filter = std::make_shared<NameFilter>("a");
  publish("y");
  consume(2, 1);
  for (int n = 0; n < 100; ++n) publish("x");
  consume(1, {.credit_messages = 1, .filter = filter});
  leave(2);
  publish_each("a");
  settle(1, "a");
  EXPECT_EQ(filter->looks(), 102u);
}

// -- Browsers.

TEST_F(QueueOf, ShowsABrowserWhatWaitsAndTakesNothing) {
  consume(1, 1);
  publish_each("abc");
  publish("first", {.priority = 9});
  publish("later", {.due_at = now_ + 10});
  (void)said();
  consume(2, {.credit_messages = kMuch, .is_browser = true});
  EXPECT_EQ(said(), (Words{"2:first", "2:b", "2:c", "2:end"}));
  publish_each("d");
  EXPECT_EQ(said(), Words{});
  EXPECT_EQ(settle_to(2, "c", Settlement::kReject), 3u);
  leave(2);
  EXPECT_EQ(queue_.waiting(), 4u);
}

TEST_F(QueueOf, ShowsABrowserWhatItHasCreditFor) {
  publish_each("abx");
  publish("last");
  consume(
      1, {.credit_messages = 2, .is_browser = true, .filter = std::make_shared<NameFilter>("abl")});
  EXPECT_EQ(said(), (Words{"1:a", "1:b"}));
  settle(1, "a");
  EXPECT_EQ(said(), (Words{"1:last", "1:end"}));
  settle(1, "b");
  EXPECT_EQ(said(), Words{});
}

TEST_F(QueueOf, ShowsABrowserNothingThatLeftOrCameSince) {
  publish_each("abc");
  consume(1, {.credit_messages = 1, .is_browser = true});
  publish_each("d");
  consume(2, 2);
  settle(1, "a");
  EXPECT_EQ(said(), (Words{"1:a", "2:a", "2:b", "1:c", "1:end"}));
}

TEST_F(QueueOf, EndsABrowserOfNothingAtOnce) {
  consume(1, {.credit_messages = 1, .is_browser = true});
  EXPECT_EQ(said(), Words{"1:end"});
  EXPECT_FALSE(queue_.is_idle());
}

TEST_F(QueueOf, ShowsABrowserWhatWaitsInGroups) {
  consume(1, {.credit_messages = 2, .filter = std::make_shared<NameFilter>("abc")});
  for (const char* name : {"a", "x", "b", "c"}) publish(name, {.group = "g"});
  publish("y");
  (void)said();
  consume(2, {.credit_messages = kMuch, .is_browser = true});
  EXPECT_EQ(said(), (Words{"2:x", "2:c", "2:y", "2:end"}));
}

// -- Exclusive consumers.

TEST_F(QueueOf, GivesEverythingToTheFirstExclusiveConsumer) {
  consume(1);
  consume(2, {.credit_messages = 1, .is_exclusive = true});
  consume(3, {.credit_messages = kMuch, .priority = 9, .is_exclusive = true});
  publish_each("abc");
  EXPECT_EQ(said(), Words{"2:a"});
  leave(2);
  EXPECT_EQ(said(), (Words{"3:a(1)", "3:b", "3:c"}));
}

TEST_F(QueueOf, GoesBackToAllWhenTheLastExclusiveConsumerGoes) {
  consume(1);
  consume(2);
  consume(3, {.credit_messages = 1, .is_exclusive = true});
  publish_each("abcd");
  (void)said();
  leave(3);
  EXPECT_EQ(said(), (Words{"1:a(1)", "2:b", "1:c", "2:d"}));
}

TEST_F(QueueOf, HandsAGroupToAnExclusiveConsumerOnlyWhenItIsSettled) {
  consume(1, 1);
  for (const char* name : {"a", "b"}) publish(name, {.group = "g"});
  consume(2, {.credit_messages = kMuch, .is_exclusive = true});
  EXPECT_EQ(said(), Words{"1:a"});
  publish("c", {.group = "g"});
  EXPECT_EQ(said(), Words{});
  settle(1, "a", Settlement::kRequeue);
  EXPECT_EQ(said(), (Words{"2:a(1)", "2:b", "2:c"}));
}

// -- Bounds.

TEST_F(QueueOf, HasRoomUpToItsBoundsAndNotForOneMore) {
  options_.queue_messages_max = 3;
  consume(1, 1);
  publish_each("a");
  publish("b", {.due_at = now_ + 10});
  EXPECT_TRUE(queue_.has_room(1, 1));
  EXPECT_FALSE(queue_.has_room(2, 1));
  EXPECT_TRUE(queue_.has_room(1, options_.queue_bytes_max - queue_.bytes()));
  EXPECT_FALSE(queue_.has_room(1, options_.queue_bytes_max - queue_.bytes() + 1));
}

TEST_F(QueueOf, KeepsReservedRoom) {
  options_.queue_messages_max = 3;
  options_.queue_bytes_max = 100;
  queue_.reserve(2, 60);
  EXPECT_TRUE(queue_.has_room(1, 40));
  EXPECT_FALSE(queue_.has_room(2, 40));
  EXPECT_FALSE(queue_.has_room(1, 41));
  EXPECT_FALSE(queue_.is_idle());
  queue_.unreserve(2, 60);
  EXPECT_TRUE(queue_.has_room(3, 100));
  EXPECT_TRUE(queue_.is_idle());
}

TEST_F(QueueOf, DropsTheOldestThatNoClientHas) {
  options_.queue_messages_max = 3;
  options_.queue_full_policy = QueueFullPolicy::kDropOldest;
  consume(1, 1);
  publish_each("a");
  publish("b", {.priority = 9});
  publish_each("cd");
  EXPECT_EQ(queue_.dropped(), 1u);
  EXPECT_EQ(queue_.messages(), 3u);
  settle(1, "a");
  EXPECT_EQ(said(), (Words{"1:a", "1:c"}));
}

TEST_F(QueueOf, BuriesTheOldestToMakeRoomForOctets) {
  options_.queue_full_policy = QueueFullPolicy::kDeadLetter;
  publish("a", {.due_at = now_ + 10});
  options_.queue_bytes_max = queue_.bytes() * 2;
  publish("b");
  EXPECT_EQ(said(), Words{});
  EXPECT_FALSE(queue_.has_room(1, options_.queue_bytes_max + 1));
  EXPECT_TRUE(queue_.has_room(1, options_.queue_bytes_max));
  publish("c");
  EXPECT_EQ(said(), Words{"dead:a:queue-full"});
}

TEST_F(QueueOf, TakesWhatComesIfOnlyClientsHoldWhatIsThere) {
  options_.queue_messages_max = 2;
  options_.queue_full_policy = QueueFullPolicy::kDropOldest;
  consume(1, 2);
  publish_each("abc");
  EXPECT_EQ(queue_.messages(), 3u);
  EXPECT_EQ(queue_.dropped(), 0u);
  publish_each("d");
  EXPECT_EQ(queue_.messages(), 3u);
  EXPECT_EQ(queue_.dropped(), 1u);
}

TEST_F(QueueOf, IsIdleWhenNothingIsInItAndNobodyConsumes) {
  EXPECT_TRUE(queue_.is_idle());
  publish_each("a");
  EXPECT_FALSE(queue_.is_idle());
  consume(1);
  settle(1, "a");
  EXPECT_FALSE(queue_.is_idle());
  now_ += 50;
  leave(1);
  EXPECT_TRUE(queue_.is_idle());
  pass(50);
  EXPECT_EQ(queue_.last_used(), now_ - 50);
}

// The sink may ask for measures, and they count what it is told as done.
class MeasuringSink : public QueueRecorder {
 public:
  void on_deliver(const ConsumerKey& consumer, Message& message, uint64_t tag,
                  uint32_t earlier_deliveries) override {
    QueueRecorder::on_deliver(consumer, message, tag, earlier_deliveries);
    seen.push_back({queue->waiting(), queue->unsettled()});
  }
  void on_dead(Message& message, DeadReason reason, uint32_t deliveries) override {
    QueueRecorder::on_dead(message, reason, deliveries);
    seen.push_back({queue->waiting(), queue->unsettled()});
  }

  const Queue* queue = nullptr;
  std::vector<std::pair<size_t, size_t>> seen;  // waiting, unsettled
};

TEST(QueueSink, SeesWhatItIsToldAsDone) {
  const Options options;
  MeasuringSink sink;
  Queue queue("/queue/a", options, sink);
  sink.queue = &queue;
  for (const char* name : {"a", "b", "c"}) queue.publish(make_queue_message(name), 0);
  queue.add_consumer(consumer_key(1), {.credit_messages = 2}, 0);
  queue.settle(consumer_key(1), 1, Settlement::kReject, false, 0);
  using Seen = std::vector<std::pair<size_t, size_t>>;
  EXPECT_EQ(sink.seen, (Seen{{2, 1}, {1, 2}, {1, 1}, {0, 2}}));
}

TEST(QueueConsumers, FindsEachOfMany) {
  QueueConsumers consumers;
  for (uint32_t n = 0; n < 1000; ++n) (void)consumers.add(consumer_key(n), {});
  for (uint32_t n = 0; n < 1000; n += 2) (void)consumers.take(*consumers.find(consumer_key(n)));
  for (uint32_t n = 0; n < 1000; ++n) {
    EXPECT_EQ(consumers.find(consumer_key(n)) != nullptr, n % 2 == 1);
  }
  EXPECT_EQ(consumers.size(), 500u);
}

}  // namespace
}  // namespace stampede::core
