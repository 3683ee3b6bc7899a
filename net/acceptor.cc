#include "net/acceptor.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace stampede::net {
namespace {

// Descriptors come back when connections end; asking more often only burns CPU.
constexpr core::Millis kPauseMs = 100;
constexpr core::Millis kLogEveryMs = 1000;

bool is_exhaustion(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

Acceptor::Acceptor(Node& node, std::vector<FileDescriptor> sockets, Ring& ring,
                   ConnectionTable& connections, core::Shard& shard, Receiver& receiver,
                   ConnectionLimits& limits, ShardLog& log, NetMetrics& metrics)
    : node_(node),
      ring_(ring),
      connections_(connections),
      shard_(shard),
      receiver_(receiver),
      limits_(limits),
      log_(log),
      metrics_(metrics) {
  for (FileDescriptor& socket : sockets) listeners_.push_back({.socket = std::move(socket)});
}

void Acceptor::start() noexcept {
  for (uint32_t i = 0; i < listeners_.size(); ++i) arm(i);
}

void Acceptor::arm(uint32_t listener) noexcept {
  io_uring_sqe* const sqe = ring_.get_sqe();
  // Not SOCK_NONBLOCK: the ring would give EAGAIN to the caller where it is to wait by itself.
  io_uring_prep_multishot_accept(sqe, listeners_[listener].socket.get(), nullptr, nullptr,
                                 SOCK_CLOEXEC);
  sqe->user_data = OpTag{.op = Op::kAccept, .handle = listener}.encode();
  listeners_[listener].armed = true;
}

void Acceptor::on_accept(const Completion& completion, core::Millis now) noexcept {
  const uint32_t listener = OpTag::decode(completion.user_data).handle;
  if (!completion.has_more()) listeners_[listener].armed = false;
  if (completion.result >= 0) {
    open(listener, completion.result, now);
  } else if (is_exhaustion(-completion.result)) {
    pause(-completion.result, now);
  }
  // ECONNABORTED, EPROTO and their like concern a connection that is gone: go on.
  if (listeners_[listener].armed) return;
  if (stopped_) {
    listeners_[listener].socket.reset();
  } else if (resume_at_ == core::kNever) {
    arm(listener);
  }
}

void Acceptor::open(uint32_t listener, int fd, core::Millis now) noexcept {
  const SocketAddress address = peer_address(fd);
  const std::string host = address.host_text();
  const std::string peer = address.text();
  if (stopped_) {
    ++metrics_.connections_refused;
    close(fd);
    return;
  }
  const NodeLimits::Verdict verdict = limits_.admit(host);
  if (verdict != NodeLimits::Verdict::kAdmitted) return refuse(listener, fd, peer, verdict, now);
  ++metrics_.connections_accepted;
  const uint32_t handle = connections_.allocate(fd);
  limits_.enter(handle, host);
  const ListenerPlan& plan = node_.listeners[listener];
  const core::Endpoint endpoint = {
      .transport = plan.transport,
      .upgrade = plan.transport == core::Transport::kWebSocket ? &plan.upgrade : nullptr,
      .peer = peer};
  connections_.at(handle).client = shard_.open(endpoint, handle, now);
  receiver_.arm(handle);
}

// Best effort: the answer goes into an empty socket buffer, and whoever sends its request meanwhile
// may see a reset.
void Acceptor::refuse(uint32_t listener, int fd, const std::string& peer,
                      NodeLimits::Verdict verdict, core::Millis now) noexcept {
  ++metrics_.connections_refused;
  ++refused_since_log_;
  const bool is_node_full = verdict == NodeLimits::Verdict::kTooMany;
  if (node_.listeners[listener].transport == core::Transport::kWebSocket) {
    const std::string answer = proto::HttpUpgrade::refusal_answer(
        503, is_node_full
                 ? "the broker has reached its limit of connections (--max-connections)"
                 : "too many connections from this address (--max-connections-per-address)");
    (void)send(fd, answer.data(), answer.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_WR);
  }
  close(fd);
  if (!may_log(now)) return;
  std::string text =
      "refused peer=" + peer +
      " reason=" + std::string(core::to_string(core::CloseReason::kConnectionLimit)) +
      " limit=" + (is_node_full ? "--max-connections" : "--max-connections-per-address") +
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

void Acceptor::stop() noexcept {
  if (stopped_) return;
  stopped_ = true;
  resume_at_ = core::kNever;
  for (Listener& listener : listeners_) {
    if (!listener.armed) {
      listener.socket.reset();
      continue;
    }
    io_uring_sqe* const sqe = ring_.get_sqe();
    io_uring_prep_cancel_fd(sqe, listener.socket.get(), IORING_ASYNC_CANCEL_ALL);
    sqe->user_data = OpTag{}.encode();
  }
}

}  // namespace stampede::net
