#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "tests/support/shard_fixture.h"

namespace stampede::core {
namespace {

using tests::Peer;
using tests::ServerFrame;
using tests::ShardFixture;

// A sender that wants to know how many subscriptions its message was for.
class ShardCount : public ::testing::TestWithParam<ShardId> {
 protected:
  void subscribe(ShardId shard, std::string_view destination, std::string_view headers = "") {
    Peer& peer = shards_.connected(Transport::kTcp, shard);
    shards_.send(peer, "SUBSCRIBE\nid:1\ndestination:" + std::string(destination) + "\n" +
                           std::string(headers) + "\n");
  }
  // The header `subscriptions` of the RECEIPT.
  std::string count(std::string_view destination, std::string_view headers = "") {
    shards_.send(sender_, "SEND\ndestination:" + std::string(destination) +
                              "\nreceipt:r\ncount-subscriptions:true\n" + std::string(headers) +
                              "\nx");
    const ServerFrame& frame = shards_.last_frame(sender_);
    EXPECT_EQ(frame.command, "RECEIPT");
    return std::string(frame.header("subscriptions").value_or("none"));
  }

  ShardFixture shards_{GetParam()};
  Peer& sender_ = shards_.connected();
};

INSTANTIATE_TEST_SUITE_P(Shards, ShardCount, ::testing::Values(1, 2, 4));

TEST_P(ShardCount, IsOfAllShards) {
  for (ShardId shard = 0; shard < GetParam(); ++shard) {
    subscribe(shard, "/topic/a");
    subscribe(shard, "/topic/*");
    subscribe(shard, "/topic/b");
  }
  EXPECT_EQ(count("/topic/a"), std::to_string(2 * GetParam()));
  EXPECT_EQ(count("/topic/c"), std::to_string(GetParam()));
  EXPECT_EQ(count("/other"), "0");
}

TEST_P(ShardCount, IsOfThoseWhoseSelectorMatches) {
  subscribe(GetParam() - 1, "/topic/a", "selector:k = 'v'\n");
  subscribe(0, "/topic/a", "selector:k = 'w'\n");
  subscribe(0, "/topic/a");
  EXPECT_EQ(count("/topic/a", "k:v\n"), "2");
  EXPECT_EQ(count("/topic/a"), "1");
}

TEST_P(ShardCount, IsOfTheConsumersOfAQueue) {
  EXPECT_EQ(count("/queue/a"), "0");
  subscribe(GetParam() - 1, "/queue/a");
  subscribe(0, "/queue/a");
  EXPECT_EQ(count("/queue/a"), "2");
}

TEST_P(ShardCount, IsNothingForADuplicate) {
  subscribe(0, "/topic/a");
  EXPECT_EQ(count("/topic/a", "message-id:m\n"), "1");
  EXPECT_EQ(count("/topic/a", "message-id:m\n"), "0");
}

TEST_P(ShardCount, IsNotSaidUnlessItIsAskedFor) {
  subscribe(0, "/topic/a");
  shards_.send(sender_, "SEND\ndestination:/topic/a\nreceipt:r\n\nx");
  EXPECT_EQ(shards_.last_frame(sender_).header("subscriptions"), std::nullopt);
}

TEST_P(ShardCount, KeepsTheOrderOfReceipts) {
  subscribe(GetParam() - 1, "/topic/a");
  for (const char* frame : {"SEND\ndestination:/topic/a\nreceipt:1\ncount-subscriptions:true\n\nx",
                            "SEND\ndestination:/topic/b\nreceipt:2\n\nx"}) {
    ShardFixture::write(sender_, frame);
  }
  shards_.run();
  EXPECT_EQ(ShardFixture::received(sender_), "RECEIPT 1, RECEIPT 2");
}

TEST_P(ShardCount, IsRefusedWhereItCouldNotBeSaid) {
  const auto refused = [&](std::string_view frames) {
    Peer& peer = shards_.connected();
    shards_.send(peer, frames);
    return std::string(shards_.last_frame(peer).header("message").value_or(""));
  };
  EXPECT_EQ(refused("SEND\ndestination:/topic/a\ncount-subscriptions:true\n\nx"),
            "missing-receipt");
  Peer& peer = shards_.connected();
  shards_.send(peer, "BEGIN\ntransaction:t\n\n");
  shards_.send(peer,
               "SEND\ndestination:/topic/a\ntransaction:t\nreceipt:r\n"
               "count-subscriptions:true\n\nx");
  EXPECT_EQ(shards_.last_frame(peer).header("message"), "unsupported-header");
}

}  // namespace
}  // namespace stampede::core
