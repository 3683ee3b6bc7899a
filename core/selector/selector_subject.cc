#include "core/selector/selector_subject.h"

#include "proto/base/check.h"

namespace stampede::core {

void SelectorSubject::begin(const Message& message) {
  if (message_ == &message && sequence_ == message.sequence() &&
      route_hash_ == message.route_hash()) {
    return;
  }
  message_ = &message;
  sequence_ = message.sequence();
  route_hash_ = message.route_hash();
  has_headers_ = false;
  has_body_ = false;
}

std::optional<std::string_view> SelectorSubject::header(std::string_view name) {
  DCHECK(message_ != nullptr);
  if (!has_headers_) {
    has_headers_ = true;
    headers_.clear();
    message_->for_each_header([this](std::string_view header_name, std::string_view value) {
      headers_.push_back({header_name, value});
    });
  }
  for (const proto::StompHeader& header : headers_) {
    if (header.name == name) return header.value;
  }
  return std::nullopt;
}

const JsonBody& SelectorSubject::body() {
  DCHECK(message_ != nullptr);
  if (!has_body_) {
    has_body_ = true;
    body_.clear();
    const auto octets = message_->body();
    if (octets.size() <= body_bytes_max_ && JsonBody::may_be_json(octets)) {
      ++bodies_parsed_;
      static_cast<void>(body_.parse(octets));
    }
  }
  return body_;
}

}  // namespace stampede::core
