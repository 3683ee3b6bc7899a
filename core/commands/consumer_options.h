#pragma once

#include <string_view>

#include "core/commands/ack_options.h"
#include "core/options.h"
#include "core/queue_types.h"
#include "proto/base/result.h"
#include "proto/stomp_frame.h"

namespace stampede::core {

// How a SUBSCRIBE to a queue wants its messages: `x-priority` or `activemq.priority`; `exclusive`
// or `activemq.exclusive`; `browser`. The error is a sentence that names the header.
[[nodiscard]] Result<ConsumerOptions, std::string_view> read_consumer_options(
    const proto::StompFrame& frame, const AckOptions& ack, const Options& options);

// `no-local` or `activemq.noLocal`, of queues and topics.
[[nodiscard]] bool asks_for_no_local(const proto::StompFrame& frame);

}  // namespace stampede::core
