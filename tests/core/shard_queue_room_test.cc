#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "core/timer_wheel.h"
#include "tests/support/shard_fixture.h"

// Publishers that wait for room in a full queue. What a queue does that lets nobody wait is in
// shard_queue_test.

namespace stampede::core {
namespace {

using tests::Peer;
using tests::ShardFixture;

constexpr Millis kWait = 3'000;
constexpr int kRoom = 3;

Options small_queues() {
  Options options;
  options.queue_messages_max = kRoom;
  options.queue_bytes_max = 10'000;
  options.queue_full_wait_ms = kWait;
  return options;
}

std::string send_frame(std::string_view body, std::string_view headers = "",
                       std::string_view queue = "/queue/a") {
  return "SEND\ndestination:" + std::string(queue) + "\n" + std::string(headers) + "\n" +
         std::string(body);
}

// A full queue, a consumer that has all of it, and publishers on the first and the last shard.
class QueueRoom : public ::testing::TestWithParam<ShardId> {
 protected:
  QueueRoom() {
    fill("/queue/a");
    shards_.send(consumer_, "SUBSCRIBE\nid:1\ndestination:/queue/a\nack:client\n\n");
    EXPECT_EQ(received(consumer_), "MESSAGE 1 a, MESSAGE 1 b, MESSAGE 1 c");
  }
  void fill(std::string_view queue) {
    Peer& filler = shards_.connected();
    for (const char* body : {"a", "b", "c"}) shards_.send(filler, send_frame(body, "", queue));
    EXPECT_EQ(received(filler), "");
  }
  // Settles all that the consumer has up to the last MESSAGE it got.
  void acknowledge_all() {
    shards_.send(
        consumer_,
        "ACK\nid:" + std::string(*ShardFixture::last_frame(consumer_).header("ack")) + "\n\n");
  }
  void acknowledge(std::string_view body) {
    std::string ack;  // the frames grow with what is answered
    for (const auto& frame : consumer_.output.frames()) {
      if (frame.command == "MESSAGE" && frame.body == body) ack = *frame.header("ack");
    }
    shards_.send(consumer_, "ACK\nid:" + ack + "\n\n");
  }
  uint64_t waiting() { return shards_.tables().queue_applicants; }
  static bool is_paused(const Peer& peer) { return Shard::receive_paused(*peer.client); }
  static std::string received(Peer& peer) { return ShardFixture::received(peer); }

