#include "net/listeners.h"

#include <fcntl.h>

#include <string>
#include <utility>

#include "net/listen_uri.h"
#include "net/socket.h"

namespace stampede::net {
namespace {

// The sockets of one listener; an address with port 0 gets the one that the kernel picked.
Result<std::vector<SharedSocket>> bind_sockets(SocketAddress& address, core::ShardId shards,
                                               const ListenOptions& options) {
  if (address.port() != 0) {
    if (Result<void> is_free = check_port_is_free(address); !is_free) {
      return std::unexpected(std::move(is_free.error()));
    }
  }
  std::vector<SharedSocket> sockets;
  for (core::ShardId id = 0; id < shards; ++id) {
    Result<FileDescriptor> socket = listen_on(address, options);
    if (!socket) return std::unexpected(std::move(socket.error()));
    Result<SocketAddress> bound = local_address(socket->get());
    if (!bound) return std::unexpected(std::move(bound.error()));
    address.set_port(bound->port());
    sockets.push_back({.fd = std::move(*socket), .name = {}, .lives_on = false});
  }
  return sockets;
}

Result<std::vector<SharedSocket>> adopt_sockets(std::vector<SharedSocket> sockets,
                                                SocketAddress& address,
                                                const ListenOptions& options) {
  for (const SharedSocket& socket : sockets) {
    if (Result<void> done = set_up_listener(socket.fd.get(), options); !done)
      return std::unexpected(std::move(done.error()));
    // The ring would give EAGAIN where it is to wait. All who hold the socket share this, and the
    // brokers among them want it so.
    fcntl(socket.fd.get(), F_SETFL, fcntl(socket.fd.get(), F_GETFL) & ~O_NONBLOCK);
    address.set_port(local_address(socket.fd.get())->port());
  }
  return sockets;
}

// Adds the sockets of one listener.
Result<void> open_listener(uint32_t listener, const ServerOptions& options,
                           InheritedSockets& inherited, Listeners& listeners) {
  const ListenUri& uri = options.listeners[listener];
  Result<SocketAddress> address = resolve(uri.host, uri.port);
  if (!address) return std::unexpected(std::move(address.error()));
  if (!options.allow_anonymous && !address->is_loopback()) {
    return std::unexpected(
        "refusing to listen on " + address->text() +
        ": it can be reached from other machines and any login is accepted; listen on "
        "127.0.0.1 or give --allow-anonymous");
  }
  const auto shards = static_cast<core::ShardId>(listeners.by_shard.size());
  const ListenOptions listen_options = {
      .send_buffer_bytes = options.send_buffer_bytes,
      .share_port = shards > 1,
      .user_timeout_ms = options.user_timeout_ms.value_or(0),
      // A WebSocket has its pings; a kernel that wakes a telephone every ten seconds is no help.
      .keep_alive = uri.transport == core::Transport::kTcp};
  const std::string name(scheme_of(uri.transport));
  std::vector<SharedSocket> known = inherited.take(name, *address);
  Result<std::vector<SharedSocket>> sockets =
      known.empty() ? bind_sockets(*address, shards, listen_options)
                    : adopt_sockets(std::move(known), *address, listen_options);
  if (!sockets) return std::unexpected(std::move(sockets.error()));
  for (size_t n = 0; n < sockets->size(); ++n) {
    SharedSocket& socket = (*sockets)[n];
    listeners.copies.push_back({.fd = FileDescriptor(fcntl(socket.fd.get(), F_DUPFD_CLOEXEC, 0)),
                                .name = name,
                                .lives_on = socket.lives_on});
    if (!listeners.copies.back().fd.is_open())
      return std::unexpected(std::string("no descriptor is left for a listener (LimitNOFILE)"));
    listeners.by_shard[n % shards].push_back({.fd = std::move(socket.fd),
                                              .listener = listener,
                                              .is_shared = sockets->size() < shards,
                                              .lives_on = socket.lives_on});
  }
  listeners.bound.push_back({.transport = uri.transport,
                             .host = address->host_text(),
                             .port = address->port(),
                             .paths = uri.paths});
  return {};
}

}  // namespace

Result<Listeners> open_listeners(const ServerOptions& options, core::ShardId shards,
                                 InheritedSockets& inherited) {
  Listeners listeners;
  listeners.by_shard.resize(shards);
  for (uint32_t listener = 0; listener < options.listeners.size(); ++listener) {
    if (Result<void> opened = open_listener(listener, options, inherited, listeners); !opened)
      return std::unexpected(std::move(opened.error()));
  }
  for (const InheritedSockets::Socket& one : inherited.left()) {
    if (!one.shared.lives_on) continue;
    return std::unexpected("the service manager passed a socket for " + one.address.text() +
                           " named '" + one.shared.name +
                           "', which is neither a --listen nor the --admin address; name it ws, "
                           "stomp or admin (FileDescriptorName=)");
  }
  return listeners;
}

std::vector<ListenerPlan> plan_listeners(const std::vector<ListenUri>& uris,
                                         const core::Options& options) {
  std::vector<ListenerPlan> plans;
  for (const ListenUri& uri : uris) {
    plans.push_back({.transport = uri.transport,
                     .upgrade = {.paths = uri.paths,
                                 .head_bytes_max = options.http_head_bytes_max,
                                 .headers_max = options.http_headers_max,
                                 .allowed_origins = options.allowed_origins}});
  }
  return plans;
}

}  // namespace stampede::net
