#include "core/message_encoder.h"

namespace stampede::core {

void MessageEncoder::make(proto::StompVersion version, uint64_t& left_out) {
  const auto of_version = static_cast<size_t>(version);
  Texts& texts = texts_[of_version];
  texts.text.clear();
  texts.ends.clear();
  for (const Message* message : messages_) {
    left_out += message->append_headers(texts.text, version);
    texts.ends.push_back(texts.text.size());
  }
  is_made_[of_version] = true;
}

}  // namespace stampede::core
