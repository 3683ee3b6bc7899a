#include "core/queue_types.h"

#include "proto/base/check.h"

namespace stampede::core {

std::string_view to_string(DeadReason reason) {
  switch (reason) {
    case DeadReason::kExpired:
      return "expired";
    case DeadReason::kRejected:
      return "rejected";
    case DeadReason::kDeliveryLimit:
      return "delivery-limit";
    case DeadReason::kFull:
      return "queue-full";
    case DeadReason::kCount:
      break;
  }
  CHECK(false);
  return {};
}

}  // namespace stampede::core
