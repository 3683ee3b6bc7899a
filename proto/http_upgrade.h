#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace stampede::proto {

// What the opening handshake is held against. Constant after construction; shared by all
// connections of a listener.
struct UpgradePolicy {
  // e.g. "/stomp"; "/stomp/", "/stomp/websocket" and "/stomp/anything/websocket" are served too, as
  // SockJS clients ask for them. Case-sensitive; a query is ignored.
  std::vector<std::string> paths;
  size_t head_bytes_max;  // request line and headers; one more: 431
  size_t headers_max;     // header lines; one more: 431
  // Origins that may connect: "*" is any, "same-host" the host of the Host header (ports ignored,
  // loopback names are one host), "https://a.example:444" exact, "https://*.example" any subdomain.
  // A request without Origin is not from a browser and passes.
  std::vector<std::string> allowed_origins;
};

enum class UpgradeStatus : uint8_t {
  kNeedMore,
  kAccepted,  // answer() is the 101; what follows in the input are WebSocket frames
  kRefused,   // answer() is the whole refusal; the connection closes once it is sent
};

struct UpgradeResult {
  UpgradeStatus status;
  size_t consumed;
};

// HttpUpgrade is the server's side of the opening handshake (RFC 6455 section 4.2), on Beast's
// parser.
//
// Owns:      the head until it is complete (at most head_bytes_max). Thread: home shard.
// Lifetime:  made for one request and destroyed after it; the policy outlives it.
// Invariant: the answer does not depend on how the input was cut; octets behind the head are not
// taken.
class HttpUpgrade {
 public:
  explicit HttpUpgrade(const UpgradePolicy& policy);
  ~HttpUpgrade();

  // kNeedMore: all of the input was taken. Not to be called again after another status.
  [[nodiscard]] UpgradeResult feed(std::span<const uint8_t> input);

  // Both valid after kAccepted or kRefused.
  [[nodiscard]] const std::string& answer() const;
  [[nodiscard]] int status_code() const;  // 101, 400, 403, 404, 405, 426, 431, 505
  // Why it was refused, for the log; empty if accepted.
  [[nodiscard]] std::string_view refusal() const;
  // "v12.stomp", "v11.stomp", "v10.stomp" or empty.
  [[nodiscard]] std::string_view subprotocol() const;

  // A whole answer that refuses, `reason` being the line of text in its body. For what the broker
  // decides by itself too (408 when the head is late, 503 when full or draining).
  [[nodiscard]] static std::string refusal_answer(int status_code, std::string_view reason);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace stampede::proto
