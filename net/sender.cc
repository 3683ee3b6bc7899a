#include "net/sender.h"

#include <cerrno>
#include <cstddef>

#include "proto/base/check.h"

namespace stampede::net {
namespace {

// WAITALL: the kernel goes on by itself after a full socket, so a short completion is the
// exception.
constexpr int kSendFlags = MSG_WAITALL | MSG_NOSIGNAL;

}  // namespace

size_t Sender::flush(size_t max, core::Millis now) noexcept {
  std::array<core::SendSpan, core::kSendSpansMax> spans;
  core::FlushPlan plan = {};
  for (size_t flushed = 0; flushed < max; ++flushed) {
    core::Client* const client = shard_.next_flush(spans, plan, now);
    if (client == nullptr) return flushed;
    const uint32_t handle = core::Shard::handle_of(*client);
    switch (plan.action) {
      case core::FlushAction::kNothing:
        break;
      case core::FlushAction::kSend:
        start(handle, std::span(spans).first(plan.spans), plan.bytes);
        break;
      case core::FlushAction::kShutdownWrite:
        // It may fail if the peer is gone; the receive tells.
        (void)shutdown(connections_.at(handle).fd, SHUT_WR);
        shard_.sent(*client, now);
        break;
      case core::FlushAction::kAbort:
        closer_.abort(handle);
        break;
    }
  }
  return max;
}

void Sender::start(uint32_t handle, std::span<const core::SendSpan> spans, size_t bytes) noexcept {
  Connection& connection = connections_.at(handle);
  DCHECK(!connection.send_in_flight && !spans.empty() && bytes > 0);
  watch_.begin(handle, spans);
  connection.send_in_flight = true;
  connection.send_bytes_left = static_cast<uint32_t>(bytes);
  if (spans.size() == 1) {
    connection.send_data = static_cast<const uint8_t*>(spans[0].data);
  } else {
    connection.send_slot = take_slot();
    SendSlot& slot = slots_[connection.send_slot];
    for (size_t i = 0; i < spans.size(); ++i) {
      slot.spans[i] = {.iov_base = const_cast<void*>(spans[i].data), .iov_len = spans[i].size};
    }
    slot.message = {};
    slot.message.msg_iov = slot.spans.data();
    slot.message.msg_iovlen = spans.size();
  }
  ++metrics_.sends;
  prep_send(handle);
}

void Sender::prep_send(uint32_t handle) noexcept {
  const Connection& connection = connections_.at(handle);
  io_uring_sqe* const sqe = ring_.get_sqe();
  if (connection.send_slot == kNoSendSlot) {
    io_uring_prep_send(sqe, connection.fd, connection.send_data, connection.send_bytes_left,
                       kSendFlags);
  } else {
    io_uring_prep_sendmsg(sqe, connection.fd, &slots_[connection.send_slot].message, kSendFlags);
  }
  sqe->user_data = connections_.tag(Op::kSend, handle).encode();
}

void Sender::on_send(const Completion& completion, core::Millis now) noexcept {
  const OpTag tag = OpTag::decode(completion.user_data);
  Connection* const connection = connections_.find(tag);
  if (connection == nullptr) return;
  if (connection->aborting) {
    finish(tag.handle);
    return closer_.on_settled(tag.handle);
  }
  const int result = completion.result;
  // Zero octets of more than zero is no progress that could be repeated for ever.
  if (result == 0 || (result < 0 && result != -EINTR && result != -EAGAIN)) {
    ++metrics_.sends_failed;
    // Its reader must not take half a frame for an end in order.
    connection->ends_in_reset = connection->send_is_cut;
    finish(tag.handle);
    return receiver_.on_send_failed(tag.handle, result == 0 ? EPIPE : -result);
  }
  if (result > 0) advance(*connection, static_cast<size_t>(result));
  if (connection->send_bytes_left > 0) {
    ++metrics_.sends_short;
    connection->send_is_cut = connection->send_is_cut || result > 0;
    return prep_send(tag.handle);
  }
  finish(tag.handle);
  shard_.sent(*connection->client, now);
}

void Sender::advance(Connection& connection, size_t sent_bytes) noexcept {
  DCHECK(sent_bytes <= connection.send_bytes_left);
  connection.send_bytes_left -= static_cast<uint32_t>(sent_bytes);
  if (connection.send_bytes_left == 0) return;
  if (connection.send_slot == kNoSendSlot) {
    connection.send_data += sent_bytes;
    return;
  }
  msghdr& message = slots_[connection.send_slot].message;
  while (sent_bytes >= message.msg_iov->iov_len) {
    sent_bytes -= message.msg_iov->iov_len;
    ++message.msg_iov;
    --message.msg_iovlen;
  }
  message.msg_iov->iov_base = static_cast<uint8_t*>(message.msg_iov->iov_base) + sent_bytes;
  message.msg_iov->iov_len -= sent_bytes;
}

void Sender::finish(uint32_t handle) noexcept {
  watch_.end(handle);
  Connection& connection = connections_.at(handle);
  connection.send_in_flight = false;
  connection.send_is_cut = false;
  connection.send_bytes_left = 0;
  connection.send_data = nullptr;
  if (connection.send_slot != kNoSendSlot) free_slots_.push_back(connection.send_slot);
  connection.send_slot = kNoSendSlot;
}

uint32_t Sender::take_slot() noexcept {
  if (free_slots_.empty()) {
    slots_.emplace_back();
    return static_cast<uint32_t>(slots_.size() - 1);
  }
  const uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  return slot;
}

}  // namespace stampede::net
