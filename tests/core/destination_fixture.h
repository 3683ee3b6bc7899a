#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "tests/support/shard_fixture.h"

namespace stampede::tests {

// Sessions on the first and the last shard; destinations wherever they hash to.
class DestinationFixture : public ::testing::TestWithParam<core::ShardId> {
 protected:
  explicit DestinationFixture(const core::Options& options = {}) : shards_(GetParam(), options) {}

  Peer& session(std::string_view login = "", std::string_view version = "1.2", bool is_far = true) {
    const std::string headers = login.empty() ? "" : "login:" + std::string(login) + "\n";
    return shards_.connected(core::Transport::kTcp, is_far ? GetParam() - 1 : 0, version, headers);
  }
  Peer& subscriber(std::string_view destination, std::string_view login = "",
                   std::string_view headers = "") {
    Peer& peer = session(login);
    subscribe(peer, "1", destination, headers);
    EXPECT_EQ(received(peer), "RECEIPT s") << destination;
    return peer;
  }
  void subscribe(Peer& peer, std::string_view id, std::string_view destination,
                 std::string_view headers = "") {
    shards_.send(peer, "SUBSCRIBE\nid:" + std::string(id) +
                           "\ndestination:" + std::string(destination) + "\nreceipt:s\n" +
                           std::string(headers) + "\n");
  }
  void unsubscribe(Peer& peer, std::string_view id) {
    shards_.send(peer, "UNSUBSCRIBE\nid:" + std::string(id) + "\nreceipt:u\n\n");
  }
  void put(Peer& peer, std::string_view destination, std::string_view body,
           std::string_view headers = "") {
    shards_.send(peer, "SEND\ndestination:" + std::string(destination) + "\nreceipt:r\n" +
                           std::string(headers) + "\n" + std::string(body));
  }
  // By the sender, whose RECEIPT is taken.
  void put(std::string_view destination, std::string_view body, std::string_view headers = "") {
    put(sender_, destination, body, headers);
    EXPECT_EQ(received(sender_), "RECEIPT r") << destination;
  }
  static std::string received(Peer& peer) { return ShardFixture::received(peer); }
  // Of the last frame that came.
  static std::string header(const Peer& peer, std::string_view name) {
    return ShardFixture::last_frame(peer).header(name).value_or("none");
  }
  // The token of an ERROR, which ends the connection.
  static std::string error_of(Peer& peer) {
    const std::string events = received(peer);
    EXPECT_TRUE(events.ends_with(", end")) << events;
    return header(peer, "message");
  }
  // Ends every connection; what is left of them in the tables, but for what owners remember.
  uint64_t left_over() {
    for (const auto& peer : shards_.peers()) {
      if (!peer->is_released()) shards_.reset(*peer);
    }
    const core::ShardTables tables = shards_.tables();
    return tables.clients + tables.subscriptions + tables.cursors + tables.groups + tables.topics +
           tables.interested + tables.pattern_interests + tables.log_bytes + tables.consumers +
           tables.unsettled;
  }

  ShardFixture shards_;
  Peer& sender_ = shards_.connected();
};

}  // namespace stampede::tests
