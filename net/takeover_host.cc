#include "net/takeover_host.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <utility>

#include "net/start_thread.h"
#include "net/takeover.h"
#include "net/unix_packet.h"

namespace stampede::net {
namespace {

// A new broker says hello at once.
constexpr int64_t kHelloMs = 5'000;
// What it may take to start: rings, threads, a large configuration. Nothing rests meanwhile.
constexpr int64_t kStartMs = 60'000;
constexpr int64_t kForever = -1;

std::string failure(const std::string& path) {
  return "cannot make the socket of --takeover " + path + ": " + std::strerror(errno);
}

}  // namespace

Result<std::unique_ptr<TakeoverHost>> TakeoverHost::bind(const std::string& path) {
  const std::string unfinished = path + "." + std::to_string(getpid());
  const Result<SocketAddress> address = unix_address(unfinished);
  if (!address) return std::unexpected("--takeover: " + address.error());
  FileDescriptor fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return std::unexpected(failure(path));
  (void)unlink(unfinished.c_str());
  // Nobody can connect before it listens, so nobody does while others still may.
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address->storage), address->size) != 0 ||
      chmod(unfinished.c_str(), S_IRUSR | S_IWUSR) != 0 || listen(fd.get(), 8) != 0) {
    return std::unexpected(failure(path));
  }
  std::unique_ptr<TakeoverHost> host(new TakeoverHost(path, unfinished, std::move(fd)));
  if (!host->wakeup_.is_open()) return std::unexpected(std::string("cannot make an eventfd"));
  return host;
}

TakeoverHost::TakeoverHost(std::string path, std::string unfinished, FileDescriptor socket)
    : path_(std::move(path)), unfinished_(std::move(unfinished)), socket_(std::move(socket)) {
  struct stat made = {};
  if (stat(unfinished_.c_str(), &made) == 0) inode_ = made.st_ino;
}

TakeoverHost::~TakeoverHost() {
  if (thread_.joinable()) {
    // release: none needed but the flag itself; the wake-up makes the thread look at it.
    ending_.store(true, std::memory_order_release);
    wakeup_.wake();
    thread_.join();
  }
  const std::string& path = is_published_ ? path_ : unfinished_;
  struct stat found = {};
  if (lstat(path.c_str(), &found) == 0 && found.st_ino == inode_) (void)unlink(path.c_str());
}

Result<void> TakeoverHost::publish() {
  if (std::rename(unfinished_.c_str(), path_.c_str()) != 0) return std::unexpected(failure(path_));
  is_published_ = true;
  return {};
}

void TakeoverHost::serve(Events events) {
  events_ = std::move(events);
  thread_ = start_thread("takeover", [this] { run(); });
}

void TakeoverHost::run() {
  while (wait_for(socket_.get(), kForever)) {
    const FileDescriptor connection(accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    // Who does not read cannot hold the thread.
    const timeval patience = {.tv_sec = kHelloMs / 1000, .tv_usec = 0};
    (void)setsockopt(connection.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (connection.is_open() && receive(connection)) break;
  }
  // Whoever still waits sees the end, and asks the new broker.
  socket_.reset();
}

bool TakeoverHost::receive(const FileDescriptor& connection) {
  const int fd = connection.get();
  // Read before anything is refused: an end with octets unread looks like a reset.
  if (!wait_for(fd, kHelloMs)) return false;
  const Result<UnixPacket> hello = receive_packet(fd, 0);
  const Result<uint32_t> user = peer_user(fd);
  if (!user || *user != geteuid()) {
    const std::string who = user ? "uid " + std::to_string(*user) : "nobody known";
    (void)send_packet(fd, std::string(takeover::kRefused) +
                              "the broker there is another user's (uid " +
                              std::to_string(geteuid()) + ")");
    events_.on_refused("takeover refused: asked by " + who);
    return false;
  }
  if (!hello || hello->text != takeover::kHello) {
    (void)send_packet(fd, std::string(takeover::kRefused) + "no hello came that is known here");
    return false;
  }
  if (!pass_sockets(fd)) return false;
  // Its end looks like a packet without text.
  const bool has_said = wait_for(fd, kStartMs);
  const Result<UnixPacket> packet = receive_packet(fd, 0);
  if (!has_said || !packet || !packet->text.starts_with(takeover::kReady)) {
    events_.on_refused("takeover failed: the new broker did not start; serving on");
    return false;
  }
  pid_t pid = 0;
  const std::string_view number = std::string_view(packet->text).substr(takeover::kReady.size());
  std::from_chars(number.data(), number.data() + number.size(), pid);
  events_.on_taken(pid);
  (void)send_packet(fd, takeover::kBye);
  return true;
}

bool TakeoverHost::pass_sockets(int connection) {
  const std::vector<SharedSocket> sockets = events_.copy_sockets();
  if (sockets.empty()) {
    (void)send_packet(connection, takeover::kEnding);
    return false;
  }
  for (const SharedSocket& socket : sockets) {
    const std::string text =
        std::string(takeover::kSocket) + socket.name + " " + (socket.lives_on ? "kept" : "own");
    if (!send_packet(connection, text, socket.fd.get())) return false;
  }
  return send_packet(connection, std::string(takeover::kEnd) + std::to_string(getpid()))
      .has_value();
}

bool TakeoverHost::wait_for(int fd, int64_t patience_ms) {
  pollfd waiting[2] = {{.fd = fd, .events = POLLIN, .revents = 0},
                       {.fd = wakeup_.fd(), .events = POLLIN, .revents = 0}};
  wakeup_.prepare_sleep();
  // acquire: pairs with the destructor's store.
  if (!ending_.load(std::memory_order_acquire))
    (void)poll(waiting, 2, static_cast<int>(patience_ms));
  wakeup_.finish_sleep();
  return !ending_.load(std::memory_order_acquire) && waiting[0].revents != 0;
}

}  // namespace stampede::net
