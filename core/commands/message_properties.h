#pragma once

#include <optional>
#include <string_view>

#include "core/message.h"
#include "core/options.h"
#include "proto/base/result.h"
#include "proto/stomp_frame.h"

namespace stampede::core {

// What is wrong with a SEND's headers for queues.
struct MessagePropertiesError {
  bool is_unsupported;  // else malformed
  std::string_view sentence;
};

// Reads what a queue goes by, under the names that other brokers gave it: `priority`; `expiration`,
// `ttl` and `x-message-ttl` in milliseconds from now; `expires` in milliseconds since 1970, 0 for
// never; `AMQ_SCHEDULED_DELAY` and `AMQ_SCHEDULED_TIME`, from now and since 1970; `JMSXGroupID` and
// `message_group`. The earliest expiry and the latest delivery count.
[[nodiscard]] Result<MessageProperties, MessagePropertiesError> read_message_properties(
    const proto::StompFrame& frame, const Options& options, Millis now);

// Reads `retain`: set or true, remove, or false. Nothing: it is none of these.
[[nodiscard]] std::optional<Retain> read_retain(std::string_view text);

}  // namespace stampede::core
