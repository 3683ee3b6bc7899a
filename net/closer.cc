#include "net/closer.h"

#include <sys/socket.h>
#include <unistd.h>

#include "net/cancel.h"

namespace stampede::net {
namespace {

// Ends the stream at once, and with it whatever waits for the socket in the kernel.
void end_stream(const Connection& connection) {
  // To disconnect is to reset; a shutdown would send a FIN first, in the middle of a frame.
  const sockaddr nobody = {.sa_family = AF_UNSPEC, .sa_data = {}};
  if (connection.ends_in_reset && connect(connection.fd, &nobody, sizeof(nobody)) == 0) return;
  (void)shutdown(connection.fd, SHUT_RDWR);
}

}  // namespace

void Closer::abort(uint32_t handle) noexcept {
  Connection& connection = connections_.at(handle);
  if (connection.aborting) return;
  connection.aborting = true;
  // A send that is cut short leaves half a frame; nobody waits for the rest, and a reset frees the
  // kernel's share of it at once, where a FIN would wait behind half a megabyte for a reader that
  // may be stuck. With nothing in flight all that was sent is still to arrive, and a FIN behind it.
  connection.ends_in_reset = connection.ends_in_reset || connection.send_in_flight;
  if (connection.receive_armed) cancel(ring_, connections_, handle, Op::kReceive);
  if (connection.send_in_flight) cancel(ring_, connections_, handle, Op::kSend);
  on_settled(handle);
}

void Closer::on_settled(uint32_t handle) noexcept {
  Connection& connection = connections_.at(handle);
  if (!connection.aborting || connection.has_pending() || connection.close_listed) return;
  connection.close_listed = true;
  closable_.push_back(handle);
}

void Closer::on_cancel(const Completion& completion) noexcept {
  const OpTag tag = OpTag::decode(completion.user_data);
  Connection* const connection = connections_.find(tag);
  if (connection == nullptr) return;
  --connection->cancels_pending;
  if (!connection->aborting) return on_settled(tag.handle);
  // What a cancel reached completes behind it. If one reached nothing, though something is pending,
  // that is ended through the socket.
  connection->cancel_missed |= completion.result < 0;
  if (connection->cancels_pending == 0 && connection->cancel_missed &&
      (connection->receive_armed || connection->send_in_flight)) {
    end_stream(*connection);
  }
  on_settled(tag.handle);
}

void Closer::close_some(size_t max) noexcept {
  for (; max > 0 && !closable_.empty(); --max) {
    const uint32_t handle = closable_.back();
    closable_.pop_back();
    close_now(handle);
  }
}

void Closer::close_now(uint32_t handle) noexcept {
  Connection& connection = connections_.at(handle);
  if (connection.ends_in_reset) {
    const linger reset = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(connection.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
  }
  close(connection.fd);
  core::Client* const client = connection.client;
  limits_.leave(handle);
  connections_.release(handle);
  shard_.release(*client);
}

void Closer::shut_down_all() noexcept {
  connections_.for_each([](uint32_t, Connection& connection) {
    (void)shutdown(connection.fd, SHUT_RDWR);
    const linger reset = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(connection.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(connection.fd);
  });
}

}  // namespace stampede::net
