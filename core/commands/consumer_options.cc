#include "core/commands/consumer_options.h"

#include <charconv>
#include <optional>

namespace stampede::core {

namespace {

// The first of the two that is there.
std::optional<std::string_view> either(const proto::StompFrame& frame, std::string_view one,
                                       std::string_view other) {
  const auto text = frame.header(one);
  return text ? text : frame.header(other);
}

std::optional<int32_t> number(std::string_view text) {
  int32_t value = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return value;
}

}  // namespace

Result<ConsumerOptions, std::string_view> read_consumer_options(const proto::StompFrame& frame,
                                                                const AckOptions& ack,
                                                                const Options& options) {
  ConsumerOptions result;
  if (ack.mode == AckMode::kAuto) {
    // Enough that the next send never waits for the owner, whatever prefetch was asked for.
    result.credit_messages = options.prefetch_default;
    result.credit_bytes = options.slow_consumer_bytes;
  } else {
    result.credit_messages = ack.credit.messages;
    result.credit_bytes = ack.credit.bytes;
  }
  if (const auto text = either(frame, "x-priority", "activemq.priority")) {
    const auto priority = number(*text);
    if (!priority) {
      return std::unexpected("x-priority and activemq.priority must be whole numbers");
    }
    result.priority = *priority;
  }
  result.is_exclusive = either(frame, "exclusive", "activemq.exclusive") == "true";
  result.is_browser = frame.header("browser") == "true";
  return result;
}

bool asks_for_no_local(const proto::StompFrame& frame) {
  return either(frame, "no-local", "activemq.noLocal") == "true";
}

}  // namespace stampede::core
