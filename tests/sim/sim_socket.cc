#include "tests/sim/sim_socket.h"

#include <algorithm>
#include <stdexcept>

namespace stampede::sim {

bool SimSocket::lose_end(SimRandom& random) {
  const size_t size = to_broker.size();
  const size_t left = size - to_broker_taken;
  to_broker.resize(to_broker_taken + random.below(left + 1));
  return to_broker.size() < size;
}

std::string SimSocket::take_some(SimRandom& random) {
  const size_t left = to_broker.size() - to_broker_taken;
  size_t count = left;
  switch (random.below(4)) {
    case 0:
      count = 1;
      break;
    case 1:
      count = 1 + random.below(std::min<size_t>(left, 40));
      break;
    case 2:
      count = 1 + random.below(left);
      break;
    default:
      break;
  }
  // A receive buffer holds so much.
  count = std::min<size_t>({count, left, 4096});
  std::string octets = to_broker.substr(to_broker_taken, count);
  to_broker_taken += count;
  taken += count;
  if (!has_octets()) {
    to_broker.clear();
    to_broker_taken = 0;
  }
  return octets;
}

void SimSocket::check_unchanged() const {
  if (!sending.empty() && read_spans(sending) != sending_copy)
    throw std::runtime_error("octets changed in flight");
}

std::string read_spans(const std::vector<core::SendSpan>& spans) {
  std::string octets;
  for (const core::SendSpan& span : spans) {
    octets.append(static_cast<const char*>(span.data), span.size);
  }
  return octets;
}

}  // namespace stampede::sim
