#include "tests/sim/order_piece.h"

#include <algorithm>
#include <stdexcept>

namespace stampede::sim {

void check_piece(const std::vector<uint32_t>& order, const std::vector<uint32_t>& got,
                 bool reaches_end, const std::function<bool(uint32_t)>& is_due) {
  const auto begin = got.empty() ? order.end() : std::find(order.begin(), order.end(), got.front());
  const bool is_piece = static_cast<size_t>(order.end() - begin) >= got.size() &&
                        std::equal(got.begin(), got.end(), begin);
  if (!is_piece) throw std::runtime_error("not a piece of a topic's order");
  if (reaches_end && begin + static_cast<ptrdiff_t>(got.size()) != order.end())
    throw std::runtime_error("the end of a topic's order is missing");
  // Who left may have left before the first message that it was sure to get.
  if (got.empty() && !reaches_end) return;
  if (std::find_if(order.begin(), order.end(), is_due) < begin)
    throw std::runtime_error("a message after the RECEIPT of SUBSCRIBE is missing");
}

}  // namespace stampede::sim
