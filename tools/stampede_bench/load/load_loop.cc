#include "tools/stampede_bench/load/load_loop.h"

#include <liburing.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "net/clock.h"
#include "proto/base/check.h"

namespace stampede::bench {
namespace {

// An enter runs about 20 receives, so that many buffers are in use at a time. 64 KiB takes in what
// a broker that gathers sends at once; together they stay within a cache.
constexpr unsigned kBuffers = 32;
constexpr size_t kBufferBytes = 64 * 1024;

constexpr size_t kCompletionsPerReap = 256;
constexpr size_t kReapsPerTurn = 64;

enum class LinkOp : uint8_t { kNone, kWatch, kConnect, kReceive, kSend };

constexpr uint64_t encode_tag(LinkOp op, uint32_t handle = 0) {
  return static_cast<uint64_t>(op) << 32 | handle;
}
constexpr LinkOp op_of(uint64_t user_data) { return static_cast<LinkOp>(user_data >> 32); }
constexpr uint32_t handle_of(uint64_t user_data) { return static_cast<uint32_t>(user_data); }
constexpr bool is_of_link(LinkOp op) { return op != LinkOp::kNone && op != LinkOp::kWatch; }

}  // namespace

Result<std::unique_ptr<LoadLoop>> LoadLoop::create(const Target& target) {
  auto address = net::resolve(target.host, target.port);
  if (!address) return std::unexpected(std::move(address.error()));
  auto ring = net::Ring::create();
  if (!ring) return std::unexpected(std::move(ring.error()));
  auto buffers = net::BufferRing::create(**ring, kBuffers, kBufferBytes);
  if (!buffers) return std::unexpected(std::move(buffers.error()));
  return std::unique_ptr<LoadLoop>(
      new LoadLoop(target, std::move(*ring), std::move(*buffers), *address));
}

LoadLoop::LoadLoop(const Target& target, std::unique_ptr<net::Ring> ring,
                   std::unique_ptr<net::BufferRing> buffers, const net::SocketAddress& address)
    : target_(target),
      address_(address),
      ring_(std::move(ring)),
      buffers_(std::move(buffers)),
      now_ns_(net::monotonic_ns()) {}

LoadLoop::~LoadLoop() {
  for (Link& link : links_) {
    if (link.fd >= 0) ::close(link.fd);
    link.fd = -1;
  }
  // Everything is cancelled with the sockets; buffers must not be written to afterwards.
  bool is_pending = true;
  while (is_pending) {
    is_pending = false;
    for (const Link& link : links_) is_pending = is_pending || link.pending > 0;
    if (!is_pending) break;
    io_uring_sqe* const sqe = ring_->get_sqe();
    io_uring_prep_cancel(sqe, nullptr, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
    sqe->user_data = encode_tag(LinkOp::kNone);
    ring_->submit_and_wait(10'000'000);
    ring_->reap(net::kCompletionEntries, [this](const net::Completion& completion) {
      if (is_of_link(op_of(completion.user_data)) && !completion.has_more())
        --links_[handle_of(completion.user_data)].pending;
    });
  }
}

Link* LoadLoop::connect(LinkUser& user, const net::SocketAddress* source, std::string& error) {
  const int fd = ::socket(address_.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    error = std::string("no socket: ") + std::strerror(errno);
    return nullptr;
  }
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (source != nullptr) {
    // The port is chosen at connect, when the other end is known: 28,000 for each pair.
    ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&source->storage), source->size) != 0) {
      error = "cannot bind to " + source->host_text() + ": " + std::strerror(errno);
      ::close(fd);
      return nullptr;
    }
  }
  if (free_.empty()) {
    free_.push_back(static_cast<uint32_t>(links_.size()));
    links_.emplace_back().handle = free_.back();
  }
  Link& link = links_[free_.back()];
  free_.pop_back();
  link.fd = fd;
  link.user = &user;
  link.dialect = make_dialect(target_);
  link.is_open = true;

  io_uring_sqe* const sqe = ring_->get_sqe();
  io_uring_prep_connect(sqe, fd, reinterpret_cast<const sockaddr*>(&address_.storage),
                        address_.size);
  sqe->user_data = encode_tag(LinkOp::kConnect, link.handle);
  ++link.pending;
  return &link;
}

void LoadLoop::note_written(Link& link) {
  if (link.is_dirty || link.out.empty()) return;
  link.is_dirty = true;
  dirty_.push_back(link.handle);
}

void LoadLoop::close(Link& link) {
  if (link.is_open) shut(link);
}

void LoadLoop::turn(int64_t until_ns) {
  send_dirty();
  if (!starved_.empty()) {
    buffers_->publish();
    for (const uint32_t handle : std::exchange(starved_, {})) {
      // The slot may have another connection since.
      if (std::exchange(links_[handle].is_starved, false)) arm_receive(links_[handle]);
    }
  }
  now_ns_ = net::monotonic_ns();
  if (ring_->has_completions() || until_ns <= now_ns_) {
    ring_->submit();
  } else {
    ring_->submit_and_wait(until_ns - now_ns_);
  }
  reap();
  now_ns_ = net::monotonic_ns();
}

