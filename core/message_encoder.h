#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/message.h"
#include "proto/stomp_types.h"

namespace stampede::core {

// MessageEncoder keeps what MESSAGEs have behind their `subscription` header, for the messages at
// hand: made once for each STOMP version, whatever the number of groups that it is copied to. That
// is what makes a group of one cheap.
//
// Owns:      its scratch text. Thread: home shard.
// Lifetime:  the messages outlive end().
class MessageEncoder {
 public:
  void begin(std::span<const Message* const> messages) {
    messages_ = messages;
    is_made_ = {};
  }
  void end() { messages_ = {}; }

  // Of the message at `index`, from `message-id` to the blank line. Valid until the next begin().
  // Adds to `left_out` the headers that the version cannot express.
  [[nodiscard]] std::string_view headers(size_t index, proto::StompVersion version,
                                         uint64_t& left_out) {
    const auto of_version = static_cast<size_t>(version);
    if (!is_made_[of_version]) make(version, left_out);
    const Texts& texts = texts_[of_version];
    const size_t begins = index == 0 ? 0 : texts.ends[index - 1];
    return std::string_view(texts.text).substr(begins, texts.ends[index] - begins);
  }

 private:
  // One behind the other.
  struct Texts {
    std::string text;
    std::vector<size_t> ends;
  };
  void make(proto::StompVersion version, uint64_t& left_out);

  std::span<const Message* const> messages_;
  std::array<Texts, 3> texts_;
  std::array<bool, 3> is_made_ = {};
};

}  // namespace stampede::core
