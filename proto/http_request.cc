#include "proto/http_request.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <limits>

#include "proto/base/check.h"
#include "proto/http_head.h"

namespace stampede::proto {
namespace {

namespace http = boost::beast::http;
using Request = http::request_parser<http::empty_body>::value_type;

struct Refusal {
  int status_code = 0;
  std::string_view reason;
};

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

std::optional<Refusal> check(const Request& request) {
  if (request.method() != http::verb::get && request.method() != http::verb::head) {
    return Refusal{405, "the method must be GET or HEAD"};
  }
  const size_t hosts = request.count(http::field::host);
  if (hosts > 1 || (hosts == 0 && request.version() == 11)) {
    return Refusal{400, "exactly one Host header is required"};
  }
  const auto lengths = request.equal_range(http::field::content_length);
  for (auto line = lengths.first; line != lengths.second; ++line) {
    if (view(line->value()) != "0") return Refusal{400, "the request must not have a body"};
  }
  if (request.count(http::field::transfer_encoding) > 0) {
    return Refusal{400, "the request must not have a body"};
  }
  if (!view(request.target()).starts_with('/')) {
    return Refusal{400, "the request target must begin with a slash"};
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string_view> HttpRequest::parameter(std::string_view name) const {
  std::string_view rest = query;
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(pair.size() == rest.size() ? pair.size() : pair.size() + 1);
    const size_t equals = pair.find('=');
    if (pair.substr(0, equals) != name) continue;
    return equals == pair.npos ? std::string_view() : pair.substr(equals + 1);
  }
  return std::nullopt;
}

struct HttpRequestReader::State {
  explicit State(HttpLimits its_limits) : limits(its_limits), head(its_limits.head_bytes_max) {}

  HttpRequestStatus refuse(Refusal why) {
    refusal = why;
    return HttpRequestStatus::kRefused;
  }
  HttpRequestStatus on_head(std::string_view text);

  const HttpLimits limits;
  HttpHead head;
  HttpRequest request;
  Refusal refusal;
  bool is_over = false;
};

HttpRequestStatus HttpRequestReader::State::on_head(std::string_view text) {
  http::request_parser<http::empty_body> parser;
  parser.header_limit(std::numeric_limits<uint32_t>::max());  // HttpHead counted already
  boost::system::error_code error;
  const size_t parsed = parser.put(boost::asio::const_buffer(text.data(), text.size()), error);
  if (error == http::error::bad_version) return refuse({505, "HTTP/1.0 or HTTP/1.1 is required"});
  if (error || !parser.is_header_done() || parsed != text.size()) {
    return refuse({400, "the request is not HTTP"});
  }
  const Request& parsed_request = parser.get();
  if (std::distance(parsed_request.begin(), parsed_request.end()) >
      static_cast<ptrdiff_t>(limits.headers_max)) {
    return refuse({431, "the request has too many headers"});
  }
  if (const std::optional<Refusal> refused = check(parsed_request)) return refuse(*refused);
  const std::string_view target = view(parsed_request.target());
  const size_t question = target.find('?');
  request.path = target.substr(0, question);
  if (question != target.npos) request.query = target.substr(question + 1);
  request.is_head = parsed_request.method() == http::verb::head;
  return HttpRequestStatus::kRequest;
}

HttpRequestReader::HttpRequestReader(HttpLimits limits) : state_(std::make_unique<State>(limits)) {}
HttpRequestReader::~HttpRequestReader() = default;
HttpRequestReader::HttpRequestReader(HttpRequestReader&&) noexcept = default;
HttpRequestReader& HttpRequestReader::operator=(HttpRequestReader&&) noexcept = default;

HttpRequestProgress HttpRequestReader::feed(std::span<const uint8_t> input) {
  State& state = *state_;
  CHECK(!state.is_over);
  const HttpHead::Progress progress = state.head.feed(input);
  if (progress.status == HttpHead::Status::kNeedMore) {
    return {HttpRequestStatus::kNeedMore, progress.consumed};
  }
  state.is_over = true;
  if (progress.status == HttpHead::Status::kTooLong) {
    return {state.refuse({431, "the request head is too long"}), progress.consumed};
  }
  if (progress.status == HttpHead::Status::kNotHttp) {
    return {state.refuse({400, "the request is not HTTP"}), progress.consumed};
  }
  return {state.on_head(state.head.text()), progress.consumed};
}

const HttpRequest& HttpRequestReader::request() const { return state_->request; }
int HttpRequestReader::refusal_code() const { return state_->refusal.status_code; }
std::string_view HttpRequestReader::refusal() const { return state_->refusal.reason; }

std::string http_answer_text(const HttpAnswer& answer, bool is_head) {
  std::string text = "HTTP/1.1 " + std::to_string(answer.status_code) + ' ';
  text += http_reason_phrase(answer.status_code);
  text += "\r\nContent-Type: " + answer.content_type;
  text += "\r\nContent-Length: " + std::to_string(answer.body.size());
  if (answer.status_code == 405) text += "\r\nAllow: GET, HEAD";
  // What is seen here is of this moment, and never a page that runs what clients named.
  text +=
      "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n";
  if (!is_head) text += answer.body;
  return text;
}

}  // namespace stampede::proto
