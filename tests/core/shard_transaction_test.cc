#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "tests/support/shard_fixture.h"

namespace stampede::core {
namespace {

using tests::Peer;
using tests::ServerFrame;
using tests::ShardFixture;

Options small_limits() {
  Options options;
  options.queue_messages_max = 3;
  options.queue_full_wait_ms = 0;
  options.transactions_max = 2;
  options.transaction_steps_max = 6;
  options.transaction_bytes_max = 20'000;
  return options;
}

// A client with a transaction, and a reader of a topic and of a queue of each shard.
class ShardTransaction : public ::testing::TestWithParam<ShardId> {
 protected:
  ShardTransaction() {
    for (ShardId owner = 0; owner < GetParam(); ++owner)
      topics_.push_back(shards_.topic_owned_by(owner));
    for (const std::string& topic : topics_) subscribe(reader_, topic, topic);
    (void)received(reader_);
  }
  void subscribe(Peer& peer, std::string_view destination, std::string_view id,
                 std::string_view headers = "") {
    shards_.send(peer, "SUBSCRIBE\ndestination:" + std::string(destination) +
                           "\nid:" + std::string(id) + "\n" + std::string(headers) + "\n");
  }
  void say(std::string_view command, std::string_view transaction = "t",
           std::string_view headers = "") {
    shards_.send(client_, std::string(command) + "\ntransaction:" + std::string(transaction) +
                              "\n" + std::string(headers) + "\n");
  }
  void put(std::string_view destination, std::string_view body, std::string_view transaction = "t",
           std::string_view headers = "") {
    shards_.send(client_, "SEND\ndestination:" + std::string(destination) +
                              "\ntransaction:" + std::string(transaction) + "\n" +
                              std::string(headers) + "\n" + std::string(body));
  }
  std::string error() {
    return std::string(shards_.last_frame(client_).header("message").value_or(""));
  }
  static std::string received(Peer& peer) { return ShardFixture::received(peer); }

