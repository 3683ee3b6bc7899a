#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace stampede::proto {

// Which web pages may connect: the Origin header of an opening handshake against the patterns of
// UpgradePolicy::allowed_origins. Browsers send it, and it is all that keeps a foreign page from
// speaking to the broker with its visitor's network access (RFC 6455 section 10.2). Thread: any (no
// state).

// scheme://host[:port], as RFC 6454 section 6.2 serializes an origin.
struct Origin {
  std::string_view scheme;
  std::string_view host;  // an IPv6 address with its brackets
  std::string_view port;  // empty for the default port of the scheme
};

inline bool equals_ascii_ignoring_case(std::string_view left, std::string_view right) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; };
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [&](char a, char b) { return lower(a) == lower(b); });
}

// host[:port]; nothing if `text` could be anything else, such as a URL with a path or a user name.
inline std::optional<Origin> parse_authority(std::string_view text) {
  if (text.find_first_of("/?#@\\ \t,") != text.npos) return std::nullopt;
  const size_t host_end =
      text.starts_with('[') ? std::min(text.find(']'), text.size() - 1) + 1 : text.find(':');
  Origin origin{{}, text.substr(0, host_end), {}};
  if (origin.host.empty()) return std::nullopt;
  if (origin.host.size() == text.size()) return origin;
  if (text[origin.host.size()] != ':') return std::nullopt;
  origin.port = text.substr(origin.host.size() + 1);
  if (origin.port.find_first_not_of("0123456789") != text.npos) return std::nullopt;
  return origin;
}

inline std::optional<Origin> parse_origin(std::string_view text) {
  const size_t colon = text.find("://");
  if (colon == text.npos || colon == 0) return std::nullopt;
  std::optional<Origin> origin = parse_authority(text.substr(colon + 3));
  if (!origin) return std::nullopt;
  origin->scheme = text.substr(0, colon);
  const bool is_http = equals_ascii_ignoring_case(origin->scheme, "http");
  const bool is_https = equals_ascii_ignoring_case(origin->scheme, "https");
  if ((is_http && origin->port == "80") || (is_https && origin->port == "443")) origin->port = {};
  return origin;
}

inline bool is_loopback_name(std::string_view host) {
  return equals_ascii_ignoring_case(host, "localhost") || host == "127.0.0.1" || host == "[::1]";
}

inline bool matches_origin_pattern(std::string_view pattern, const Origin& origin) {
  const std::optional<Origin> wanted = parse_origin(pattern);
  if (!wanted || !equals_ascii_ignoring_case(wanted->scheme, origin.scheme) ||
      wanted->port != origin.port) {
    return false;
  }
  if (!wanted->host.starts_with("*.")) {
    return equals_ascii_ignoring_case(wanted->host, origin.host);
  }
  const std::string_view domain = wanted->host.substr(1);
  return origin.host.size() > domain.size() &&
         equals_ascii_ignoring_case(origin.host.substr(origin.host.size() - domain.size()), domain);
}

// `host` is the value of the Host header of the same request.
[[nodiscard]] inline bool is_origin_allowed(std::span<const std::string> patterns,
                                            std::string_view origin_value, std::string_view host) {
  const std::optional<Origin> origin = parse_origin(origin_value);
  const std::optional<Origin> asked = parse_authority(host);
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    // "null" is what sandboxed pages and local files send; it is allowed by its name only.
    if (pattern == "*" || (pattern == "null" && origin_value == "null")) return true;
    if (!origin) return false;
    if (pattern != "same-host") return matches_origin_pattern(pattern, *origin);
    return asked && (equals_ascii_ignoring_case(asked->host, origin->host) ||
                     (is_loopback_name(asked->host) && is_loopback_name(origin->host)));
  });
}

}  // namespace stampede::proto
