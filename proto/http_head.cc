#include "proto/http_head.h"

namespace stampede::proto {
namespace {

constexpr std::string_view kEndOfHead = "\r\n\r\n";

// Neither a line's text nor its end: no head that holds one can become good. A line feed is looked
// at with the octet before it.
constexpr bool is_never_in_head(uint8_t octet) {
  return (octet < 0x20 && octet != '\t' && octet != '\r' && octet != '\n') || octet == 0x7F;
}

}  // namespace

HttpHead::Progress HttpHead::scan(std::span<const uint8_t> input) {
  // No use in a faster search: a head passes here once per request.
  for (size_t at = 0; at < input.size(); ++at) {
    const uint8_t octet = input[at];
    if (kept_.size() + at >= bytes_max_) return {Status::kTooLong, at + 1};
    const bool continues = octet == static_cast<uint8_t>(kEndOfHead[end_matched_]);
    if (is_never_in_head(octet) || (octet == '\n' && !continues)) return {Status::kNotHttp, at + 1};
    end_matched_ = continues ? end_matched_ + 1 : (octet == '\r' ? 1 : 0);
    if (end_matched_ == kEndOfHead.size()) return {Status::kComplete, at + 1};
  }
  return {Status::kNeedMore, input.size()};
}

HttpHead::Progress HttpHead::feed(std::span<const uint8_t> input) {
  const Progress progress = scan(input);
  const std::string_view piece(reinterpret_cast<const char*>(input.data()), progress.consumed);
  // Most heads come in one piece and are read where they lie.
  if (progress.status == Status::kComplete && kept_.empty()) {
    text_ = piece;
    return progress;
  }
  kept_ += piece;
  text_ = kept_;
  return progress;
}

std::string_view http_reason_phrase(int status_code) {
  switch (status_code) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 426:
      return "Upgrade Required";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
}

}  // namespace stampede::proto