  ShardFixture shards_{GetParam(), small_limits()};
  std::vector<std::string> topics_;
  Peer& reader_ = shards_.connected(Transport::kTcp, GetParam() - 1);
  Peer& client_ = shards_.connected();
};

INSTANTIATE_TEST_SUITE_P(Shards, ShardTransaction, ::testing::Values(1, 2, 4));

TEST_P(ShardTransaction, PublishesAtCommitAndNotBefore) {  // A9.4
  say("BEGIN");
  for (const char* body : {"1", "2", "3"}) put(topics_[0], body);
  EXPECT_EQ(received(reader_), "");
  say("COMMIT", "t", "receipt:c\n");
  const std::string id = topics_[0];
  EXPECT_EQ(received(reader_), "MESSAGE " + id + " 1, MESSAGE " + id + " 2, MESSAGE " + id + " 3");
  EXPECT_EQ(received(client_), "RECEIPT c");
}

TEST_P(ShardTransaction, ReachesDestinationsOfEveryOwner) {
  say("BEGIN");
  for (const std::string& topic : topics_) put(topic, "x");
  put("/queue/a", "q");
  say("COMMIT", "t", "receipt:c\n");
  size_t messages = 0;
  for (const ServerFrame& frame : reader_.output.frames()) messages += frame.command == "MESSAGE";
  EXPECT_EQ(messages, topics_.size());
  EXPECT_EQ(shards_.tables().queued, 1u);
  EXPECT_EQ(received(client_), "RECEIPT c");
}

TEST_P(ShardTransaction, DropsEverythingAtAbort) {  // A9.4
  say("BEGIN");
  put(topics_[0], "1");
  put("/queue/a", "2");
  say("ABORT", "t", "receipt:a\n");
  EXPECT_EQ(received(client_), "RECEIPT a");
  EXPECT_EQ(received(reader_), "");
  EXPECT_EQ(shards_.tables().queued, 0u);
  say("COMMIT");
  EXPECT_EQ(error(), "unknown-transaction");
}

TEST_P(ShardTransaction, DoesNotDelayWhatIsOutsideOfIt) {  // A9.5
  say("BEGIN");
  put(topics_[0], "inside");
  shards_.send(client_, "SEND\ndestination:" + topics_[0] + "\n\noutside");
  EXPECT_EQ(received(reader_), "MESSAGE " + topics_[0] + " outside");
}

TEST_P(ShardTransaction, IsUndoneWhenTheConnectionIsLostOrLeaves) {  // A9.6
  say("BEGIN");
  put(topics_[0], "1");
  shards_.send(client_, "DISCONNECT\nreceipt:d\n\n");
  EXPECT_EQ(received(client_), "RECEIPT d, end");
  Peer& other = shards_.connected();
  shards_.send(other, "BEGIN\ntransaction:t\n\n");
  shards_.send(other, "SEND\ndestination:" + topics_[0] + "\ntransaction:t\n\nx");
  shards_.reset(other);
  EXPECT_EQ(received(reader_), "");
}

TEST_P(ShardTransaction, IsOfItsConnectionOnly) {  // A9.2
  say("BEGIN");
  Peer& other = shards_.connected();
  shards_.send(other, "COMMIT\ntransaction:t\n\n");
  EXPECT_EQ(shards_.last_frame(other).header("message"), "unknown-transaction");
  put(topics_[0], "1");
  say("COMMIT");
  EXPECT_EQ(received(reader_), "MESSAGE " + topics_[0] + " 1");
}

TEST_P(ShardTransaction, MayBeBegunAgainUnderAnEndedName) {  // A9.2
  for (const char* body : {"1", "2"}) {
    say("BEGIN");
    put(topics_[0], body);
    say("COMMIT");
    EXPECT_EQ(received(reader_), "MESSAGE " + topics_[0] + " " + body);
  }
}

TEST_P(ShardTransaction, IsRefusedWithoutItsHeaders) {  // A9.1, A9.3, A6.3
  const auto refused = [&](std::string_view frame) {
    Peer& peer = shards_.connected();
    shards_.send(peer, frame);
    return std::string(shards_.last_frame(peer).header("message").value_or(""));
  };
  for (const char* command : {"BEGIN", "COMMIT", "ABORT"}) {
    EXPECT_EQ(refused(std::string(command) + "\n\n"), "missing-transaction") << command;
  }
  EXPECT_EQ(refused("COMMIT\ntransaction:x\n\n"), "unknown-transaction");
  EXPECT_EQ(refused("ABORT\ntransaction:x\n\n"), "unknown-transaction");
  EXPECT_EQ(refused("SEND\ndestination:/topic/a\ntransaction:x\n\n"), "unknown-transaction");
  EXPECT_EQ(refused("ACK\nid:1-1\ntransaction:x\n\n"), "unknown-transaction");
}

TEST_P(ShardTransaction, IsRefusedASecondTime) {  // A9.2
  say("BEGIN");
  say("BEGIN");
  EXPECT_EQ(error(), "duplicate-transaction");
}

TEST_P(ShardTransaction, HasLimits) {  // A9.7
  say("BEGIN", "1");
  say("BEGIN", "2");
  EXPECT_EQ(received(client_), "");
  say("BEGIN", "3");
  EXPECT_EQ(error(), "too-many-transactions");
}

TEST_P(ShardTransaction, HoldsAsManyFramesAsItMay) {
  say("BEGIN");
  for (int n = 0; n < 6; ++n) put(topics_[0], "x");
  EXPECT_EQ(received(client_), "");
  put(topics_[0], "x");
  EXPECT_EQ(error(), "too-many-transactions");
}

TEST_P(ShardTransaction, HoldsAsManyOctetsAsItMay) {
  say("BEGIN");
  put(topics_[0], std::string(9'000, 'x'));
  put(topics_[0], std::string(9'000, 'x'));
  EXPECT_EQ(received(client_), "");
  put(topics_[0], std::string(9'000, 'x'));
  EXPECT_EQ(error(), "frame-too-large");
}

TEST_P(ShardTransaction, AnswersReceiptsInsideOfItAtOnce) {  // A9.9
  say("BEGIN", "t", "receipt:b\n");
  put(topics_[0], "x", "t", "receipt:s\n");
  EXPECT_EQ(received(client_), "RECEIPT b, RECEIPT s");
}

TEST_P(ShardTransaction, AcknowledgesAtCommit) {  // A8.9
  subscribe(client_, "/queue/a", "q", "ack:client-individual\n");
  shards_.send(reader_, "SEND\ndestination:/queue/a\n\nwork");
  const std::string ack(*shards_.last_frame(client_).header("ack"));
  say("BEGIN");
  say("ACK", "t", "id:" + ack + "\n");
  EXPECT_EQ(shards_.tables().unsettled, 1u);
  say("COMMIT", "t", "receipt:c\n");
  EXPECT_EQ(shards_.tables().unsettled, 0u);
  EXPECT_EQ(received(client_), "MESSAGE q work, RECEIPT c");
}

TEST_P(ShardTransaction, UndoesAnAcknowledgementAtAbort) {  // A8.9
  subscribe(client_, "/queue/a", "q", "ack:client-individual\n");
  shards_.send(reader_, "SEND\ndestination:/queue/a\n\nwork");
  const std::string ack(*shards_.last_frame(client_).header("ack"));
  say("BEGIN");
  say("ACK", "t", "id:" + ack + "\n");
  say("ABORT");
  EXPECT_EQ(shards_.tables().unsettled, 1u);
  shards_.send(client_, "ACK\nid:" + ack + "\nreceipt:r\n\n");
  EXPECT_EQ(received(client_), "MESSAGE q work, RECEIPT r");
  EXPECT_EQ(shards_.tables().unsettled, 0u);
}

TEST_P(ShardTransaction, IsCarriedOutWholeOrNotAtAll) {
  for (int n = 0; n < 2; ++n) shards_.send(reader_, "SEND\ndestination:/queue/a\n\nx");
  say("BEGIN");
  put(topics_[0], "topic");
  put("/queue/a", "1");
  put("/queue/a", "2");
  say("COMMIT", "t", "receipt:c\n");
  const ServerFrame& frame = shards_.last_frame(client_);
  EXPECT_EQ(frame.header("message"), "queue-full");
  EXPECT_EQ(frame.header("receipt-id"), "c");
  EXPECT_EQ(received(reader_), "");
  EXPECT_EQ(shards_.tables().queued, 2u);
  // What was reserved elsewhere is free again.
  shards_.send(reader_, "SEND\ndestination:/queue/a\nreceipt:r\n\nx");
  EXPECT_EQ(received(reader_), "RECEIPT r");
}

TEST_P(ShardTransaction, GivesBackTheRoomInQueuesOfOtherShards) {
  say("BEGIN");
  for (const char* queue : {"/queue/a", "/queue/b", "/queue/c", "/queue/d"}) put(queue, "x");
  for (int n = 0; n < 3; ++n) shards_.send(reader_, "SEND\ndestination:/queue/d\n\nx");
  say("COMMIT");
  EXPECT_EQ(error(), "queue-full");
  for (const char* queue : {"/queue/a", "/queue/b", "/queue/c"}) {
    for (int n = 0; n < 3; ++n) {
      shards_.send(reader_, "SEND\ndestination:" + std::string(queue) + "\n\nx");
    }
  }
  EXPECT_EQ(shards_.tables().queued, 12u);
}

TEST_P(ShardTransaction, LeavesNoQueueBehindIfItIsRefused) {
  say("BEGIN");
  for (const char* queue : {"/queue/a", "/queue/b", "/queue/c"}) put(queue, "x");
  for (int n = 0; n < 3; ++n) put("/queue/d", "x");
  shards_.send(reader_, "SEND\ndestination:/queue/d\n\nx");
  say("COMMIT");
  EXPECT_EQ(error(), "queue-full");
  shards_.advance(61'000);
  EXPECT_EQ(shards_.tables().queues, 1u);
}

TEST_P(ShardTransaction, ComesBeforeWhatFollowsIt) {
  for (const char* frame :
       {"BEGIN\ntransaction:t\n\n", "SEND\ndestination:/queue/a\ntransaction:t\n\n1",
        "SEND\ndestination:/queue/b\ntransaction:t\n\nb", "COMMIT\ntransaction:t\nreceipt:c\n\n",
        "SEND\ndestination:/queue/a\nreceipt:s\n\n2", "DISCONNECT\nreceipt:d\n\n"}) {
    ShardFixture::write(client_, frame);
  }
  shards_.run();
  shards_.advance(10);
  EXPECT_EQ(received(client_), "RECEIPT c, RECEIPT s, RECEIPT d, end");
  subscribe(reader_, "/queue/a", "q");
  EXPECT_EQ(received(reader_), "MESSAGE q 1, MESSAGE q 2");
}

// Takes a message from one queue and sends to others, but nothing happens yet.
class ShardWork : public ShardTransaction {
 protected:
  ShardWork() {
    subscribe(client_, "/queue/work", "q", "ack:client-individual\n");
    shards_.send(reader_, "SEND\ndestination:/queue/work\n\nwork");
    const std::string ack(*shards_.last_frame(client_).header("ack"));
    ShardFixture::write(client_, "BEGIN\ntransaction:t\n\n");
    ShardFixture::write(client_, "ACK\ntransaction:t\nid:" + ack + "\n\n");
    for (const char* queue : {"a", "b"}) {
      ShardFixture::write(
          client_, "SEND\ntransaction:t\ndestination:/queue/" + std::string(queue) + "\n\ndone");
    }
    ShardFixture::write(client_, "COMMIT\ntransaction:t\nreceipt:c\n\n");
    shards_.deliver(client_);
  }
};

INSTANTIATE_TEST_SUITE_P(Shards, ShardWork, ::testing::Values(1, 2, 4));

TEST_P(ShardWork, IsCarriedOutIfTheStreamEndsBehindIt) {
  shards_.half_close(client_);
  EXPECT_TRUE(received(client_).starts_with("MESSAGE q work, RECEIPT c"));
  EXPECT_EQ(shards_.tables().queued, 2u);
}

TEST_P(ShardWork, IsCarriedOutWholeOrNotAtAllIfTheConnectionIsLost) {
  shards_.reset(client_);
  subscribe(reader_, "/queue/work", "w");
  subscribe(reader_, "/queue/a", "a");
  subscribe(reader_, "/queue/b", "b");
  const std::string seen = received(reader_);
  EXPECT_TRUE(seen == "MESSAGE w work" || seen == "MESSAGE a done, MESSAGE b done") << seen;
}

TEST_P(ShardTransaction, DoesNotWaitForAStreamThatHasEndedIfItIsRefused) {
  say("BEGIN");
  for (int n = 0; n < 4; ++n) put("/queue/a", "x");
  client_.answers_end = false;
  ShardFixture::write(client_, "COMMIT\ntransaction:t\n\n");
  shards_.deliver(client_);
  shards_.half_close(client_);
  EXPECT_EQ(error(), "queue-full");
  EXPECT_TRUE(client_.is_released());
}

TEST_P(ShardTransaction, IsCarriedOutBeforeADrainEnds) {
  for (const char* frame :
       {"BEGIN\ntransaction:t\n\n", "SEND\ndestination:/queue/a\ntransaction:t\n\n1",
        "SEND\ndestination:/queue/b\ntransaction:t\n\nb", "COMMIT\ntransaction:t\nreceipt:c\n\n"}) {
    ShardFixture::write(client_, frame);
  }
  shards_.deliver(client_);
  shards_.begin_drain();
  EXPECT_EQ(received(client_), "RECEIPT c, ERROR server-draining, end");
  EXPECT_EQ(shards_.tables().queued, 2u);
}

}  // namespace
}  // namespace stampede::core
