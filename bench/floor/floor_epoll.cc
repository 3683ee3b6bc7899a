// stampede_floor_epoll: the least that fan-out costs with epoll, recv and send. A turn receives
// once from every ready descriptor, then sends each topic's batch to each subscriber.

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "bench/floor/floor_server.h"

namespace stampede::bench {
namespace {

constexpr int kEventsMax = 1024;

class EpollFloor : public FloorServer {
 public:
  explicit EpollFloor(int listener) : listener_(listener), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    control(EPOLL_CTL_ADD, listener_, EPOLLIN);
  }

  [[noreturn]] void run() {
    std::array<epoll_event, kEventsMax> events;
    for (;;) {
      const int ready = epoll_wait(epoll_, events.data(), kEventsMax, -1);
      for (int i = 0; i < ready; ++i) {
        const epoll_event& event = events[static_cast<size_t>(i)];
        if (event.data.fd == listener_) {
          accept_all();
          continue;
        }
        if (event.events & EPOLLOUT) resume(event.data.fd);
        if (event.events & ~uint32_t{EPOLLOUT}) receive(event.data.fd);
      }
      flush();
    }
  }

 private:
  void accept_all() {
    for (;;) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      if (static_cast<size_t>(fd) >= unsent_.size()) unsent_.resize(static_cast<size_t>(fd) + 1);
      control(EPOLL_CTL_ADD, fd, EPOLLIN);
    }
  }

  void receive(int fd) {
    const ssize_t got = recv(fd, received_.data(), received_.size(), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got > 0 && take(fd, {received_.data(), static_cast<size_t>(got)})) return;
    forget(fd);
    unsent_[static_cast<size_t>(fd)] = {};
    close(fd);
  }

  void fan_out(std::string& batch, const std::vector<int>& subscribers) override {
    for (const int fd : subscribers) send_behind(fd, batch);
    batch.clear();
  }

  void send_constant(int fd, std::string_view octets) override { send_behind(fd, octets); }

  void send_behind(int fd, std::string_view octets) {
    std::string& unsent = unsent_[static_cast<size_t>(fd)];
    if (unsent.empty()) {
      octets.remove_prefix(send_now(fd, octets));
      if (octets.empty()) return;
      control(EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLOUT);
    }
    unsent.append(octets);
  }

  // The socket has room again.
  void resume(int fd) {
    std::string& unsent = unsent_[static_cast<size_t>(fd)];
    unsent.erase(0, send_now(fd, unsent));
    if (unsent.empty()) control(EPOLL_CTL_MOD, fd, EPOLLIN);
  }

  // Sends until the socket is full; gives how many octets it took. A connection that is gone takes
  // all: its end arrives as an event.
  static size_t send_now(int fd, std::string_view octets) {
    size_t sent = 0;
    while (sent < octets.size()) {
      const size_t piece = std::min(octets.size() - sent, kFloorSendBytesMax);
      const ssize_t result = send(fd, octets.data() + sent, piece, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (result >= 0) {
        sent += static_cast<size_t>(result);
      } else if (errno == EAGAIN) {
        return sent;
      } else if (errno != EINTR) {
        return octets.size();
      }
    }
    return sent;
  }

  void control(int operation, int fd, uint32_t events) const {
    epoll_event event = {.events = events, .data = {.fd = fd}};
    if (epoll_ctl(epoll_, operation, fd, &event) == 0) return;
    std::perror("epoll_ctl");
    std::exit(1);
  }

  const int listener_;
  const int epoll_;
  std::vector<std::string> unsent_;  // by descriptor: what a full socket refused
  std::array<char, kFloorReceiveBytesMax> received_;
};

}  // namespace
}  // namespace stampede::bench

int main(int argc, char** argv) {
  using namespace stampede::bench;
  floor_raise_file_limit();
  static EpollFloor floor(floor_listen(floor_options(argc, argv)));
  floor.run();
}
