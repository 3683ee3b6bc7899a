#pragma once

#include <span>
#include <string_view>

#include "core/destination_map.h"
#include "core/errors.h"
#include "core/options.h"
#include "core/recall.h"
#include "core/topics.h"
#include "proto/base/result.h"
#include "proto/stomp_frame.h"

namespace stampede::core {

// Where a SUBSCRIBE begins, and what its MESSAGEs say of their position.
struct RecallOptions {
  RecallFrom from = {};
  ShownPosition shows = {};     // a view of the frame
  bool tells_position = false;  // the RECEIPT says where it begins
};

struct RecallOptionsError {
  ErrorKind kind;
  std::string_view sentence;
};

// Reads where to begin: `from-seq` with `from-epoch` (Apollo: 0 is all that is kept, -1 what is
// new), `x-stream-offset` (RabbitMQ: first, last, next, offset=, timestamp=), or
// `activemq.retroactive:true`, all that is kept; `retain:false` goes without the last value, which
// else comes first. And what to show: `include-seq` (Apollo), `include-position:true`, and with
// `x-stream-offset` that. Of these a queue has nothing.
[[nodiscard]] Result<RecallOptions, RecallOptionsError> read_recall_options(
    const proto::StompFrame& frame, std::span<const MappedDestination> destinations,
    const Options& options);

}  // namespace stampede::core
