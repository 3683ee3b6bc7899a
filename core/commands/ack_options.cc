#include "core/commands/ack_options.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

namespace stampede::core {

namespace {

constexpr std::string_view kMessagesSentence =
    "prefetch-count, activemq.prefetchSize and credit must be whole numbers";
constexpr std::string_view kBytesSentence =
    "consumer-window-size must be a whole number of octets, or -1";

std::optional<int64_t> number(std::string_view text) {
  int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec == std::errc::result_out_of_range && parsed.ptr == end) return INT64_MAX;
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return value;
}

// 0 is no limit where prefetch comes from, which here is the largest that there is.
uint32_t message_credit(int64_t asked, const Options& options) {
  const int64_t most = options.prefetch_max;
  return static_cast<uint32_t>(asked == 0 ? most : std::min(asked, most));
}

bool read_messages(std::string_view text, const Options& options, AckCredit& credit) {
  const auto asked = number(text);
  if (!asked || *asked < 0) return false;
  credit.messages = message_credit(*asked, options);
  return true;
}

// credit:messages[,octets], as Apollo has it.
bool read_credit(std::string_view text, const Options& options, AckCredit& credit) {
  const size_t comma = text.find(',');
  if (!read_messages(text.substr(0, comma), options, credit)) return false;
  if (comma == std::string_view::npos) return true;
  const auto bytes = number(text.substr(comma + 1));
  if (!bytes || *bytes < 0) return false;
  credit.bytes = static_cast<size_t>(*bytes);
  return true;
}

// Octets; 0 is one message at a time and -1 no limit, as Artemis has them.
bool read_window_size(std::string_view text, AckCredit& credit) {
  const auto bytes = number(text);
  if (!bytes || *bytes < -1) return false;
  credit.bytes = *bytes == -1 ? SIZE_MAX : static_cast<size_t>(*bytes);
  return true;
}

std::optional<AckMode> ack_mode(std::string_view text) {
  if (text == "auto") return AckMode::kAuto;
  if (text == "client") return AckMode::kClient;
  if (text == "client-individual") return AckMode::kClientIndividual;
  return std::nullopt;
}

}  // namespace

Result<AckOptions, AckOptionsError> read_ack_options(const proto::StompFrame& frame,
                                                     const Options& options) {
  AckOptions result;
  result.credit.messages = std::min(options.prefetch_default, options.prefetch_max);
  const auto mode = ack_mode(frame.header("ack").value_or("auto"));
  if (!mode) {
    return std::unexpected(
        AckOptionsError{true, "the header ack must be auto, client or client-individual"});
  }
  result.mode = *mode;
  for (const std::string_view name : {"prefetch-count", "activemq.prefetchSize"}) {
    const auto text = frame.header(name);
    if (text && !read_messages(*text, options, result.credit)) {
      return std::unexpected(AckOptionsError{false, kMessagesSentence});
    }
  }
  if (const auto text = frame.header("credit");
      text && !read_credit(*text, options, result.credit)) {
    return std::unexpected(AckOptionsError{false, kMessagesSentence});
  }
  if (const auto text = frame.header("consumer-window-size");
      text && !read_window_size(*text, result.credit)) {
    return std::unexpected(AckOptionsError{false, kBytesSentence});
  }
  return result;
}

}  // namespace stampede::core
