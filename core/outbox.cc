#include "core/outbox.h"

#include "proto/base/check.h"

namespace stampede::core {

std::string& Outbox::gathering() {
  if (gathering_ == nullptr) gathering_ = std::make_unique<std::string>();
  return *gathering_;
}

SendSpan Outbox::begin_flight() {
  DCHECK(!empty() && in_flight_ == nullptr);
  in_flight_ = std::move(gathering_);
  return {in_flight_->data(), in_flight_->size()};
}

}  // namespace stampede::core
