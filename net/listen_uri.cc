#include "net/listen_uri.h"

#include <charconv>

namespace stampede::net {
namespace {

Result<ListenUri> refuse(std::string_view uri, std::string_view why) {
  return std::unexpected("cannot listen on '" + std::string(uri) + "': " + std::string(why));
}

bool is_visible_ascii(std::string_view text) {
  for (const char c : text) {
    if (c <= ' ' || c > '~') return false;
  }
  return true;
}

}  // namespace

Result<ListenUri> parse_listen_uri(std::string_view uri) {
  const size_t scheme_end = uri.find("://");
  if (scheme_end == std::string_view::npos) {
    return refuse(uri, "a URI such as ws://127.0.0.1:15674 or stomp://127.0.0.1:61613 is expected");
  }
  if (!is_visible_ascii(uri)) return refuse(uri, "only visible ASCII characters can be in it");
  const std::string_view scheme = uri.substr(0, scheme_end);
  std::string_view authority = uri.substr(scheme_end + 3);
  if (scheme == "wss" || scheme == "stomps") {
    return refuse(
        uri, "TLS is not built in yet; put a TLS proxy in front of a ws:// or stomp:// listener");
  }
  if (scheme != "ws" && scheme != "stomp") return refuse(uri, "the scheme must be ws or stomp");

  ListenUri result;
  result.transport = scheme == "ws" ? core::Transport::kWebSocket : core::Transport::kTcp;
  const size_t path_start = authority.find('/');
  const std::string_view path =
      path_start == std::string_view::npos ? "" : authority.substr(path_start);
  authority = authority.substr(0, path_start);
  if (authority.find_first_of("?#@") != std::string_view::npos ||
      path.find_first_of("?#") != std::string_view::npos) {
    return refuse(uri, "a user, a query or a fragment has no meaning here");
  }
  if (path.size() > 1 && result.transport == core::Transport::kTcp) {
    return refuse(uri, "stomp:// has no path");
  }
  if (result.transport == core::Transport::kWebSocket) {
    result.paths = path.size() > 1 ? std::vector<std::string>{std::string(path)}
                                   : std::vector<std::string>{"/stomp", "/ws"};
  }

  const size_t colon = authority.rfind(':');
  if (colon == std::string_view::npos || authority.ends_with(']'))
    return refuse(uri, "the port is missing");
  std::string_view host = authority.substr(0, colon);
  const std::string_view port = authority.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find_first_of(":[]") != std::string_view::npos) {
    return refuse(uri, "an IPv6 address goes in brackets: ws://[::1]:15674");
  }
  if (host.empty())
    return refuse(uri, "the host is missing; 0.0.0.0 is every IPv4 address of this machine");
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), result.port);
  if (error != std::errc() || end != port.data() + port.size()) {
    return refuse(uri, "the port must be a number from 0 to 65535");
  }
  result.host = host;
  return result;
}

std::string host_port_text(std::string_view host, uint16_t port) {
  const bool is_ipv6 = host.find(':') != std::string_view::npos;
  return (is_ipv6 ? "[" + std::string(host) + "]" : std::string(host)) + ":" + std::to_string(port);
}

std::string_view scheme_of(core::Transport transport) {
  return transport == core::Transport::kWebSocket ? "ws" : "stomp";
}

}  // namespace stampede::net
