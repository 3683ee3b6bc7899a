#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace stampede::proto {

// What a client of the admin listener asked for.
struct HttpRequest {
  std::string path;   // "/connz"; as it was sent, nothing is decoded
  std::string query;  // "limit=10&offset=20"
  bool is_head = false;

  // The value of a parameter; nullopt if the query does not have it.
  [[nodiscard]] std::optional<std::string_view> parameter(std::string_view name) const;
};

struct HttpLimits {
  size_t head_bytes_max;  // request line and headers; one more: 431
  size_t headers_max;     // header lines; one more: 431
};

enum class HttpRequestStatus : uint8_t {
  kNeedMore,
  kRequest,  // request() is what was asked
  kRefused,  // refusal_code() and refusal() say why; nothing can follow
};

struct HttpRequestProgress {
  HttpRequestStatus status;
  size_t consumed;
};

// HttpRequestReader reads one request of HTTP/1.0 or 1.1 without a body, GET or HEAD, on Beast's
// parser. What follows the request on the connection is not looked at: each connection gets one
// answer.
//
// Owns:      the head until it is complete (at most head_bytes_max). Thread: any, one at a time.
// Invariant: the outcome does not depend on how the input was cut.
class HttpRequestReader {
 public:
  explicit HttpRequestReader(HttpLimits limits);
  ~HttpRequestReader();
  HttpRequestReader(HttpRequestReader&&) noexcept;
  HttpRequestReader& operator=(HttpRequestReader&&) noexcept;

  // Not to be called again after another status than kNeedMore.
  [[nodiscard]] HttpRequestProgress feed(std::span<const uint8_t> input);

  [[nodiscard]] const HttpRequest& request() const;  // after kRequest
  [[nodiscard]] int refusal_code() const;            // after kRefused: 400, 405, 431, 505
  [[nodiscard]] std::string_view refusal() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct HttpAnswer {
  int status_code = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

// The answer's octets. It says that the connection closes. For HEAD the body is left out, its
// length is not.
[[nodiscard]] std::string http_answer_text(const HttpAnswer& answer, bool is_head);

}  // namespace stampede::proto
