#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace stampede::sim {

// Throws unless `got`, what one subscription got of a topic, is one unbroken piece of the topic's
// `order`; with `reaches_end`, up to its end; and begins no later than the first that is due.
void check_piece(const std::vector<uint32_t>& order, const std::vector<uint32_t>& got,
                 bool reaches_end, const std::function<bool(uint32_t)>& is_due);

}  // namespace stampede::sim
