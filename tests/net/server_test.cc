#include "net/server.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <utility>

#include "tests/net/server_fixture.h"

namespace stampede::net {
namespace {

// A broker of as many shards as the parameter says.
class ServerTest : public ServerFixture, public testing::WithParamInterface<core::ShardId> {
 protected:
  void start(const std::function<void(ServerOptions&)>& change = {},
             core::Options core_options = {}) {
    ServerFixture::start(GetParam(), change, std::move(core_options));
  }

  [[noreturn]] void wait_for_descriptors_and_exit() {
    // Before the start: the kernel notes the limit when an accept is armed.
    const rlimit limit = {.rlim_cur = 128, .rlim_max = 128};
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    start();
    // Every shard is in its turns, and what it needed descriptors for to get there is over. Twice,
    // as UBSan wants some the first time that a shard lets go of an answer, which is behind the
    // answer.
    (void)total();
    (void)total();
    std::vector<std::unique_ptr<Peer>> peers;
    for (int i = 0; i < 8; ++i) peers.push_back(std::make_unique<Peer>());
    std::vector<FileDescriptor> fillers;
    while (fillers.empty() || fillers.back().is_open()) fillers.emplace_back(dup(0));
    for (auto& peer : peers) {
      peer->dial(port_);
      EXPECT_TRUE(peer->is_connected());
    }
    // The log tells. A snapshot would not do here: checking the type of its future UBSan wants
    // descriptors.
    EXPECT_TRUE(wait_until([&] { return lines_with("accept paused") > 0; }));
    EXPECT_EQ(server_->connections(), 0u);
    fillers.clear();
    for (auto& peer : peers) peer->connect();
    EXPECT_GT(total().net.accept_pauses, 0u);
    // One line a second and shard, however often it paused.
    EXPECT_LE(lines_with("accept paused"), GetParam());
    server_.reset();
    std::exit(HasFailure() ? 1 : 0);
  }
};

INSTANTIATE_TEST_SUITE_P(Shards, ServerTest, testing::Values(1, 2, 3));

TEST_P(ServerTest, DeliversFromOneConnectionToAnother) {
  start();
  Peer publisher(port_);
  publisher.connect();
  std::vector<std::unique_ptr<Peer>> subscribers;
  // Enough that every shard has some.
  for (int i = 0; i < 16; ++i) {
    subscribers.push_back(std::make_unique<Peer>(port_));
    subscribers.back()->connect();
    subscribers.back()->subscribe("/topic/a");
  }
  for (int i = 0; i < 100; ++i) publisher.send(message_to("/topic/a", std::to_string(i)));
  for (auto& subscriber : subscribers) {
    for (int i = 0; i < 100; ++i) ASSERT_EQ(subscriber->expect_body(), std::to_string(i));
  }
}

TEST_P(ServerTest, DeliversLargeBodiesInOrderToASlowReader) {
  core::Options core_options;
  core_options.slow_consumer_bytes = 64 * 1024 * 1024;
  start([](ServerOptions& options) { options.send_buffer_bytes = 16 * 1024; }, core_options);
  Peer subscriber(port_, 4096);
  subscriber.connect();
  subscriber.subscribe("/topic/large");
  Peer publisher(port_);
  publisher.connect();
  constexpr int kMessages = 64;
  std::thread publishing([&] {
    for (int i = 0; i < kMessages; ++i) {
      publisher.send(
          message_to("/topic/large", std::string(100'000, static_cast<char>('a' + i % 26))));
    }
  });
  for (int i = 0; i < kMessages; ++i) {
    ASSERT_EQ(subscriber.expect_body(), std::string(100'000, static_cast<char>('a' + i % 26))) << i;
  }
  publishing.join();
}

TEST_P(ServerTest, TakesInMoreThanItHasBuffersFor) {
  start();
  Peer subscriber(port_);
  subscriber.connect();
  subscriber.subscribe("/topic/counted");
  constexpr int kPublishers = 24;
  constexpr int kMessages = 40;
  std::vector<std::thread> publishers;
  for (int p = 0; p < kPublishers; ++p) {
    publishers.emplace_back([this] {
      Peer publisher(port_);
      publisher.connect();
      std::string batch;
      for (int i = 0; i < kMessages; ++i) {
        batch += message_to("/topic/other", std::string(10'000, 'x'));
        batch += '\0';
      }
      publisher.send(batch + message_to("/topic/counted", "done"));
      publisher.send("DISCONNECT\nreceipt:bye\n\n");
      EXPECT_EQ(publisher.expect_command(), "RECEIPT");
    });
  }
  for (int p = 0; p < kPublishers; ++p) ASSERT_EQ(subscriber.expect_body(), "done");
  for (std::thread& thread : publishers) thread.join();
  EXPECT_EQ(total().net.inbound_waiting, 0u);
}

TEST_P(ServerTest, AnswersAPeerThatHalfCloses) {
  start();
  Peer peer(port_);
  peer.send("CONNECT\naccept-version:1.2\nhost:test\n\n");
  peer.send("SUBSCRIBE\nid:s\ndestination:/topic/h\nreceipt:1\n\n");
  peer.half_close();
  EXPECT_EQ(peer.expect_command(), "CONNECTED");
  EXPECT_EQ(peer.expect_command(), "RECEIPT");
  EXPECT_EQ(peer.expect_frame(), "<end>");
  EXPECT_TRUE(wait_until([&] { return server_->connections() == 0; }));
}

TEST_P(ServerTest, LeavesNothingBehindWhenPeersReset) {
  start();
  constexpr int kPeers = 50;
  for (int round = 0; round < 4; ++round) {
    std::vector<std::unique_ptr<Peer>> peers;
    for (int i = 0; i < kPeers; ++i) {
      peers.push_back(std::make_unique<Peer>(port_));
      peers.back()->connect();
      peers.back()->subscribe("/topic/r");
    }
    // What they publish is on its way to those that are being reset.
    for (auto& peer : peers) peer->send(message_to("/topic/r", std::string(5'000, 'r')));
    for (auto& peer : peers) peer->reset();
  }
  EXPECT_TRUE(wait_until([&] { return server_->connections() == 0; }));
  const ShardSnapshot sum = total();
  EXPECT_EQ(sum.tables.clients, 0u);
  EXPECT_EQ(sum.tables.subscriptions, 0u);
  EXPECT_EQ(sum.net.connections, 0u);
  EXPECT_TRUE(wait_until([&] { return lines_with("close shard=") == 4 * kPeers; }));
}

TEST_P(ServerTest, ServesManyConnections) {
  start();
  constexpr int kPeers = 600;
  std::vector<std::unique_ptr<Peer>> peers;
  for (int i = 0; i < kPeers; ++i) {
    peers.push_back(std::make_unique<Peer>(port_));
    peers.back()->connect();
    peers.back()->subscribe("/topic/many");
  }
  EXPECT_EQ(server_->connections(), kPeers);
  for (int i = 0; i < 5; ++i) peers[0]->send(message_to("/topic/many", std::to_string(i)));
  for (auto& peer : peers) {
    for (int i = 0; i < 5; ++i) ASSERT_EQ(peer->expect_body(), std::to_string(i));
  }
  peers.clear();
  EXPECT_TRUE(wait_until([&] { return server_->connections() == 0; }));
  EXPECT_EQ(total().net.connections_accepted, kPeers);
}

TEST_P(ServerTest, RefusesOnePastTheLimitOfConnections) {
  start([](ServerOptions& options) { options.connections_max = 2; });
  Peer first(port_);
  Peer second(port_);
  first.connect();
  second.connect();
  Peer third(server_->bound()[1].port);
  EXPECT_TRUE(third.is_connected());
  char answer[12] = {};
  EXPECT_EQ(recv(third.fd(), answer, sizeof(answer), MSG_WAITALL), 12);
  EXPECT_EQ(std::string_view(answer, 12), "HTTP/1.1 503");
  EXPECT_EQ(total().net.connections_refused, 1u);
  EXPECT_TRUE(wait_until([&] { return lines_with("limit=--max-connections") == 1; }));
  first.reset();
  EXPECT_TRUE(wait_until([&] { return server_->connections() == 1; }));
  Peer fourth(port_);
  fourth.connect();
}

TEST_P(ServerTest, RefusesOnePastTheLimitOfAnAddress) {
  start([](ServerOptions& options) { options.connections_per_address_max = 1; });
  {
    Peer first(port_);
    first.connect();
    Peer second(port_);
    EXPECT_EQ(second.expect_frame(), "<end>");
  }
  EXPECT_TRUE(wait_until([&] { return server_->connections() == 0; }));
  Peer third(port_);
  third.connect();
}

TEST_P(ServerTest, WaitsForDescriptorsAndGoesOn) {
  // In a process of its own: its limit goes down for good.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(wait_for_descriptors_and_exit(), testing::ExitedWithCode(0), "");
}

TEST_P(ServerTest, DrainsWhatClientsStillHaveToGet) {
  start();
  Peer subscriber(port_);
  subscriber.connect();
  subscriber.subscribe("/topic/d");
  Peer publisher(port_);
  publisher.connect();
  for (int i = 0; i < 200; ++i) publisher.send(message_to("/topic/d", std::to_string(i)));
  publisher.send(message_to("/topic/d", "last") + '\0' +
                 "SEND\ndestination:/topic/d\nreceipt:r\n\nreceipted");
  ASSERT_EQ(publisher.expect_command(), "RECEIPT");
  server_->drain({.for_ms = kPatienceMs});
  for (int i = 0; i < 200; ++i) ASSERT_EQ(subscriber.expect_body(), std::to_string(i));
  EXPECT_EQ(subscriber.expect_body(), "last");
  EXPECT_EQ(subscriber.expect_body(), "receipted");
  EXPECT_EQ(subscriber.expect_command(), "ERROR");
  EXPECT_EQ(subscriber.expect_frame(), "<end>");
  subscriber.half_close();
  publisher.half_close();
  server_->wait();
  EXPECT_EQ(server_->connections(), 0u);
  Peer late(port_);
  EXPECT_FALSE(late.is_connected());
}

// Shards learn of the drain one after the other, while publishers go on.
TEST_P(ServerTest, DrainsToEveryReaderWhatIsAcknowledgedMeanwhile) {
  constexpr size_t kPeers = 6;
  core::Options core_options;
  core_options.close_linger_ms = kPatienceMs;
  start({}, core_options);
  std::array<std::atomic<size_t>, kPeers> acknowledged = {};
  const auto publish = [&](Peer& peer, size_t name) {
    for (std::string end; end.empty();) {
      std::string batch;
      for (size_t n = 0; n < 8; ++n) {
        if (n > 0) batch += '\0';
        batch += "SEND\ndestination:/topic/" + std::to_string(name % 3) + "\nreceipt:r\n\n" +
                 std::to_string(name) + ":" + std::to_string(acknowledged[name] + n);
      }
      peer.send(batch);
      for (size_t n = 0; n < 8 && end.empty(); ++n) {
        const std::string command = peer.expect_command();
        if (command == "RECEIPT") {
          ++acknowledged[name];
        } else {
          end = command;
        }
      }
      if (!end.empty()) {
        EXPECT_EQ(end, "ERROR");
      }
    }
    peer.half_close();
  };
  std::array<std::array<size_t, kPeers>, kPeers> received = {};
  const auto read = [&](Peer& peer, std::array<size_t, kPeers>& next) {
    while (true) {
      const std::string frame = peer.expect_frame();
      if (!frame.starts_with("MESSAGE")) {
        EXPECT_TRUE(frame.starts_with("ERROR")) << frame;
        break;
      }
      const std::string body = frame.substr(frame.find("\n\n") + 2);
      const size_t name = std::stoul(body);
      ASSERT_EQ(body, std::to_string(name) + ":" + std::to_string(next[name]));
      ++next[name];
    }
    peer.half_close();
  };
  std::vector<std::unique_ptr<Peer>> peers;
  for (size_t n = 0; n < 2 * kPeers; ++n) {
    peers.push_back(std::make_unique<Peer>(port_));
    peers.back()->connect();
    if (n < kPeers) peers.back()->subscribe("/topic/*");
  }
  std::vector<std::thread> threads;
  for (size_t n = 0; n < kPeers; ++n) {
    threads.emplace_back([&, n] { read(*peers[n], received[n]); });
    threads.emplace_back([&, n] { publish(*peers[kPeers + n], n); });
  }
  EXPECT_TRUE(wait_until([&] {
    return std::ranges::all_of(acknowledged, [](const auto& count) { return count >= 50; });
  }));
  server_->drain({.for_ms = kPatienceMs});
  for (std::thread& thread : threads) thread.join();
  server_->wait();
  for (const auto& next : received) {
    for (size_t name = 0; name < kPeers; ++name) EXPECT_GE(next[name], acknowledged[name]);
  }
}

TEST_P(ServerTest, CutsOffWhoIsLeftWhenTheDrainIsOver) {
  core::Options core_options;
  core_options.close_linger_ms = 60'000;
  start({}, core_options);
  Peer peer(port_);
  peer.connect();
  const int64_t begin = monotonic_ns();
  server_->drain({.for_ms = 200});
  server_->wait();
  const int64_t took_ms = to_millis(monotonic_ns() - begin);
  EXPECT_GE(took_ms, 190);
  EXPECT_LT(took_ms, 1'500);
}

TEST_P(ServerTest, StopsAtOnceWithAStuckReader) {
  core::Options core_options;
  core_options.slow_consumer_bytes = 64 * 1024 * 1024;
  core_options.publisher_lead_bytes_max = SIZE_MAX / 2;  // nobody else reads: it would be held back
  start([](ServerOptions& options) { options.send_buffer_bytes = 16 * 1024; }, core_options);
  Peer stuck(port_, 4096);
  stuck.connect();
  stuck.subscribe("/topic/s");
  Peer publisher(port_);
  publisher.connect();
  for (int i = 0; i < 40; ++i) publisher.send(message_to("/topic/s", std::string(100'000, 's')));
  publisher.send("SEND\ndestination:/topic/s\nreceipt:r\n\n");
  ASSERT_EQ(publisher.expect_command(), "RECEIPT");
  server_->drain({.for_ms = 60'000});
  const int64_t begin = monotonic_ns();
  server_->stop_now();
  server_->wait();
  EXPECT_LT(to_millis(monotonic_ns() - begin), 1'000);
  EXPECT_EQ(server_->connections(), 0u);
}

TEST_P(ServerTest, GivesSnapshotsUntilAndAfterItsEnd) {
  start();
  {
    Peer peer(port_);
    peer.connect();
    EXPECT_EQ(total().tables.clients, 1u);
  }
  std::thread asking([&] {
    for (int i = 0; i < 200; ++i) EXPECT_EQ(server_->ask_shards().size(), GetParam());
  });
  server_->stop_now();
  asking.join();
  server_->wait();
  EXPECT_EQ(total().net.connections_accepted, 1u);
}

TEST_P(ServerTest, LetsAVisitLookAtEachShardsTables) {
  start();
  Peer peer(port_);
  peer.connect();
  std::vector<std::vector<core::ClientEntry>> clients(GetParam());
  const auto answers =
      server_->ask_shards([&](core::ShardId id, const core::Shard& shard, core::Millis now) {
        clients[id] = shard.list_clients({.offset = 0, .limit = 10}, now);
      });
  EXPECT_TRUE(std::ranges::all_of(answers, [](const auto& answer) { return answer.has_value(); }));
  size_t listed = 0;
  for (const auto& of_shard : clients) listed += of_shard.size();
  EXPECT_EQ(listed, 1u);
}

TEST_P(ServerTest, VisitsNoShardThatHasEnded) {
  start();
  EXPECT_TRUE(server_->is_serving());
  server_->drain({.for_ms = 60'000});
  EXPECT_FALSE(server_->is_serving());
  server_->wait();
  std::atomic<int> visits = 0;
  (void)server_->ask_shards([&](core::ShardId, const core::Shard&, core::Millis) { ++visits; });
  EXPECT_EQ(visits, 0);
}

TEST_P(ServerTest, SharesItsPortWithNoOtherBroker) {
  start();
  ServerOptions second;
  second.listeners = {*parse_listen_uri("stomp://127.0.0.1:" + std::to_string(port_))};
  second.shards = GetParam();
  const auto server = Server::start(second, {});
  ASSERT_FALSE(server.has_value());
  EXPECT_NE(server.error().find(std::to_string(port_)), std::string::npos) << server.error();
}

TEST(Server, ListensBeyondLoopbackOnlyIfToldSo) {
  ServerOptions options;
  options.listeners = {*parse_listen_uri("stomp://0.0.0.0:0")};
  options.shards = 1;
  const auto refused = Server::start(options, {});
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().find("--allow-anonymous"), std::string::npos) << refused.error();
  options.allow_anonymous = true;
  EXPECT_TRUE(Server::start(options, {}).has_value());
}

TEST(Server, RefusesCpusThatAreNotThere) {
  ServerOptions options;
  options.listeners = {*parse_listen_uri("stomp://127.0.0.1:0")};
  options.cpus = {1000};
  EXPECT_FALSE(Server::start(options, {}).has_value());
}

}  // namespace
}  // namespace stampede::net
