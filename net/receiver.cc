#include "net/receiver.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "net/cancel.h"

namespace stampede::net {
namespace {

// A buffer costs the core some work even if it holds three octets.
constexpr size_t kBudgetBytesPerItemMin = 256;

// A multishot receive on a socket that has much takes up to 32 buffers in a row; half of that is a
// guess between starving and waiting.
constexpr unsigned kBuffersPerReceive = 16;

std::string describe(const char* what, int error) {
  const char* const text = strerrordesc_np(error);
  return std::string(what) + ": " + (text == nullptr ? "unknown error" : text);
}

}  // namespace

void Receiver::arm(uint32_t handle) noexcept {
  Connection& connection = connections_.at(handle);
  if (connection.receive_armed || connection.receive_ended || connection.receive_paused ||
      connection.receive_starved || connection.aborting) {
    return;
  }
  io_uring_sqe* const sqe = ring_.get_sqe();
  io_uring_prep_recv_multishot(sqe, connection.fd, nullptr, 0, 0);
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = kReceiveBufferGroup;
  sqe->user_data = connections_.tag(Op::kReceive, handle).encode();
  connection.receive_armed = true;
}

void Receiver::on_receive(const Completion& completion) noexcept {
  const OpTag tag = OpTag::decode(completion.user_data);
  Connection* const connection = connections_.find(tag);
  if (completion.has_buffer()) {
    const auto length = static_cast<uint32_t>(std::max(completion.result, 0));
    buffers_.take(completion.buffer(), length);
    if (connection == nullptr || length == 0) {
      buffers_.recycle(completion.buffer());
    } else {
      ++metrics_.receives;
      ++connection->inbound_items;
      queue_.push({.handle = tag.handle,
                   .length = length,
                   .error = 0,
                   .buffer = completion.buffer(),
                   .kind = InboundItem::Kind::kOctets});
    }
  }
  if (connection == nullptr || completion.has_more()) return;
  connection->receive_armed = false;
  on_receive_ended(tag.handle, completion.result);
  closer_.on_settled(tag.handle);
}

// A multishot is over. With octets (the kernel may end it at any time), after a pause, or after an
// interruption it is armed again; the rest are ends.
void Receiver::on_receive_ended(uint32_t handle, int result) noexcept {
  Connection& connection = connections_.at(handle);
  if (connection.aborting) return;
  switch (result) {
    case 0:
      push_end(handle, InboundItem::Kind::kEndOfStream, 0);
      return;
    case -ENOBUFS:
      ++metrics_.buffers_exhausted;
      if (!connection.receive_starved) starved_.push_back(handle);
      connection.receive_starved = true;
      return;
    case -ECANCELED:
    case -EINTR:
    case -EAGAIN:
      arm(handle);
      return;
    default:
      if (result > 0) return arm(handle);
      push_end(handle, InboundItem::Kind::kReceiveFailed, -result);
  }
}

void Receiver::on_send_failed(uint32_t handle, int error) noexcept {
  push_end(handle, InboundItem::Kind::kSendFailed, error);
}

void Receiver::push_end(uint32_t handle, InboundItem::Kind kind, int error) noexcept {
  Connection& connection = connections_.at(handle);
  connection.receive_ended = connection.receive_ended || kind != InboundItem::Kind::kSendFailed;
  ++connection.inbound_items;
  queue_.push({.handle = handle, .length = 0, .error = error, .buffer = 0, .kind = kind});
}

size_t Receiver::take_in(size_t budget, core::Millis now) noexcept {
  size_t used = 0;
  while (used < budget && !queue_.is_empty()) {
    const InboundItem item = queue_.pop();
    used += std::max<size_t>(item.length, kBudgetBytesPerItemMin);
    hand_over(item, now);
    --connections_.at(item.handle).inbound_items;
    closer_.on_settled(item.handle);
  }
  buffers_.publish();
  rearm_starved();
  return std::min(used, budget);
}

void Receiver::hand_over(const InboundItem& item, core::Millis now) noexcept {
  Connection& connection = connections_.at(item.handle);
  core::Client& client = *connection.client;
  switch (item.kind) {
    case InboundItem::Kind::kOctets:
      if (!connection.aborting)
        shard_.receive(client, buffers_.octets(item.buffer, item.length), now);
      buffers_.recycle(item.buffer);
      return;
    case InboundItem::Kind::kEndOfStream:
      if (!connection.aborting) shard_.peer_closed(client, false, "end of stream", now);
      return;
    case InboundItem::Kind::kReceiveFailed:
      if (!connection.aborting)
        shard_.peer_closed(client, true, describe("receive", item.error), now);
      return;
    case InboundItem::Kind::kSendFailed:
      if (!connection.aborting) shard_.peer_closed(client, true, describe("send", item.error), now);
      return;
  }
}

// Only as many as there are buffers for: the others would run dry at once and come back, a spin.
void Receiver::rearm_starved() noexcept {
  if (starved_.empty() || buffers_.available() == 0) return;
  for (unsigned room = std::max(buffers_.available() / kBuffersPerReceive, 1u);
       room > 0 && !starved_.empty(); --room) {
    const uint32_t handle = starved_.front();
    starved_.pop_front();
    Connection& connection = connections_.at(handle);
    if (!connection.receive_starved) continue;
    connection.receive_starved = false;
    if (connection.fd >= 0) arm(handle);
  }
}

void Receiver::follow_receive_changes() noexcept {
  while (core::Client* const client = shard_.next_receive_change()) {
    const uint32_t handle = core::Shard::handle_of(*client);
    Connection& connection = connections_.at(handle);
    connection.receive_paused = core::Shard::receive_paused(*client);
    if (!connection.receive_paused) {
      // If the cancel is still under way, its completion arms.
      arm(handle);
    } else if (connection.receive_armed && !connection.aborting) {
      cancel(ring_, connections_, handle, Op::kReceive);
    }
  }
}

}  // namespace stampede::net
