#include "net/acceptor.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace stampede::net {
namespace {

// Descriptors come back when connections end; asking more often only burns CPU.
constexpr core::Millis kPauseMs = 100;
constexpr core::Millis kLogEveryMs = 1000;

bool is_exhaustion(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

Acceptor::Acceptor(Node& node, core::ShardId id, std::vector<ListeningSocket> sockets, Ring& ring,
                   ConnectionTable& connections, core::Shard& shard, Receiver& receiver,
                   ConnectionLimits& limits, ShardLog& log, NetMetrics& metrics)
    : node_(node),
      id_(id),
      ring_(ring),
      connections_(connections),
      shard_(shard),
      receiver_(receiver),
      limits_(limits),
      log_(log),
      metrics_(metrics),
      open_(sockets.size()),
      next_dealt_to_(id) {
  for (ListeningSocket& socket : sockets) listeners_.push_back({.socket = std::move(socket)});
}

void Acceptor::start() noexcept {
  for (uint32_t i = 0; i < listeners_.size(); ++i) arm(i);
}

void Acceptor::arm(uint32_t index) noexcept {
  io_uring_sqe* const sqe = ring_.get_sqe();
  // Not SOCK_NONBLOCK: the ring would give EAGAIN to the caller where it is to wait by itself.
  io_uring_prep_multishot_accept(sqe, listeners_[index].socket.fd.get(), nullptr, nullptr,
                                 SOCK_CLOEXEC);
  sqe->user_data = OpTag{.op = Op::kAccept, .handle = index}.encode();
  listeners_[index].armed = true;
}

void Acceptor::on_accept(const Completion& completion, core::Millis now) noexcept {
  const uint32_t index = OpTag::decode(completion.user_data).handle;
  Listener& listener = listeners_[index];
  if (!completion.has_more()) listener.armed = false;
  if (completion.result >= 0) {
    take(listener, FileDescriptor(completion.result), now);
  } else if (is_exhaustion(-completion.result)) {
    pause(-completion.result, now);
  }
  // ECONNABORTED, EPROTO and their like concern a connection that is gone: go on.
  if (listener.armed) return;
  if (stopped_) {
    close_socket(listener, now);
  } else if (resume_at_ == core::kNever) {
    arm(index);
  }
}

void Acceptor::take(Listener& listener, FileDescriptor fd, core::Millis now) noexcept {
  const ListeningSocket& socket = listener.socket;
  if (socket.is_shared) {
    const core::ShardId home = next_dealt_to_;
    next_dealt_to_ = (next_dealt_to_ + 1) % node_.shards;
    if (home != id_) {
      node_.controls[home]->accepted.put({.fd = std::move(fd), .listener = socket.listener});
      node_.controls[home]->wakeup.wake();
      return;
    }
  }
  open(socket.listener, std::move(fd), now);
}

void Acceptor::take_dealt(core::Millis now) noexcept {
  AcceptedQueue& accepted = node_.controls[id_]->accepted;
  if (accepted.is_empty()) return;
  for (AcceptedSocket& socket : accepted.take_all())
    open(socket.listener, std::move(socket.fd), now);
}

void Acceptor::open(uint32_t plan_index, FileDescriptor fd, core::Millis now) noexcept {
  const SocketAddress address = peer_address(fd.get());
  const std::string host = address.host_text();
  const std::string peer = address.text();
  if (stopped_ && late_ == Late::kRefuse) {
    ++metrics_.connections_refused;
    return;
  }
  if (node_.memory.stage() >= core::MemoryStage::kRefuseConnections) {
    return refuse(plan_index, std::move(fd), peer,
                  {.reason = core::CloseReason::kMemory,
                   .limit = "--memory-limit",
                   .sentence = "the broker is at its limit of memory (--memory-limit)"},
                  now);
  }
  const NodeLimits::Verdict verdict = limits_.admit(host);
  if (verdict != NodeLimits::Verdict::kAdmitted) {
    return refuse(plan_index, std::move(fd), peer, refusal_of(verdict), now);
  }
  ++metrics_.connections_accepted;
  const uint32_t handle = connections_.allocate(fd.release());
  limits_.enter(handle, host);
  const ListenerPlan& plan = node_.listeners[plan_index];
  const core::Endpoint endpoint = {
      .transport = plan.transport,
      .upgrade = plan.transport == core::Transport::kWebSocket ? &plan.upgrade : nullptr,
      .peer = peer};
  connections_.at(handle).client = shard_.open(endpoint, handle, now);
  receiver_.arm(handle);
}

Acceptor::Refusal Acceptor::refusal_of(NodeLimits::Verdict verdict) {
  constexpr auto kReason = core::CloseReason::kConnectionLimit;
  if (verdict == NodeLimits::Verdict::kTooMany) {
    return {kReason, "--max-connections",
            "the broker has reached its limit of connections (--max-connections)"};
  }
  return {kReason, "--max-connections-per-address",
          "too many connections from this address (--max-connections-per-address)"};
}

// Best effort: the answer goes into an empty socket buffer, and whoever sends its request meanwhile
// may see a reset.
void Acceptor::refuse(uint32_t plan, FileDescriptor fd, const std::string& peer,
                      const Refusal& refusal, core::Millis now) noexcept {
  ++metrics_.connections_refused;
  ++refused_since_log_;
  if (node_.listeners[plan].transport == core::Transport::kWebSocket) {
    const std::string answer = proto::HttpUpgrade::refusal_answer(503, refusal.sentence);
    (void)send(fd.get(), answer.data(), answer.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)shutdown(fd.get(), SHUT_WR);
  }
  fd.reset();
  if (!may_log(now)) return;
  std::string text = "refused peer=" + peer +
                     " reason=" + std::string(core::to_string(refusal.reason)) +
                     " limit=" + std::string(refusal.limit) +
                     " since_last_line=" + std::to_string(refused_since_log_);
  refused_since_log_ = 0;
  log_.note(LogLevel::kWarn, text);
}

void Acceptor::pause(int error, core::Millis now) noexcept {
  ++metrics_.accept_pauses;
  resume_at_ = now + kPauseMs;
  if (!may_log(now)) return;
  const char* const text = strerrordesc_np(error);
  log_.note(LogLevel::kError,
            std::string("accept paused for 100 ms, new connections wait: ") +
                (text == nullptr ? "unknown error" : text) +
                (error == EMFILE ? " (raise LimitNOFILE or lower --max-connections)" : ""));
}

bool Acceptor::may_log(core::Millis now) noexcept {
  if (now < next_log_at_) return false;
  next_log_at_ = now + kLogEveryMs;
  return true;
}

void Acceptor::run_timers(core::Millis now) noexcept {
  if (now < resume_at_) return;
  resume_at_ = core::kNever;
  if (stopped_) return;
  for (uint32_t i = 0; i < listeners_.size(); ++i) {
    if (!listeners_[i].armed) arm(i);
  }
}

void Acceptor::stop(Late late, bool lives_on, core::Millis now) noexcept {
  late_ = late;
  if (std::exchange(stopped_, true)) return;
  lives_on_ = lives_on;
  resume_at_ = core::kNever;
  for (Listener& listener : listeners_) {
    if (!listener.armed) {
      close_socket(listener, now);
      continue;
    }
    io_uring_sqe* const sqe = ring_.get_sqe();
    io_uring_prep_cancel_fd(sqe, listener.socket.fd.get(), IORING_ASYNC_CANCEL_ALL);
    sqe->user_data = OpTag{}.encode();
  }
}

// What the kernel has accepted and nobody took would be reset with the socket's end.
void Acceptor::close_socket(Listener& listener, core::Millis now) noexcept {
  FileDescriptor& socket = listener.socket.fd;
  if (!socket.is_open()) return;
  const bool is_last = !lives_on_ && !listener.socket.lives_on;
  // Nobody else accepts from it, so an accept that finds something does not wait.
  for (pollfd waiting = {.fd = socket.get(), .events = POLLIN, .revents = 0};
       is_last && late_ == Late::kServe && poll(&waiting, 1, 0) == 1;) {
    FileDescriptor fd(accept4(socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd.is_open()) break;
    take(listener, std::move(fd), now);
  }
  socket.reset();
  --open_;
}

}  // namespace stampede::net