  ShardFixture shards_{GetParam(), small_queues()};
  Peer& consumer_ = shards_.connected(Transport::kTcp, GetParam() - 1);
  Peer& near_ = shards_.connected(Transport::kTcp, 0);
  Peer& far_ = shards_.connected(Transport::kTcp, GetParam() - 1);
};

INSTANTIATE_TEST_SUITE_P(Shards, QueueRoom, ::testing::Values(1, 2, 4));

TEST_P(QueueRoom, LetsASendWaitAndDoesNotListenToItsPublisher) {
  shards_.send(near_, send_frame("d", "receipt:r\n"));
  EXPECT_EQ(received(near_), "") << "a RECEIPT would be a lie";
  EXPECT_TRUE(is_paused(near_));
  EXPECT_FALSE(is_paused(far_)) << "who feeds it not";
  EXPECT_EQ(waiting(), 1u);
  EXPECT_EQ(shards_.count(&ShardMetrics::queue_waited), 1u);
  acknowledge("a");
  EXPECT_EQ(received(near_), "RECEIPT r");
  EXPECT_FALSE(is_paused(near_));
  EXPECT_EQ(received(consumer_), "MESSAGE 1 d");
  EXPECT_EQ(waiting(), 0u);
}

TEST_P(QueueRoom, KeepsTheOrderOfEachPublisher) {
  for (const char* body : {"d", "e", "f", "g"}) {
    ShardFixture::write(near_, send_frame(body, "receipt:" + std::string(body) + "\n"));
  }
  shards_.run();
  acknowledge("b");
  EXPECT_EQ(received(near_), "RECEIPT d, RECEIPT e");
  acknowledge_all();
  EXPECT_EQ(received(near_), "RECEIPT f, RECEIPT g");
  EXPECT_EQ(received(consumer_), "MESSAGE 1 d, MESSAGE 1 e, MESSAGE 1 f, MESSAGE 1 g");
}

TEST_P(QueueRoom, LetsPublishersInByTurns) {
  for (const char* body : {"n1", "n2", "n3"}) ShardFixture::write(near_, send_frame(body));
  shards_.run();
  for (const char* body : {"f1", "f2", "f3"}) ShardFixture::write(far_, send_frame(body));
  shards_.run();
  EXPECT_EQ(waiting(), 6u);
  acknowledge_all();
  EXPECT_EQ(received(consumer_), "MESSAGE 1 n1, MESSAGE 1 f1, MESSAGE 1 n2");
  acknowledge_all();
  EXPECT_EQ(received(consumer_), "MESSAGE 1 f2, MESSAGE 1 n3, MESSAGE 1 f3");
}

TEST_P(QueueRoom, HoldsBackWhatFollowsInTheSocket) {
  shards_.send(near_, send_frame("d"));
  ShardFixture::write(near_, send_frame("x", "receipt:x\n", "/queue/other"));
  shards_.run();
  EXPECT_EQ(received(near_), "");
  EXPECT_FALSE(near_.to_broker.empty()) << "the kernel still has it";
  acknowledge_all();
  EXPECT_EQ(received(near_), "RECEIPT x");
}

TEST_P(QueueRoom, LetsTheQueueOfOthersAlone) {
  shards_.send(near_, send_frame("d"));
  shards_.send(far_, send_frame("x", "receipt:x\n", "/queue/other"));
  EXPECT_EQ(received(far_), "RECEIPT x");
}

TEST_P(QueueRoom, RefusesAfterTheWaitAndNotBefore) {
  shards_.send(near_, send_frame("d", "receipt:r\n"));
  shards_.advance(kWait - 1);
  EXPECT_EQ(received(near_), "");
  shards_.advance(1 + TimerWheel::kTickMs);
  EXPECT_EQ(received(near_), "ERROR queue-full, end");
  EXPECT_EQ(ShardFixture::last_frame(near_).header("receipt-id"), "r");
  EXPECT_EQ(near_.close_reason, CloseReason::kQueueFull);
  EXPECT_EQ(shards_.count(&ShardMetrics::queue_refused), 1u);
  EXPECT_EQ(waiting(), 0u);
  acknowledge_all();
  EXPECT_EQ(received(consumer_), "");
}

TEST_P(QueueRoom, RefusesNothingAsLongAsItMoves) {
  constexpr int kSends = 20;
  for (int n = 0; n < kSends; ++n) {
    Peer& publisher = n % 2 == 0 ? near_ : far_;
    ShardFixture::write(publisher, send_frame("more", "receipt:r\n"));
  }
  shards_.run();
  while (waiting() > 0) {
    shards_.advance(kWait - 1);
    acknowledge_all();
  }
  std::string receipts = "RECEIPT r";
  for (int n = 1; n < kSends / 2; ++n) receipts += ", RECEIPT r";
  EXPECT_EQ(received(near_), receipts);
  EXPECT_EQ(received(far_), receipts);
  EXPECT_EQ(shards_.count(&ShardMetrics::queue_refused), 0u);
}

TEST_P(QueueRoom, RefusesAtOnceWhatNeverFits) {
  shards_.send(near_, send_frame(std::string(10'000, 'x'), "receipt:r\n"));
  EXPECT_EQ(received(near_), "ERROR queue-full, end");
  EXPECT_EQ(shards_.count(&ShardMetrics::queue_waited), 0u);
}

TEST_P(QueueRoom, LetsInOnlyWhatFits) {
  const std::string large(6'000, 'l');
  shards_.send(near_, send_frame(large));
  shards_.send(far_, send_frame(large));
  acknowledge_all();
  EXPECT_EQ(waiting(), 1u) << "two of them have more octets than the queue may have";
  acknowledge_all();
  EXPECT_EQ(waiting(), 0u);
  EXPECT_EQ(received(consumer_), "MESSAGE 1 6000 octets, MESSAGE 1 6000 octets");
}

TEST_P(QueueRoom, LetsInWhenWhatItHoldsExpires) {
  shards_.send(near_, send_frame("x", "ttl:50\n", "/queue/b"));
  for (const char* body : {"y", "z", "d"}) shards_.send(near_, send_frame(body, "", "/queue/b"));
  EXPECT_EQ(waiting(), 1u);
  shards_.advance(50 + TimerWheel::kTickMs);
  EXPECT_EQ(waiting(), 0u);
}

TEST_P(QueueRoom, LetsNoLaterOneOvertake) {
  shards_.send(near_, send_frame(std::string(9'700, 'x')));
  acknowledge("a");
  EXPECT_EQ(waiting(), 1u) << "it does not fit beside the two others";
  shards_.send(far_, send_frame("small"));
  EXPECT_EQ(waiting(), 2u) << "it would, but somebody waits";
  acknowledge_all();
  EXPECT_EQ(waiting(), 0u);
  EXPECT_EQ(received(consumer_), "MESSAGE 1 9700 octets, MESSAGE 1 small");
}

// Its ACK is behind a SEND that waits for it.
TEST_P(QueueRoom, HearsWhoMayMakeTheRoomItself) {
  shards_.send(consumer_, send_frame("d", "receipt:r\n"));
  acknowledge("a");
  EXPECT_EQ(received(consumer_), "") << "not listened to";
  shards_.advance(200);
  EXPECT_EQ(received(consumer_), "RECEIPT r, MESSAGE 1 d");
}

TEST_P(QueueRoom, TakesWhatWaitsThoughItsPublisherLeft) {
  shards_.send(near_, send_frame("d"));
  shards_.reset(near_);
  EXPECT_TRUE(near_.is_released());
  acknowledge_all();
  EXPECT_EQ(received(consumer_), "MESSAGE 1 d");
}

// -- Goodbye: the RECEIPT of DISCONNECT says that all was received.

TEST_P(QueueRoom, SaysGoodbyeWhenWhatCameBeforeIsIn) {
  ShardFixture::write(near_, send_frame("d"));
  ShardFixture::write(near_, "DISCONNECT\nreceipt:bye\n\n");
  shards_.run();
  EXPECT_EQ(received(near_), "");
  acknowledge_all();
  EXPECT_EQ(received(near_), "RECEIPT bye, end");
  EXPECT_EQ(received(consumer_), "MESSAGE 1 d");
}

TEST_P(QueueRoom, SaysNoGoodbyeForWhatIsRefused) {
  ShardFixture::write(near_, send_frame(std::string(10'000, 'x')));
  ShardFixture::write(near_, "DISCONNECT\nreceipt:bye\n\n");
  shards_.run();
  EXPECT_EQ(received(near_), "ERROR queue-full, end");
}

TEST_P(QueueRoom, WaitsForNothingBehindAGoodbyeThatWasSaid) {
  const auto leave = [this](Peer& peer) {
    ShardFixture::write(peer, "BEGIN\ntransaction:t\nreceipt:b\n\n");
    ShardFixture::write(peer, send_frame("d"));
    // Asks for no RECEIPT, so that it says nothing of the SEND, which may be on its way yet.
    ShardFixture::write(peer, "DISCONNECT\n\n");
    peer.is_reading = false;
    shards_.run();
    peer.is_reading = true;
    shards_.run();
    return received(peer) == "RECEIPT b, end";
  };
  const bool near_has_ended = leave(near_);
  const bool far_has_ended = leave(far_);
  EXPECT_EQ(near_has_ended || far_has_ended, GetParam() > 1) << "the queue is on one shard only";
  EXPECT_EQ(waiting(), 2u);
  acknowledge_all();
  EXPECT_TRUE(near_.is_released() && far_.is_released());
  EXPECT_EQ(received(consumer_), "MESSAGE 1 d, MESSAGE 1 d");
}

TEST_P(QueueRoom, SaysNothingToWhoCannotWait) {
  ShardFixture::write(near_, send_frame("d"));
  ShardFixture::write(near_, "DISCONNECT\nreceipt:bye\n\n");
  shards_.run();
  shards_.advance(1'000 + TimerWheel::kTickMs);  // --close-linger
  EXPECT_EQ(received(near_), "abort");
  EXPECT_TRUE(near_.is_released());
  EXPECT_EQ(waiting(), 1u);
}

TEST_P(QueueRoom, TellsWhoFailsMeanwhileWhyItHasToGo) {
  ShardFixture::write(near_, send_frame("d", "receipt:r\n"));
  ShardFixture::write(near_, "SEND\n\nto nowhere");
  shards_.run();
  EXPECT_EQ(received(near_), "") << "the RECEIPT may come yet";
  shards_.advance(1'000 + TimerWheel::kTickMs);  // --close-linger
  EXPECT_EQ(received(near_), "ERROR missing-destination, end");
}

TEST_P(QueueRoom, GivesAFarewellThatHadToWaitItsWholeTime) {
  ShardFixture::write(near_, send_frame("d", "receipt:r\n"));
  ShardFixture::write(near_, "SEND\n\nto nowhere");
  shards_.run();
  shards_.advance(900);
  near_.is_reading = false;
  acknowledge_all();
  shards_.advance(500);
  near_.is_reading = true;
  shards_.run();
  EXPECT_EQ(received(near_), "RECEIPT r, ERROR missing-destination, end");
}

// -- Transactions.

class QueueRoomTransaction : public QueueRoom {
 protected:
  void begin(Peer& peer, std::initializer_list<std::string_view> queues, std::string_view body) {
    shards_.send(peer, "BEGIN\ntransaction:t\n\n");
    for (const std::string_view queue : queues)
      shards_.send(peer, send_frame(body, "transaction:t\n", queue));
  }
  void commit(Peer& peer) { shards_.send(peer, "COMMIT\ntransaction:t\nreceipt:c\n\n"); }
};

INSTANTIATE_TEST_SUITE_P(Shards, QueueRoomTransaction, ::testing::Values(1, 2, 4));

TEST_P(QueueRoomTransaction, WaitsForAllTheRoomItNeeds) {
  begin(near_, {"/queue/a", "/queue/a", "/queue/b"}, "t");
  commit(near_);
  EXPECT_TRUE(is_paused(near_));
  acknowledge("a");
  EXPECT_EQ(received(near_), "") << "one of two";
  EXPECT_EQ(received(consumer_), "");
  acknowledge("b");
  EXPECT_EQ(received(near_), "RECEIPT c");
  EXPECT_EQ(received(consumer_), "MESSAGE 1 t, MESSAGE 1 t");
  EXPECT_FALSE(is_paused(near_));
}

TEST_P(QueueRoomTransaction, WaitsInTurnWithSends) {
  shards_.send(far_, send_frame("d"));
  begin(near_, {"/queue/a"}, "t");
  commit(near_);
  Peer& late = shards_.connected();
  shards_.send(late, send_frame("e"));
  acknowledge("b");
  EXPECT_EQ(received(consumer_), "MESSAGE 1 d, MESSAGE 1 t");
  EXPECT_EQ(waiting(), 1u);
}

TEST_P(QueueRoomTransaction, IsRefusedWholeAfterTheWait) {
  begin(near_, {"/queue/b", "/queue/a", "/queue/c"}, "t");
  commit(near_);
  shards_.advance(kWait + TimerWheel::kTickMs);
  EXPECT_EQ(received(near_), "ERROR queue-full, end");
  EXPECT_EQ(ShardFixture::last_frame(near_).header("receipt-id"), "c");
  EXPECT_EQ(shards_.tables().queued, 0u);
  for (const char* queue : {"/queue/b", "/queue/c"}) fill(queue);  // nothing stayed reserved
}

// Each has what the other needs next, if they do not take room in one order.
TEST_P(QueueRoomTransaction, TwoNeverWaitForEachOther) {
  fill("/queue/b");
  Peer& other = shards_.connected(Transport::kTcp, GetParam() - 1);
  shards_.send(other, "SUBSCRIBE\nid:1\ndestination:/queue/b\nack:client\n\n");
  begin(near_, {"/queue/a", "/queue/b"}, "n");
  begin(far_, {"/queue/b", "/queue/a"}, "f");
  commit(near_);
  commit(far_);
  acknowledge("a");
  const auto ack_other = [&] {
    shards_.send(other,
                 "ACK\nid:" + std::string(*ShardFixture::last_frame(other).header("ack")) + "\n\n");
  };
  ack_other();
  acknowledge_all();
  EXPECT_EQ(received(near_), "RECEIPT c");
  EXPECT_EQ(received(far_), "RECEIPT c");
}

// -- Drain.

TEST_P(QueueRoom, IsOverWhenTheServerEnds) {
  shards_.send(near_, send_frame("d", "receipt:r\n"));
  shards_.send(far_, send_frame("e"));
  shards_.begin_drain();
  EXPECT_EQ(received(near_), "ERROR queue-full, end");
  EXPECT_EQ(received(far_), "ERROR queue-full, end");
  EXPECT_EQ(received(consumer_), "ERROR server-draining, end");
  EXPECT_EQ(shards_.tables().clients, 0u);
  EXPECT_EQ(waiting(), 0u);
}

TEST_P(QueueRoom, IsWaitedForByWhoIsToLeave) {
  shards_.send(near_, send_frame("d", "receipt:r\n"));
  const Millis now = shards_.now();
  for (ShardId id = 0; id < GetParam(); ++id)
    shards_.shard(id).begin_drain(now, {.leave_by = now + 100, .end_at = now + 10'000});
  shards_.advance(1);
  acknowledge_all();
  shards_.advance(1'000);
  EXPECT_EQ(received(near_), "RECEIPT r, ERROR server-draining, end");
}

}  // namespace
}  // namespace stampede::core
