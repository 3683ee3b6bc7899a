#pragma once

#include <vector>

#include "core/listings.h"
#include "proto/base/result.h"
#include "proto/http_request.h"

namespace stampede::tools {

inline constexpr size_t kPageLimit = 100;
inline constexpr size_t kPageLimitMax = 1000;

// What ?limit=N&offset=N asks for; an error is one line for the client.
[[nodiscard]] Result<core::ListRange> page_range(const proto::HttpRequest& request);

// A page of a list that is in pieces, one a shard, as a page of each piece.
[[nodiscard]] std::vector<core::ListRange> split_range(core::ListRange range,
                                                       const std::vector<uint64_t>& sizes);

}  // namespace stampede::tools
