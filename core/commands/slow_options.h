#pragma once

#include <optional>
#include <span>

#include "core/client.h"
#include "core/destination_map.h"
#include "core/options.h"
#include "core/slow_terms.h"
#include "proto/base/result.h"
#include "proto/stomp_frame.h"

namespace stampede::core {

// What the SUBSCRIBE asks for its readers that lag, by `slow-consumer`; none: what the rules say.
[[nodiscard]] Result<std::optional<SlowTerms>> read_slow_options(const proto::StompFrame& frame);

// The terms of a subscription to the topic or pattern, with the bound set unless they are what is
// done by default. The error says that more was asked for than may be.
[[nodiscard]] Result<SlowTerms> slow_terms_for(const MappedDestination& to,
                                               const std::optional<SlowTerms>& asked, bool is_acked,
                                               const Options& options);

// True: one of the destinations does not serve what was asked for, and the client is failed.
[[nodiscard]] bool has_bad_slow_terms(Client& client, const proto::StompFrame& frame,
                                      std::span<const MappedDestination> destinations,
                                      const std::optional<SlowTerms>& asked);

}  // namespace stampede::core