void LoadLoop::watch(int event_fd) {
  watched_fd_ = event_fd;
  arm_watch();
}

void LoadLoop::arm_watch() {
  io_uring_sqe* const sqe = ring_->get_sqe();
  io_uring_prep_poll_multishot(sqe, watched_fd_, POLLIN);
  sqe->user_data = encode_tag(LinkOp::kWatch);
}

void LoadLoop::reap() {
  for (size_t round = 0; round < kReapsPerTurn; ++round) {
    ring_->reap(kCompletionsPerReap,
                [this](const net::Completion& completion) { on_completion(completion); });
    buffers_->publish();
    if (!ring_->has_completions()) return;
    send_dirty();
    ring_->submit();
  }
}

void LoadLoop::on_completion(const net::Completion& completion) {
  const LinkOp op = op_of(completion.user_data);
  if (op == LinkOp::kNone) return;
  if (op == LinkOp::kWatch) {
    was_woken_ = true;
    if (!completion.has_more()) arm_watch();
    return;
  }
  Link& link = links_[handle_of(completion.user_data)];
  if (!completion.has_more()) --link.pending;
  if (!link.is_open) {
    if (completion.has_buffer()) {
      (void)buffers_->take(completion.buffer(), static_cast<size_t>(std::max(completion.result, 0)));
      buffers_->recycle(completion.buffer());
    }
    release(link);
  } else if (op == LinkOp::kReceive) {
    on_receive(link, completion);
  } else if (op == LinkOp::kSend) {
    on_send(link, completion.result);
  } else {
    on_connect(link, completion.result);
  }
}

void LoadLoop::on_connect(Link& link, int result) {
  if (result < 0) return lose(link, -result);
  arm_receive(link);
  link.dialect->append_opening(link.out);
  note_written(link);
}

void LoadLoop::on_receive(Link& link, const net::Completion& completion) {
  if (completion.result <= 0) {
    if (completion.result == -ENOBUFS) {
      link.is_starved = true;
      starved_.push_back(link.handle);
      return;
    }
    return lose(link, -completion.result);
  }
  const auto size = static_cast<size_t>(completion.result);
  const auto octets = buffers_->take(completion.buffer(), size);
  octets_received_ += size;
  now_ns_ = net::monotonic_ns();
  // Held against a user that closes the link from within.
  ++link.pending;
  link.dialect->feed({reinterpret_cast<const char*>(octets.data()), size}, link.out, *link.user);
  --link.pending;
  buffers_->recycle(completion.buffer());
  if (!link.is_open) return release(link);
  note_written(link);
  if (!completion.has_more()) arm_receive(link);
}

void LoadLoop::on_send(Link& link, int result) {
  if (result < 0) return lose(link, -result);
  link.sent += static_cast<size_t>(result);
  if (link.sent < link.sending.size()) return prep_send(link);
  link.sending.clear();
  link.is_sending = false;
  note_written(link);
}

void LoadLoop::arm_receive(Link& link) {
  io_uring_sqe* const sqe = ring_->get_sqe();
  io_uring_prep_recv_multishot(sqe, link.fd, nullptr, 0, 0);
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = net::kReceiveBufferGroup;
  sqe->user_data = encode_tag(LinkOp::kReceive, link.handle);
  ++link.pending;
}

void LoadLoop::send_dirty() {
  for (const uint32_t handle : dirty_) {
    Link& link = links_[handle];
    link.is_dirty = false;
    if (!link.is_open || link.is_sending || link.out.empty()) continue;
    link.sending.swap(link.out);
    link.sent = 0;
    link.is_sending = true;
    prep_send(link);
  }
  dirty_.clear();
}

void LoadLoop::prep_send(Link& link) {
  io_uring_sqe* const sqe = ring_->get_sqe();
  io_uring_prep_send(sqe, link.fd, link.sending.data() + link.sent, link.sending.size() - link.sent,
                     MSG_NOSIGNAL | MSG_WAITALL);
  sqe->user_data = encode_tag(LinkOp::kSend, link.handle);
  ++link.pending;
}

void LoadLoop::lose(Link& link, int error) {
  LinkUser* const user = link.user;
  shut(link);
  user->on_lost(error);
}

// Pending operations end with the connection; their completions free the slot.
void LoadLoop::shut(Link& link) {
  link.is_open = false;
  link.is_starved = false;
  // What is prepared names the descriptor by its number, which the next socket may be given.
  ring_->submit();
  // Ends a multishot receive and a send at once; a close alone would wait for them.
  ::shutdown(link.fd, SHUT_RDWR);
  ::close(std::exchange(link.fd, -1));
  release(link);
}

void LoadLoop::release(Link& link) {
  if (link.pending > 0 || link.fd >= 0 || link.user == nullptr) return;
  const uint32_t handle = link.handle;
  link = Link{};
  link.handle = handle;
  free_.push_back(handle);
}

}  // namespace stampede::bench
