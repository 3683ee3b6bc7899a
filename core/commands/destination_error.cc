#include "core/commands/destination_error.h"

#include "core/errors.h"
#include "proto/base/check.h"

namespace stampede::core {

void fail_destination(Client& client, const proto::StompFrame& frame, DestinationKind kind) {
  switch (kind) {
    case DestinationKind::kEmpty:
      client.fail(errors::kBadDestination, "the header destination is empty", &frame);
      return;
    case DestinationKind::kTooLong:
      client.fail(errors::kBadDestination,
                  "the destination is longer than --max-destination-length allows", &frame);
      return;
    case DestinationKind::kTooManyLevels:
      client.fail(errors::kBadDestination,
                  "the destination has more levels than --max-destination-levels allows", &frame);
      return;
    case DestinationKind::kRestNotLast:
      client.fail(errors::kBadDestination,
                  "the levels #, > and ** mean the rest and must be the last", &frame);
      return;
    case DestinationKind::kQueuePattern:
      client.fail(errors::kBadDestination,
                  "a queue is subscribed by its name: *, #, > and ** are for topics", &frame);
      return;
    case DestinationKind::kUnsupported:
      client.fail(errors::kUnsupportedDestination,
                  "this server has topics and queues: no temporary, user or exchange destinations",
                  &frame);
      return;
    case DestinationKind::kTopic:
    case DestinationKind::kQueue:
    case DestinationKind::kPattern:
      break;
  }
  CHECK(false);
}

}  // namespace stampede::core
