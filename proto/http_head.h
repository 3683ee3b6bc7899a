#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace stampede::proto {

// HttpHead finds where the head of an HTTP request ends (RFC 9112 section 2.1), and keeps it until
// it is complete. What a head says is for Beast's parser, which is then given the whole of it at
// once.
//
// Owns:      the octets of earlier pieces, at most `bytes_max`. Thread: that of the connection.
// Lifetime:  for one head. text() holds until the input that completed it goes.
// Invariant: the outcome does not depend on how the input was cut; octets behind the head are not
//            taken.
class HttpHead {
 public:
  enum class Status : uint8_t {
    kNeedMore,  // all of the input was taken
    kComplete,
    kTooLong,  // one octet past the limit came
    kNotHttp,  // an octet came that no head can have
  };
  struct Progress {
    Status status;
    size_t consumed;
  };

  explicit HttpHead(size_t bytes_max) : bytes_max_(bytes_max) {}

  // Not to be called again after another status than kNeedMore.
  [[nodiscard]] Progress feed(std::span<const uint8_t> input);
  // After kComplete: request line and headers, the empty line included.
  [[nodiscard]] std::string_view text() const { return text_; }

 private:
  [[nodiscard]] Progress scan(std::span<const uint8_t> input);

  const size_t bytes_max_;
  std::string kept_;
  std::string_view text_;
  size_t end_matched_ = 0;  // how much of the end of a head what came ends with
};

// "Not Found"; of the codes that the broker answers with.
[[nodiscard]] std::string_view http_reason_phrase(int status_code);

}  // namespace stampede::proto
