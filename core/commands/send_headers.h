#pragma once

#include <string_view>

#include "proto/stomp_frame.h"

namespace stampede::core {

// The headers of a SEND that mean something wherever it goes, found in one pass, as every message
// begins here. Of repeated ones the first counts (STOMP 1.2, "Repeated Header Entries").
//
// Lifetime:  the values are the frame's.
struct SendHeaders {
  // Null: it is not there.
  const std::string_view* destination = nullptr;
  const std::string_view* message_id = nullptr;
  const std::string_view* receipt = nullptr;
  const std::string_view* retain = nullptr;
  const std::string_view* reply_to = nullptr;
  const std::string_view* transaction = nullptr;
  const std::string_view* count_subscriptions = nullptr;
  bool asks_for_delay = false;  // AMQ_SCHEDULED_..., which topics do not have
};

[[nodiscard]] SendHeaders find_send_headers(const proto::StompFrame& frame);

}  // namespace stampede::core
