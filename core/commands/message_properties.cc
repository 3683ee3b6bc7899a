#include "core/commands/message_properties.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace stampede::core {

namespace {

// A hundred years: no sum of two overflows, and nobody waits longer.
constexpr int64_t kMillisMax = int64_t{100} * 365 * 24 * 3600 * 1000;
constexpr int kPriorityMax = 9;

std::optional<int64_t> number(std::string_view text) {
  int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ptr != end || text.starts_with('-')) return std::nullopt;
  if (parsed.ec == std::errc::result_out_of_range) return kMillisMax;
  if (parsed.ec != std::errc()) return std::nullopt;
  return value;
}

// The meaning of one header's text.
class Reader {
 public:
  Reader(const Options& options, Millis now) : options_(options), now_(now) {}

  // False: the text is no number that the header can have.
  bool read(std::string_view name, std::string_view text) {
    if (name == "priority") return read_priority(text);
    if (name == "expiration" || name == "ttl" || name == "x-message-ttl") {
      return read_relative(text, [this](Millis at) { expire(at); });
    }
    if (name == "expires") {
      return text == "0" || read_absolute(text, [this](Millis at) { expire(at); });
    }
    if (name == "AMQ_SCHEDULED_DELAY") return read_relative(text, [this](Millis at) { delay(at); });
    if (name == "AMQ_SCHEDULED_TIME") return read_absolute(text, [this](Millis at) { delay(at); });
    if (name == "JMSXGroupID" || name == "message_group") properties_.has_group |= !text.empty();
    return true;
  }
  [[nodiscard]] const MessageProperties& properties() const { return properties_; }

 private:
  bool read_priority(std::string_view text) {
    const auto value = number(text);
    if (!value) return false;
    properties_.priority = static_cast<uint8_t>(std::min<int64_t>(*value, kPriorityMax));
    return true;
  }
  template <typename Use>
  bool read_relative(std::string_view text, Use&& use) {
    const auto value = number(text);
    if (value) use(now_ + std::min(*value, kMillisMax));
    return value.has_value();
  }
  template <typename Use>
  bool read_absolute(std::string_view text, Use&& use) {
    const auto value = number(text);
    if (value) use(std::min(*value, kMillisMax) - options_.wall_clock_offset_ms);
    return value.has_value();
  }
  void expire(Millis at) { properties_.expires_at = std::min(properties_.expires_at, at); }
  void delay(Millis at) { properties_.due_at = std::max(properties_.due_at, at); }

  const Options& options_;
  const Millis now_;
  MessageProperties properties_;
};

bool is_repeating(std::string_view name) {
  return name == "AMQ_SCHEDULED_PERIOD" || name == "AMQ_SCHEDULED_REPEAT" ||
         name == "AMQ_SCHEDULED_CRON";
}

}  // namespace

Result<MessageProperties, MessagePropertiesError> read_message_properties(
    const proto::StompFrame& frame, const Options& options, Millis now) {
  Reader reader(options, now);
  for (const proto::StompHeader& header : frame.headers) {
    if (is_repeating(header.name)) {
      return std::unexpected(
          MessagePropertiesError{true,
                                 "this server repeats no message: of AMQ_SCHEDULED_... it has "
                                 "AMQ_SCHEDULED_DELAY and AMQ_SCHEDULED_TIME"});
    }
    if (!reader.read(header.name, header.value)) {
      return std::unexpected(
          MessagePropertiesError{false,
                                 "priority, expiration, ttl, x-message-ttl, expires, "
                                 "AMQ_SCHEDULED_DELAY and AMQ_SCHEDULED_TIME must be whole "
                                 "numbers"});
    }
  }
  return reader.properties();
}

std::optional<Retain> read_retain(std::string_view text) {
  if (text == "false") return Retain::kNo;
  if (text == "set" || text == "true") return Retain::kSet;
  if (text == "remove") return Retain::kRemove;
  return std::nullopt;
}

}  // namespace stampede::core
