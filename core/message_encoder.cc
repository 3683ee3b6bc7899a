#include "core/message_encoder.h"

namespace stampede::core {

std::string_view MessageEncoder::headers(proto::StompVersion version, uint64_t& left_out) {
  const auto index = static_cast<size_t>(version);
  std::string& text = texts_[index];
  if (!is_made_[index]) {
    text.clear();
    left_out += message_->append_headers(text, version);
    is_made_[index] = true;
  }
  return text;
}

}  // namespace stampede::core
