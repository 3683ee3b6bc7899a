#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "core/message.h"
#include "proto/stomp_frame.h"

namespace stampede::tests {

struct MessageParts {
  std::string_view destination = "/topic/a";
  std::string_view message_id = "";
  std::span<const proto::StompHeader> headers = {};
  std::string_view body = "";
  std::string_view route = "";
  uint64_t route_hash = 0;
};

// One reference is the caller's.
[[nodiscard]] inline core::Message* make_message(const MessageParts& parts) {
  core::Message::Content content;
  content.destination = parts.destination;
  content.route = parts.route;
  content.message_id = parts.message_id;
  content.headers = parts.headers;
  content.body = {reinterpret_cast<const uint8_t*>(parts.body.data()), parts.body.size()};
  return core::Message::create(content, parts.route_hash);
}

}  // namespace stampede::tests
