#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/shard_fixture.h"

namespace stampede::core {
namespace {

using tests::Peer;
using tests::ShardFixture;

constexpr ListRange kAll = {.offset = 0, .limit = 1000};

class ShardListings : public ::testing::Test {
 protected:
  Peer& subscriber(std::string_view destination, std::string_view id = "1") {
    Peer& peer = shards_.connected();
    subscribe(peer, destination, id);
    return peer;
  }
  void subscribe(Peer& peer, std::string_view destination, std::string_view id) {
    shards_.send(peer, "SUBSCRIBE\nid:" + std::string(id) + "\ndestination:" +
                           std::string(destination) + "\nack:client-individual\n\n");
  }
  void publish(std::string_view destination, std::string_view body = "x") {
    shards_.send(publisher_,
                 "SEND\ndestination:" + std::string(destination) + "\n\n" + std::string(body));
  }
  [[nodiscard]] std::vector<ClientEntry> clients(ListRange range = kAll) {
    return shards_.shard().list_clients(range, shards_.now());
  }
  [[nodiscard]] ClientEntry client(const Peer& peer) {
    for (const ClientEntry& entry : clients()) {
      if (entry.peer == std::to_string(peer.handle)) return entry;
    }
    ADD_FAILURE() << "not listed: " << peer.handle;
    return {};
  }
  [[nodiscard]] TopicEntry topic(std::string_view name) {
    for (const TopicEntry& entry : shards_.shard().list_topics(kAll)) {
      if (entry.name == name) return entry;
    }
    ADD_FAILURE() << "not listed: " << name;
    return {};
  }

  ShardFixture shards_;
  Peer& publisher_ = shards_.connected();
};

TEST_F(ShardListings, SayWhatAClientIs) {
  Peer& peer = shards_.connected(Transport::kWebSocket, 0, "1.1");
  subscribe(peer, "/topic/a", "1");
  subscribe(peer, "/queue/a", "2");
  shards_.set_now(shards_.now() + 700);
  const ClientEntry entry = client(peer);
  EXPECT_EQ(entry.transport, Transport::kWebSocket);
  EXPECT_EQ(entry.phase, "connected");
  EXPECT_EQ(entry.version, "1.1");
  EXPECT_EQ(entry.subscriptions, 2u);
  EXPECT_EQ(entry.lag_bytes, 0u);
  EXPECT_EQ(entry.phase_ms, 700);
}

TEST_F(ShardListings, SayWhatAClientWaitsFor) {
  EXPECT_EQ(client(shards_.open(0, Transport::kWebSocket)).phase, "handshake");
  EXPECT_EQ(client(shards_.ws()).phase, "connecting");
  EXPECT_EQ(client(shards_.tcp()).version, "");
}

TEST_F(ShardListings, CountWhatASlowClientWasNotGiven) {
  Peer& slow = subscriber("/topic/a");
  slow.is_reading = false;
  for (int n = 0; n < 3; ++n) publish("/topic/a", std::string(1000, 'x'));
  EXPECT_GT(client(slow).lag_bytes, 3000u);
  EXPECT_GT(topic("/topic/a").log_bytes, 3000u);
}

TEST_F(ShardListings, ForgetClientsThatLeft) {
  Peer& peer = shards_.connected();
  EXPECT_EQ(clients().size(), 2u);
  shards_.reset(peer);
  EXPECT_EQ(clients().size(), 1u);
}

TEST_F(ShardListings, GivePagesThatTogetherAreTheTable) {
  for (int n = 0; n < 9; ++n) subscriber("/topic/" + std::to_string(n));
  std::set<uint64_t> ids;
  std::vector<size_t> sizes;
  for (size_t offset = 0; offset <= 12; offset += 4) {
    const std::vector<ClientEntry> page = clients({.offset = offset, .limit = 4});
    sizes.push_back(page.size());
    for (const ClientEntry& entry : page) ids.insert(entry.id);
  }
  EXPECT_EQ(sizes, (std::vector<size_t>{4, 4, 2, 0}));
  EXPECT_EQ(ids.size(), 10u);
}

TEST_F(ShardListings, CountTheSubscriptionsOfTopicsAndPatterns) {
  subscriber("/topic/a");
  subscriber("/topic/a", "2");
  subscriber("/topic/*");
  EXPECT_EQ(topic("/topic/a").subscriptions, 2u);
  EXPECT_FALSE(topic("/topic/a").is_pattern);
  EXPECT_EQ(topic("/topic/*").subscriptions, 1u);
  EXPECT_TRUE(topic("/topic/*").is_pattern);
  EXPECT_EQ(topic("/topic/a").log_bytes, 0u);
}

TEST_F(ShardListings, GivePagesOfTopicsExactOnesFirst) {
  subscriber("/topic/a");
  subscriber("/topic/*");
  subscriber("/topic/b");
  const std::vector<TopicEntry> last = shards_.shard().list_topics({.offset = 2, .limit = 5});
  ASSERT_EQ(last.size(), 1u);
  EXPECT_EQ(last.front().name, "/topic/*");
  EXPECT_EQ(shards_.shard().list_topics({.offset = 0, .limit = 2}).size(), 2u);
  EXPECT_TRUE(shards_.shard().list_topics({.offset = 3, .limit = 5}).empty());
}

TEST_F(ShardListings, SayWhatIsInAQueue) {
  for (int n = 0; n < 3; ++n) publish("/queue/a");
  subscriber("/queue/a");
  publish("/queue/b", "y");
  std::map<std::string, QueueEntry> queues;
  for (const QueueEntry& entry : shards_.shard().list_queues(kAll)) queues[entry.name] = entry;
  EXPECT_EQ(queues["/queue/a"].waiting + queues["/queue/a"].unsettled, 3u);
  EXPECT_EQ(queues["/queue/a"].unsettled, 3u);
  EXPECT_EQ(queues["/queue/a"].consumers, 1u);
  EXPECT_EQ(queues["/queue/b"].waiting, 1u);
  EXPECT_EQ(queues["/queue/b"].consumers, 0u);
  EXPECT_GT(queues["/queue/b"].bytes, 0u);
  EXPECT_EQ(shards_.shard().list_queues({.offset = 1, .limit = 5}).size(), 1u);
}

TEST_F(ShardListings, CountEachSubscriptionThatAMessageIsDeliveredTo) {
  Peer& both = subscriber("/topic/a");
  subscribe(both, "/topic/*", "2");
  subscriber("/topic/a");
  publish("/topic/a");
  publish("/topic/nobody");
  EXPECT_EQ(shards_.count(&ShardMetrics::messages_delivered), 4u);
  EXPECT_EQ(shards_.count(&ShardMetrics::messages_received), 2u);
}

}  // namespace
}  // namespace stampede::core
