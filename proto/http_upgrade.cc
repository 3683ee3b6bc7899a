#include "proto/http_upgrade.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <limits>
#include <optional>

#include "proto/base/check.h"
#include "proto/http_head.h"
#include "proto/origin.h"

namespace stampede::proto {
namespace {

namespace http = boost::beast::http;
using Request = http::request_parser<http::empty_body>::value_type;

constexpr std::string_view kEndOfHead = "\r\n\r\n";
// RFC 6455 section 1.3.
constexpr std::string_view kAcceptGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr size_t kKeyBytes = 24;  // 16 octets in base64

// The highest version first: a client may offer them in any order and speaks the one it gets.
constexpr std::array<std::string_view, 3> kSubprotocols = {"v12.stomp", "v11.stomp", "v10.stomp"};

struct Refusal {
  int status_code;
  std::string_view reason;
};
using Verdict = std::optional<Refusal>;

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

std::string_view trim(std::string_view text) {
  constexpr std::string_view kWhiteSpace = " \t";
  const size_t begin = text.find_first_not_of(kWhiteSpace);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kWhiteSpace) + 1 - begin);
}

// True if `matches` holds for an element of the comma-separated list that all header lines of this
// name form together (RFC 9110 section 5.3).
template <class F>
bool any_list_element(const Request& request, std::string_view name, F&& matches) {
  const auto lines = request.equal_range(boost::beast::string_view(name.data(), name.size()));
  return std::any_of(lines.first, lines.second, [&](const auto& line) {
    std::string_view rest = view(line.value());
    while (true) {
      const size_t comma = rest.find(',');
      if (matches(trim(rest.substr(0, comma)))) return true;
      if (comma == rest.npos) return false;
      rest.remove_prefix(comma + 1);
    }
  });
}

bool list_has_token(const Request& request, std::string_view name, std::string_view token) {
  return any_list_element(request, name, [&](std::string_view element) {
    return equals_ascii_ignoring_case(element, token);
  });
}

size_t header_count(const Request& request, http::field name) { return request.count(name); }

std::string_view header_value(const Request& request, http::field name) {
  return trim(view(request[name]));
}

// The path of the request-target, which may also be a whole URI (RFC 9112 section 3.2.2).
std::string_view path_of(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://", "ws://", "wss://"}) {
    if (!equals_ascii_ignoring_case(target.substr(0, scheme.size()), scheme)) continue;
    const size_t slash = target.find('/', scheme.size());
    target = slash == target.npos ? "/" : target.substr(slash);
    break;
  }
  return target.substr(0, target.find('?'));
}

bool is_served(const UpgradePolicy& policy, std::string_view path) {
  return std::any_of(policy.paths.begin(), policy.paths.end(), [&](std::string_view served) {
    if (path == served) return true;
    if (served.ends_with('/')) served.remove_suffix(1);
    if (!path.starts_with(served)) return false;
    const std::string_view rest = path.substr(served.size());
    return rest.empty() || rest == "/" || (rest.starts_with('/') && rest.ends_with("/websocket"));
  });
}

bool is_base64_of_16_octets(std::string_view key) {
  if (key.size() != kKeyBytes) return false;
  unsigned char octets[kKeyBytes / 4 * 3];
  const auto* text = reinterpret_cast<const unsigned char*>(key.data());
  // EVP_DecodeBlock trims white space at both ends and gives 18 octets here, padding included.
  if (EVP_DecodeBlock(octets, text, static_cast<int>(key.size())) != sizeof octets) return false;
  return key.find_first_of(" \t=") == key.size() - 2 && key.ends_with("==");
}

std::string accept_value(std::string_view key) {
  std::string text(key);
  text += kAcceptGuid;
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  unsigned char encoded[(SHA_DIGEST_LENGTH + 2) / 3 * 4 + 1];
  const int size = EVP_EncodeBlock(encoded, digest, SHA_DIGEST_LENGTH);
  return {reinterpret_cast<const char*>(encoded), static_cast<size_t>(size)};
}

Verdict refuse(int status_code, std::string_view reason) { return Refusal{status_code, reason}; }

Verdict check_request_line(const Request& request, const UpgradePolicy& policy) {
  if (request.version() != 11) return refuse(505, "HTTP/1.1 is required");
  if (request.method() != http::verb::get) return refuse(405, "the method must be GET");
  if (header_count(request, http::field::host) != 1 ||
      header_value(request, http::field::host).empty()) {
    return refuse(400, "exactly one Host header is required");
  }
  if (header_count(request, http::field::transfer_encoding) > 0 ||
      any_list_element(request, "Content-Length",
                       [](std::string_view length) { return length != "" && length != "0"; })) {
    return refuse(400, "the request must not have a body");
  }
  if (!is_served(policy, path_of(view(request.target())))) {
    return refuse(404, "nothing is served on this path");
  }
  return std::nullopt;
}

// RFC 6455 section 4.2.1.
Verdict check_websocket_headers(const Request& request) {
  if (!list_has_token(request, "Upgrade", "websocket")) {
    return refuse(426, "only WebSocket is spoken here");
  }
  if (!list_has_token(request, "Connection", "upgrade")) {
    return refuse(400, "the Connection header does not name upgrade");
  }
  if (header_count(request, http::field::sec_websocket_version) > 1) {
    return refuse(400, "Sec-WebSocket-Version is repeated");
  }
  if (header_value(request, http::field::sec_websocket_version) != "13") {
    return refuse(426, "Sec-WebSocket-Version must be 13");
  }
  if (header_count(request, http::field::sec_websocket_key) != 1 ||
      !is_base64_of_16_octets(header_value(request, http::field::sec_websocket_key))) {
    return refuse(400, "exactly one Sec-WebSocket-Key of 16 octets in base64 is required");
  }
  return std::nullopt;
}

