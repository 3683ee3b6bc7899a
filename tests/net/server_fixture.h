#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "net/clock.h"
#include "net/server.h"
#include "net/socket.h"

namespace stampede::net {

inline constexpr int kPatienceMs = 10'000;

// A blocking TCP client that speaks STOMP in plain text.
class Peer {
 public:
  explicit Peer(uint16_t port, int receive_buffer = 0) : Peer() {
    if (receive_buffer > 0) {
      setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    }
    dial(port);
  }
  // Has its descriptor, and no connection before dial().
  Peer() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}

  void dial(uint16_t port) {
    const SocketAddress address = *resolve("127.0.0.1", port);
    is_connected_ = ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address.storage),
                              address.size) == 0;
  }

  void send(std::string_view frame, bool with_nul = true) {
    std::string octets(frame);
    if (with_nul) octets += '\0';
    ASSERT_EQ(::send(fd_.get(), octets.data(), octets.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(octets.size()));
  }

  // The next frame without its NUL and without heart-beats before it; "<end>" at the end of the
  // stream, "<reset>",
  // "<late>" if nothing came in time.
  std::string expect_frame() {
    while (true) {
      const size_t begin = std::min(received_.find_first_not_of('\n'), received_.size());
      const size_t end = received_.find('\0', begin);
      if (end != std::string::npos) {
        std::string frame = received_.substr(begin, end - begin);
        received_.erase(0, end + 1);
        return frame;
      }
      pollfd waiting = {.fd = fd_.get(), .events = POLLIN, .revents = 0};
      if (poll(&waiting, 1, kPatienceMs) != 1) return "<late>";
      char buffer[65536];
      const ssize_t size = recv(fd_.get(), buffer, sizeof(buffer), 0);
      if (size == 0) return "<end>";
      if (size < 0) return "<reset>";
      received_.append(buffer, static_cast<size_t>(size));
    }
  }

  std::string expect_command() {
    const std::string frame = expect_frame();
    return frame.substr(0, frame.find('\n'));
  }

  std::string expect_body() {
    const std::string frame = expect_frame();
    const size_t body = frame.find("\n\n");
    return body == std::string::npos ? frame : frame.substr(body + 2);
  }

  void connect() {
    send("CONNECT\naccept-version:1.2\nhost:test\n\n");
    ASSERT_EQ(expect_command(), "CONNECTED");
  }

  void subscribe(std::string_view destination, std::string_view id = "s") {
    send("SUBSCRIBE\nid:" + std::string(id) + "\ndestination:" + std::string(destination) +
         "\nreceipt:subscribed\n\n");
    ASSERT_EQ(expect_command(), "RECEIPT");
  }

  void half_close() { shutdown(fd_.get(), SHUT_WR); }

  void reset() {
    const linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    fd_.reset();
  }

  [[nodiscard]] bool is_connected() const { return is_connected_; }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  FileDescriptor fd_;
  bool is_connected_ = false;
  std::string received_;
};

inline std::string message_to(std::string_view destination, std::string_view body) {
  return "SEND\ndestination:" + std::string(destination) + "\n\n" + std::string(body);
}

// Requires: T is made of 64-bit words.
template <typename T>
void add_words(T& sum, const T& one) {
  using Words = std::array<uint64_t, sizeof(T) / sizeof(uint64_t)>;
  auto words = std::bit_cast<Words>(sum);
  const auto more = std::bit_cast<Words>(one);
  for (size_t n = 0; n < words.size(); ++n) words[n] += more[n];
  sum = std::bit_cast<T>(words);
}

// What the shards' tables and counters add up to.
inline ShardSnapshot total_of(Server& server) {
  ShardSnapshot sum = {};
  for (const std::optional<ShardSnapshot>& one : server.ask_shards()) {
    if (!one) continue;
    add_words(sum.metrics, one->metrics);
    add_words(sum.tables, one->tables);
    add_words(sum.net, one->net);
  }
  return sum;
}

// A broker on a port of its own, with its log at hand.
class ServerFixture : public testing::Test {
 protected:
  void start(core::ShardId shards, const std::function<void(ServerOptions&)>& change = {},
             core::Options core_options = {}) {
    ServerOptions options;
    options.listeners = {*parse_listen_uri("stomp://127.0.0.1:0"),
                         *parse_listen_uri("ws://127.0.0.1:0")};
    options.shards = shards;
    options.log = [this](LogLevel, std::string_view line) {
      const std::lock_guard lock(mutex_);
      lines_.emplace_back(line);
    };
    if (change) change(options);
    auto server = Server::start(std::move(options), std::move(core_options));
    ASSERT_TRUE(server.has_value()) << server.error();
    server_ = std::move(*server);
    port_ = server_->bound()[0].port;
  }

  ShardSnapshot total() { return total_of(*server_); }

  bool wait_until(const std::function<bool()>& condition) {
    for (int64_t end = monotonic_ns() + kPatienceMs * 1'000'000LL; monotonic_ns() < end;) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return false;
  }

  size_t lines_with(std::string_view text) {
    const std::lock_guard lock(mutex_);
    return static_cast<size_t>(std::ranges::count_if(
        lines_, [&](const std::string& line) { return line.find(text) != std::string::npos; }));
  }

  std::mutex mutex_;
  std::vector<std::string> lines_;
  std::unique_ptr<Server> server_;
  uint16_t port_ = 0;
};

}  // namespace stampede::net
