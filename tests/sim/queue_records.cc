#include "tests/sim/queue_records.h"

#include <array>
#include <sstream>
#include <stdexcept>

namespace stampede::sim {

namespace {

constexpr std::array kFates = {"held", "sent", "acknowledged", "requeued", "rejected"};

void describe(std::ostream& out, const SimSession& session) {
  out << "peer " << session.peer << " (frames " << session.frames << ", confirmed "
      << session.confirmed << (session.is_closed ? ", closed" : "") << ")";
}

void describe(std::ostream& out, const Delivery& delivery) {
  const Sub& sub = *delivery.sub;
  out << "\n  given to ";
  describe(out, *sub.session);
  out << ", subscription '" << sub.id << (sub.is_ending ? "' that ended" : "'") << ": "
      << kFates[static_cast<size_t>(delivery.fate)];
  if (delivery.settle_frame > 0) out << " by frame " << delivery.settle_frame;
}

}  // namespace

void fail_about(const Put& put, const std::string& what) {
  std::ostringstream out;
  out << what << ": SEND " << put.number << " to destination " << put.destination << " by ";
  describe(out, *put.session);
  out << " with frame " << put.frame << (put.is_in_transaction ? " in a transaction" : "");
  for (const Delivery* delivery : put.lives[0]) describe(out, *delivery);
  if (!put.lives[1].empty()) out << "\n  became a dead letter";
  for (const Delivery* delivery : put.lives[1]) describe(out, *delivery);
  throw std::runtime_error(out.str());
}

}  // namespace stampede::sim