Verdict check_origin(const Request& request, const UpgradePolicy& policy) {
  const size_t count = header_count(request, http::field::origin);
  if (count == 0) return std::nullopt;
  if (count > 1) return refuse(400, "the Origin header is repeated");
  const std::string_view host = header_value(request, http::field::host);
  if (!is_origin_allowed(policy.allowed_origins, header_value(request, http::field::origin),
                         host)) {
    return refuse(403, "the origin is not allowed");
  }
  return std::nullopt;
}

std::string_view choose_subprotocol(const Request& request) {
  for (const std::string_view name : kSubprotocols) {
    const auto is_name = [&](std::string_view offered) { return offered == name; };
    if (any_list_element(request, "Sec-WebSocket-Protocol", is_name)) return name;
  }
  return {};
}

std::string accepting_answer(std::string_view key, std::string_view subprotocol) {
  std::string answer =
      "HTTP/1.1 101 Switching Protocols\r\n"
      "Upgrade: websocket\r\n"
      "Connection: Upgrade\r\n"
      "Sec-WebSocket-Accept: ";
  answer += accept_value(key);
  if (!subprotocol.empty()) {
    answer += "\r\nSec-WebSocket-Protocol: ";
    answer += subprotocol;
  }
  answer += kEndOfHead;
  return answer;
}

}  // namespace

struct HttpUpgrade::State {
  explicit State(const UpgradePolicy& upgrade_policy)
      : policy(upgrade_policy), head(upgrade_policy.head_bytes_max) {}

  UpgradeStatus accept(std::string_view key, std::string_view chosen);
  UpgradeStatus refuse_with(const Refusal& why);
  UpgradeStatus on_head(std::string_view complete_head);

  const UpgradePolicy& policy;
  HttpHead head;
  std::string answer;
  std::string_view refusal;  // all reasons are literals
  std::string_view subprotocol;
  int status_code = 0;
};

UpgradeStatus HttpUpgrade::State::on_head(std::string_view complete_head) {
  http::request_parser<http::empty_body> parser;
  parser.header_limit(std::numeric_limits<uint32_t>::max());  // HttpHead counted already
  boost::system::error_code error;
  const size_t parsed =
      parser.put(boost::asio::const_buffer(complete_head.data(), complete_head.size()), error);
  if (error == http::error::bad_version) return refuse_with({505, "HTTP/1.1 is required"});
  if (error || !parser.is_header_done() || parsed != complete_head.size()) {
    return refuse_with({400, "the request is not HTTP"});
  }
  const Request& request = parser.get();
  if (std::distance(request.begin(), request.end()) > static_cast<ptrdiff_t>(policy.headers_max)) {
    return refuse_with({431, "the request has too many headers"});
  }
  Verdict refused = check_request_line(request, policy);
  if (!refused) refused = check_websocket_headers(request);
  if (!refused) refused = check_origin(request, policy);
  if (refused) return refuse_with(*refused);
  return accept(header_value(request, http::field::sec_websocket_key), choose_subprotocol(request));
}

UpgradeStatus HttpUpgrade::State::accept(std::string_view key, std::string_view chosen) {
  status_code = 101;
  subprotocol = chosen;
  answer = accepting_answer(key, chosen);
  return UpgradeStatus::kAccepted;
}

UpgradeStatus HttpUpgrade::State::refuse_with(const Refusal& why) {
  status_code = why.status_code;
  refusal = why.reason;
  answer = refusal_answer(why.status_code, why.reason);
  return UpgradeStatus::kRefused;
}

HttpUpgrade::HttpUpgrade(const UpgradePolicy& policy) : state_(std::make_unique<State>(policy)) {}
HttpUpgrade::~HttpUpgrade() = default;

UpgradeResult HttpUpgrade::feed(std::span<const uint8_t> input) {
  State& state = *state_;
  CHECK(state.status_code == 0);
  const HttpHead::Progress progress = state.head.feed(input);
  switch (progress.status) {
    case HttpHead::Status::kNeedMore:
      return {UpgradeStatus::kNeedMore, progress.consumed};
    case HttpHead::Status::kTooLong:
      return {state.refuse_with({431, "the request head is too long"}), progress.consumed};
    case HttpHead::Status::kNotHttp:
      return {state.refuse_with({400, "the request is not HTTP"}), progress.consumed};
    case HttpHead::Status::kComplete:
      break;
  }
  return {state.on_head(state.head.text()), progress.consumed};
}

const std::string& HttpUpgrade::answer() const { return state_->answer; }
int HttpUpgrade::status_code() const { return state_->status_code; }
std::string_view HttpUpgrade::refusal() const { return state_->refusal; }
std::string_view HttpUpgrade::subprotocol() const { return state_->subprotocol; }

std::string HttpUpgrade::refusal_answer(int status_code, std::string_view reason) {
  std::string answer = "HTTP/1.1 " + std::to_string(status_code) + ' ';
  answer += http_reason_phrase(status_code);
  answer += "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ";
  answer += std::to_string(reason.size() + 1);
  // So that clients that were refused do not all come back at once, and at once.
  if (status_code == 503) answer += "\r\nRetry-After: 5";
  if (status_code == 405) answer += "\r\nAllow: GET";
  if (status_code == 426) {
    // Upgrade is a hop-by-hop header and is named as one (RFC 9110 section 7.8).
    answer += "\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nConnection: close, Upgrade";
  } else {
    answer += "\r\nConnection: close";
  }
  answer += kEndOfHead;
  answer += reason;
  answer += '\n';
  return answer;
}

}  // namespace stampede::proto
