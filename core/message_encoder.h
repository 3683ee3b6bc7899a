#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "core/message.h"
#include "proto/stomp_types.h"

namespace stampede::core {

// MessageEncoder keeps what a MESSAGE has behind its `subscription` header, for the message at
// hand: made once for each STOMP version, whatever the number of groups that it is copied to. That
// is what makes a group of one cheap.
//
// Owns:      its scratch text. Thread: home shard.
class MessageEncoder {
 public:
  void begin(const Message& message) {
    message_ = &message;
    is_made_ = {};
  }
  void end() { message_ = nullptr; }

  // From `message-id` to the blank line. Valid until the next begin(). Adds to `left_out` the
  // headers that the version cannot express.
  [[nodiscard]] std::string_view headers(proto::StompVersion version, uint64_t& left_out);

 private:
  const Message* message_ = nullptr;
  std::array<std::string, 3> texts_;
  std::array<bool, 3> is_made_ = {};
};

}  // namespace stampede::core
