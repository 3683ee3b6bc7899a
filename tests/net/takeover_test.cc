#include "net/takeover.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/takeover_host.h"

namespace stampede::net {
namespace {

// Hosts in this process, at a path of the test's own.
struct TakeoverFixture : public ::testing::Test {
  TakeoverFixture() {
    directory = testing::TempDir() + "stampede-takeover-XXXXXX";
    EXPECT_NE(mkdtemp(directory.data()), nullptr);
    path = directory + "/socket";
  }
  ~TakeoverFixture() override {
    (void)unlink(path.c_str());
    (void)rmdir(directory.c_str());
  }

  // A host that has so many sockets, and says in `taken` who took its place.
  std::unique_ptr<TakeoverHost> host(size_t sockets, std::promise<pid_t>* taken = nullptr) {
    auto made = TakeoverHost::bind(path);
    EXPECT_TRUE(made.has_value()) << made.error();
    EXPECT_TRUE((*made)->publish().has_value());
    (*made)->serve({.copy_sockets = [sockets] { return listening(sockets); },
                    .on_taken =
                        [taken](pid_t pid) {
                          if (taken != nullptr) taken->set_value(pid);
                        },
                    .on_refused =
                        [this](const std::string& line) {
                          if (!std::exchange(was_refused, true)) refusal.set_value(line);
                        }});
    return std::move(*made);
  }
  static std::vector<SharedSocket> listening(size_t count) {
    std::vector<SharedSocket> sockets;
    for (size_t n = 0; n < count; ++n) {
      auto fd = listen_on(*resolve("127.0.0.1", 0), {.send_buffer_bytes = 0, .share_port = false});
      sockets.push_back(
          {.fd = std::move(*fd), .name = n % 2 == 0 ? "ws" : "stomp", .lives_on = n % 3 == 0});
    }
    return sockets;
  }

  std::string directory;
  std::string path;
  std::promise<std::string> refusal;  // the first
  bool was_refused = false;           // the host's thread
};

TEST_F(TakeoverFixture, PassesEverySocketAndItsName) {
  std::promise<pid_t> taken;
  const auto old = host(150, &taken);
  auto takeover = Takeover::ask(path);
  ASSERT_TRUE(takeover.has_value() && takeover->has_value());
  EXPECT_EQ((*takeover)->old_pid(), getpid());
  const std::vector<SharedSocket> sockets = (*takeover)->take_sockets();
  ASSERT_EQ(sockets.size(), 150u);
  for (size_t n = 0; n < sockets.size(); ++n) {
    EXPECT_EQ(sockets[n].name, n % 2 == 0 ? "ws" : "stomp");
    EXPECT_EQ(sockets[n].lives_on, n % 3 == 0);
    EXPECT_NE(local_address(sockets[n].fd.get())->port(), 0);
  }
  EXPECT_TRUE((*takeover)->confirm().has_value());
  EXPECT_EQ(taken.get_future().get(), getpid());
}

TEST_F(TakeoverFixture, ChangesNothingUnlessTheNewOneIsReady) {
  const auto old = host(2);
  {
    const auto takeover = Takeover::ask(path);
    ASSERT_TRUE(takeover.has_value() && takeover->has_value());
  }
  EXPECT_NE(refusal.get_future().get().find("serving on"), std::string::npos);
  const auto again = Takeover::ask(path);
  EXPECT_TRUE(again.has_value() && again->has_value());
}

TEST_F(TakeoverFixture, IsNotFromABrokerThatEnds) {
  const auto old = host(0);
  const auto takeover = Takeover::ask(path);
  ASSERT_TRUE(takeover.has_value()) << takeover.error();
  EXPECT_FALSE(takeover->has_value());
}

TEST_F(TakeoverFixture, IsNotFromNobody) {
  EXPECT_FALSE(Takeover::ask(path)->has_value());
  // One that was killed leaves its path.
  auto killed = TakeoverHost::bind(path);
  ASSERT_TRUE((*killed)->publish().has_value());
  ASSERT_EQ(link(path.c_str(), (path + ".copy").c_str()), 0);
  killed->reset();
  ASSERT_EQ(rename((path + ".copy").c_str(), path.c_str()), 0);
  EXPECT_FALSE(Takeover::ask(path)->has_value());
}

TEST_F(TakeoverFixture, AsksTheOneWhoCameBetween) {
  std::promise<pid_t> taken;
  auto old = host(1, &taken);
  auto first = Takeover::ask(path);
  ASSERT_TRUE(first.has_value() && first->has_value());
  // It waits at the old one, which is busy with the first.
  auto second = std::async(std::launch::async, [this] { return Takeover::ask(path); });
  auto next = TakeoverHost::bind(path);
  ASSERT_TRUE((*next)->publish().has_value());
  EXPECT_TRUE((*first)->confirm().has_value());
  (*next)->serve({.copy_sockets = [] { return listening(7); },
                  .on_taken = [](pid_t) {},
                  .on_refused = [](const std::string&) {}});
  auto answer = second.get();
  ASSERT_TRUE(answer.has_value() && answer->has_value());
  EXPECT_EQ((*answer)->take_sockets().size(), 7u);
}

TEST_F(TakeoverFixture, LeavesThePathOfTheNextOneAlone) {
  auto old = host(1);
  auto next = TakeoverHost::bind(path);
  ASSERT_TRUE((*next)->publish().has_value());
  old.reset();
  EXPECT_EQ(access(path.c_str(), F_OK), 0);
  next->reset();
  EXPECT_NE(access(path.c_str(), F_OK), 0);
}

TEST_F(TakeoverFixture, IsForItsOwnUserOnly) {
  const auto old = host(1);
  struct stat found = {};
  ASSERT_EQ(stat(path.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600u);
}

TEST_F(TakeoverFixture, RefusesAPathThatIsSomethingElse) {
  std::ofstream(path) << "precious";
  const auto takeover = Takeover::ask(path);
  ASSERT_FALSE(takeover.has_value());
  EXPECT_NE(takeover.error().find("is no socket"), std::string::npos) << takeover.error();
}

}  // namespace
}  // namespace stampede::net
