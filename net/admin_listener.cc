#include "net/admin_listener.h"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>
#include <vector>

#include "net/clock.h"
#include "net/listen_uri.h"
#include "net/start_thread.h"

namespace stampede::net {
namespace {

// How long accepting rests when descriptors are short.
constexpr int64_t kAcceptRestMs = 100;
constexpr int kAcceptsPerTurn = 16;
// How long, and how much, is read on behind an answer, so that what a client still sends does not
// reset the connection before it has read.
constexpr int64_t kLingerMs = 1'000;
constexpr size_t kLingerBytesMax = 256 * 1024;

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

struct AdminListener::Connection {
  enum class Phase : uint8_t { kReading, kWriting, kLingering };

  FileDescriptor fd;
  int64_t deadline_ms;
  proto::HttpRequestReader reader{kLimits};
  Phase phase = Phase::kReading;
  bool is_ready = false;
  std::string answer = {};
  size_t written = 0;
  size_t discarded = 0;
};

Result<std::unique_ptr<AdminListener>> AdminListener::bind(const Options& options,
                                                           InheritedSockets& inherited) {
  const Result<SocketAddress> address = resolve(options.host, options.port);
  if (!address) return std::unexpected(address.error());
  if (!options.allow_anonymous && !address->is_loopback()) {
    return std::unexpected("refusing to listen on " + address->text() +
                           ": it can be reached from other machines and asks nobody who they are; "
                           "listen on 127.0.0.1 or give --allow-anonymous");
  }
  std::vector<SharedSocket> sockets = inherited.take(kName, *address);
  if (sockets.empty()) {
    Result<FileDescriptor> fd = listen_on(*address, {.send_buffer_bytes = 0, .share_port = false});
    if (!fd) return std::unexpected(std::move(fd.error()));
    sockets.push_back({.fd = std::move(*fd), .name = std::string(kName), .lives_on = false});
  }
  SharedSocket& socket = sockets.front();
  const Result<SocketAddress> bound = local_address(socket.fd.get());
  if (!bound) return std::unexpected(bound.error());
  fcntl(socket.fd.get(), F_SETFL, O_NONBLOCK);
  std::unique_ptr<AdminListener> listener(
      new AdminListener(std::move(socket), bound->host_text(), bound->port()));
  if (!listener->wakeup_.is_open()) return std::unexpected(std::string("cannot make an eventfd"));
  return listener;
}

AdminListener::AdminListener(SharedSocket socket, std::string host, uint16_t port)
    : socket_(std::move(socket)), host_(std::move(host)), port_(port) {}

AdminListener::~AdminListener() {
  if (!thread_.joinable()) return;
  // release: none needed but the flag itself; the wake-up makes the thread look at it.
  ending_.store(true, std::memory_order_release);
  wakeup_.wake();
  thread_.join();
}

void AdminListener::serve(Handler handler) {
  handler_ = std::move(handler);
  thread_ = start_thread("admin", [this] { run(); });
}

SharedSocket AdminListener::copy_socket() const {
  return {.fd = FileDescriptor(fcntl(socket_.fd.get(), F_DUPFD_CLOEXEC, 0)),
          .name = std::string(kName),
          .lives_on = socket_.lives_on};
}

void AdminListener::leave_to_other() {
  // relaxed: nothing is published by it; the wake-up makes the thread look at it.
  is_left_.store(true, std::memory_order_relaxed);
  wakeup_.wake();
}

std::string AdminListener::uri() const { return "http://" + host_port_text(host_, port_); }

void AdminListener::run() {
  while (true) {
    now_ms_ = to_millis(monotonic_ns());
    wait();
    // acquire: pairs with the destructor's store.
    if (ending_.load(std::memory_order_acquire)) break;
    now_ms_ = to_millis(monotonic_ns());
    serve_ready();
    accept_waiting();
  }
  connections_.clear();
}

int64_t AdminListener::next_deadline_ms() const {
  int64_t next = now_ms_ + 60'000;
  if (accept_again_ms_ > now_ms_) next = std::min(next, accept_again_ms_);
  for (const Connection& connection : connections_) next = std::min(next, connection.deadline_ms);
  return next;
}

void AdminListener::wait() {
  std::vector<pollfd> waiting;
  waiting.push_back({.fd = wakeup_.fd(), .events = POLLIN, .revents = 0});
  // A negative descriptor is passed over.
  const bool may_accept = accept_again_ms_ <= now_ms_ && !is_left_.load(std::memory_order_relaxed);
  waiting.push_back({.fd = may_accept ? socket_.fd.get() : -1, .events = POLLIN, .revents = 0});
  for (const Connection& connection : connections_) {
    const bool is_writing = connection.phase == Connection::Phase::kWriting;
    waiting.push_back({.fd = connection.fd.get(),
                       .events = static_cast<short>(is_writing ? POLLOUT : POLLIN),
                       .revents = 0});
  }
  wakeup_.prepare_sleep();
  // acquire: as in run().
  if (!ending_.load(std::memory_order_acquire)) {
    const int64_t patience = std::max<int64_t>(next_deadline_ms() - now_ms_, 0);
    (void)poll(waiting.data(), waiting.size(), static_cast<int>(patience) + 1);
  }
  wakeup_.finish_sleep();
  if (waiting[0].revents != 0) wakeup_.consume();
  has_waiting_ = waiting[1].revents != 0;
  size_t place = 2;
  for (Connection& connection : connections_) connection.is_ready = waiting[place++].revents != 0;
}

void AdminListener::serve_ready() {
  std::erase_if(connections_, [this](Connection& connection) {
    if (std::exchange(connection.is_ready, false)) return !proceed(connection);
    return connection.deadline_ms <= now_ms_;
  });
}

void AdminListener::accept_waiting() {
  if (!has_waiting_) return;
  for (int accepts = 0; accepts < kAcceptsPerTurn; ++accepts) {
    FileDescriptor fd(accept4(socket_.fd.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd.is_open()) {
      if (!would_block() && errno != ECONNABORTED) accept_again_ms_ = now_ms_ + kAcceptRestMs;
      return;
    }
    make_room();
    connections_.push_back({.fd = std::move(fd), .deadline_ms = now_ms_ + kPatienceMs});
  }
}

void AdminListener::make_room() {
  if (connections_.size() < kConnectionsMax) return;
  const auto silent =
      std::ranges::find(connections_, Connection::Phase::kReading, &Connection::phase);
  connections_.erase(silent == connections_.end() ? connections_.begin() : silent);
}

bool AdminListener::proceed(Connection& connection) {
  switch (connection.phase) {
    case Connection::Phase::kReading:
      return read_request(connection);
    case Connection::Phase::kWriting:
      return write_answer(connection);
    case Connection::Phase::kLingering:
      return discard_input(connection);
  }
  return false;
}

bool AdminListener::read_request(Connection& connection) {
  std::array<uint8_t, 4096> buffer;
  const ssize_t size = recv(connection.fd.get(), buffer.data(), buffer.size(), 0);
  if (size < 0) return would_block();
  if (size == 0) return false;
  const auto [status, consumed] =
      connection.reader.feed({buffer.data(), static_cast<size_t>(size)});
  if (status == proto::HttpRequestStatus::kNeedMore) return true;
  if (status == proto::HttpRequestStatus::kRequest) {
    const proto::HttpRequest& request = connection.reader.request();
    connection.answer = proto::http_answer_text(handler_(request), request.is_head);
  } else {
    const proto::HttpAnswer refusal = {.status_code = connection.reader.refusal_code(),
                                       .body = std::string(connection.reader.refusal()) + "\n"};
    connection.answer = proto::http_answer_text(refusal, false);
  }
  connection.phase = Connection::Phase::kWriting;
  // The handler may have taken its time.
  now_ms_ = to_millis(monotonic_ns());
  return write_answer(connection);
}

bool AdminListener::write_answer(Connection& connection) {
  const ssize_t size =
      send(connection.fd.get(), connection.answer.data() + connection.written,
           connection.answer.size() - connection.written, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (size < 0 && !would_block()) return false;
  if (size > 0) connection.written += static_cast<size_t>(size);
  connection.deadline_ms = now_ms_ + kPatienceMs;
  if (connection.written < connection.answer.size()) return true;
  if (shutdown(connection.fd.get(), SHUT_WR) != 0) return false;
  connection.phase = Connection::Phase::kLingering;
  connection.deadline_ms = now_ms_ + kLingerMs;
  return true;
}

bool AdminListener::discard_input(Connection& connection) {
  std::array<uint8_t, 4096> buffer;
  const ssize_t size = recv(connection.fd.get(), buffer.data(), buffer.size(), 0);
  if (size < 0) return would_block();
  connection.discarded += static_cast<size_t>(size);
  return size > 0 && connection.discarded < kLingerBytesMax;
}

}  // namespace stampede::net
