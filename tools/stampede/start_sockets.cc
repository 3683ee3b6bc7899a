#include "tools/stampede/start_sockets.h"

#include <algorithm>
#include <string>
#include <utility>

#include "net/admin_listener.h"
#include "tools/stampede/option_table.h"
#include "tools/stampede/service_manager.h"

namespace stampede::tools {
namespace {

bool is_default(const Config& config, std::string_view option) {
  const auto row = std::ranges::find(option_table(), option, &Option::name);
  return config.origins[static_cast<size_t>(row - option_table().begin())].source ==
         Source::kDefault;
}

bool is_at(const net::ListenUri& uri, const net::SocketAddress& address) {
  const Result<net::SocketAddress> wanted = net::resolve(uri.host, uri.port);
  return wanted && wanted->text() == address.text();
}

// Null if its name says nothing.
std::optional<net::ListenUri> listener_of(const net::InheritedSockets::Socket& socket) {
  if (socket.shared.name != "ws" && socket.shared.name != "stomp") return std::nullopt;
  const Result<net::ListenUri> uri =
      net::parse_listen_uri(socket.shared.name + "://" + socket.address.text());
  return uri ? std::optional(*uri) : std::nullopt;
}

void add_listeners_of(const net::InheritedSockets& inherited, bool only_those,
                      std::vector<net::ListenUri>& listeners) {
  const auto is_passed = [&](const net::ListenUri& uri) {
    return std::ranges::any_of(inherited.left(),
                               [&](const auto& socket) { return is_at(uri, socket.address); });
  };
  if (only_those)
    std::erase_if(listeners, [&](const net::ListenUri& uri) { return !is_passed(uri); });
  for (const net::InheritedSockets::Socket& socket : inherited.left()) {
    const std::optional<net::ListenUri> uri = listener_of(socket);
    const bool is_known = std::ranges::any_of(
        listeners, [&](const net::ListenUri& one) { return is_at(one, socket.address); });
    if (uri && !is_known) listeners.push_back(*uri);
  }
}

}  // namespace

Result<StartSockets> gather_sockets(const Config& config) {
  StartSockets start;
  for (const std::string& uri : config.settings.listen)
    start.listeners.push_back(*net::parse_listen_uri(uri));
  Result<net::InheritedSockets> passed = sockets_of_service_manager();
  if (!passed) return std::unexpected(std::move(passed.error()));
  start.inherited = std::move(*passed);
  if (!start.inherited.left().empty()) {
    const bool only_those = is_default(config, "listen") &&
                            std::ranges::any_of(start.inherited.left(), [](const auto& socket) {
                              return socket.shared.name != net::AdminListener::kName;
                            });
    add_listeners_of(start.inherited, only_those, start.listeners);
  }
  if (config.settings.takeover.empty()) return start;
  Result<std::optional<net::Takeover>> takeover = net::Takeover::ask(config.settings.takeover);
  if (!takeover) return std::unexpected(std::move(takeover.error()));
  start.takeover = std::move(*takeover);
  if (!start.takeover) return start;
  for (net::SharedSocket& socket : start.takeover->take_sockets()) {
    if (Result<void> added = start.inherited.add(std::move(socket)); !added)
      return std::unexpected("--takeover: " + added.error());
  }
  return start;
}

}  // namespace stampede::tools
