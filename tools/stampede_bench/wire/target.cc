#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "tools/stampede_bench/wire/decimal.h"
#include "tools/stampede_bench/wire/dialect.h"

namespace stampede::bench {
namespace {

struct Scheme {
  std::string_view name;
  Target::Protocol protocol;
  bool over_websocket;
  uint16_t port;
  std::string_view path;
};

// Ports: what Stampede and RabbitMQ listen on, the registered ones of NATS and MQTT, and for those
// two over WebSocket, which have none, what their documentation uses.
constexpr std::array<Scheme, 7> kSchemes = {{
    {"ws", Target::Protocol::kStomp, true, 15674, "/ws"},
    {"stomp", Target::Protocol::kStomp, false, 61613, ""},
    {"nats", Target::Protocol::kNats, false, 4222, ""},
    {"nats+ws", Target::Protocol::kNats, true, 8080, "/"},
    {"mqtt", Target::Protocol::kMqtt, false, 1883, ""},
    {"mqtt+ws", Target::Protocol::kMqtt, true, 9001, "/mqtt"},
    {"floor", Target::Protocol::kFloor, false, 15670, ""},
}};

bool is_ipv4(const std::string& host) {
  in_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1;
}

bool is_ipv6(const std::string& host) {
  in6_addr address;
  return inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

// "H", "H:P", "[H]" or "[H]:P".
bool parse_authority(std::string_view authority, Target& target, std::string& error) {
  const bool has_brackets = authority.starts_with('[');
  const size_t host_end = has_brackets ? authority.find(']') : authority.find(':');
  if (has_brackets && host_end == std::string_view::npos) {
    error = "the bracket around the address is not closed";
    return false;
  }
  std::string_view port;
  target.host = authority.substr(has_brackets ? 1 : 0, host_end - (has_brackets ? 1 : 0));
  if (host_end != std::string_view::npos) {
    port = authority.substr(host_end + (has_brackets ? 1 : 0));
    if (!port.empty() && !port.starts_with(':')) {
      error = "only a port may follow the address";
      return false;
    }
  }
  if (!has_brackets && target.host == "localhost") target.host = "127.0.0.1";
  if (has_brackets ? !is_ipv6(target.host) : !is_ipv4(target.host)) {
    error = "the host must be an IPv4 address, an IPv6 address in brackets, or localhost";
    return false;
  }
  if (port.empty()) return true;
  if (!parse_decimal(port.substr(1), target.port) || target.port == 0) {
    error = "the port must be a number from 1 to 65535";
    return false;
  }
  return true;
}

// It goes into a request line as it is.
bool is_path(std::string_view path) {
  return path.starts_with('/') &&
         std::ranges::all_of(path, [](char letter) { return letter > ' ' && letter < '\x7F'; });
}

}  // namespace

bool parse_target(std::string_view url, Target& target, std::string& error) {
  const size_t scheme_end = url.find("://");
  const std::string_view name = url.substr(0, scheme_end);
  const auto* const scheme = std::ranges::find(kSchemes, name, &Scheme::name);
  if (scheme_end == std::string_view::npos || scheme == kSchemes.end()) {
    error =
        "the URL must begin with ws://, stomp://, nats://, nats+ws://, mqtt://, mqtt+ws:// or "
        "floor://";
    return false;
  }
  Target parsed = target;
  parsed.protocol = scheme->protocol;
  parsed.over_websocket = scheme->over_websocket;
  parsed.port = scheme->port;
  parsed.path = scheme->path;

  const std::string_view rest = url.substr(scheme_end + 3);
  const size_t path_begin = std::min(rest.find('/'), rest.size());
  if (!parse_authority(rest.substr(0, path_begin), parsed, error)) return false;
  if (path_begin < rest.size()) {
    if (!scheme->over_websocket) {
      error = "only a WebSocket URL has a path";
      return false;
    }
    parsed.path = rest.substr(path_begin);
    if (!is_path(parsed.path)) {
      error = "the path must be printable ASCII without spaces";
      return false;
    }
  }
  target = std::move(parsed);
  return true;
}

std::string to_string(const Target& target) {
  const auto* const scheme = std::ranges::find_if(kSchemes, [&](const Scheme& one) {
    return one.protocol == target.protocol && one.over_websocket == target.over_websocket;
  });
  const bool has_brackets = is_ipv6(target.host);
  std::string url(scheme == kSchemes.end() ? "floor" : scheme->name);
  url.append("://").append(has_brackets ? "[" : "").append(target.host);
  url.append(has_brackets ? "]:" : ":");
  append_decimal(url, target.port);
  if (target.over_websocket) url.append(target.path);
  return url;
}

}  // namespace stampede::bench
