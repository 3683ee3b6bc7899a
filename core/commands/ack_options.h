#pragma once

#include "core/ack_window.h"
#include "core/options.h"
#include "proto/base/result.h"
#include "proto/stomp_frame.h"

namespace stampede::core {

// How a SUBSCRIBE wants its messages acknowledged.
struct AckOptions {
  AckMode mode = AckMode::kAuto;
  AckCredit credit = {};  // of the client modes
};

// Reads `ack`, and credit under the names that other brokers gave it: `prefetch-count`,
// `activemq.prefetchSize` and the first number of `credit` are messages, the second number of
// `credit` and `consumer-window-size` are octets. Credit of auto subscriptions is read, so that a
// bad one is told, and means nothing: no prefetch may starve who does not acknowledge. The error
// names the header.
struct AckOptionsError {
  bool is_mode;  // of `ack`; false: of credit
  std::string_view sentence;
};
[[nodiscard]] Result<AckOptions, AckOptionsError> read_ack_options(const proto::StompFrame& frame,
                                                                   const Options& options);

}  // namespace stampede::core
