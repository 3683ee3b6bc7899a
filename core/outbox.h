#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "core/shard_types.h"

namespace stampede::core {

// Outbox holds a connection's private octets: what is not shared through a group's log (CONNECTED,
// RECEIPT, ERROR, pong, heart-beat, close frames). Whole frames only.
//
// Owns:      the octets, those in flight apart from those still gathered; nothing while empty, so
// that an
//            idle connection pays two words.
// Thread:    home shard.
// Invariant: octets in flight do not move until end_flight().
class Outbox {
 public:
  // To append to; never null.
  [[nodiscard]] std::string& gathering();
  [[nodiscard]] bool empty() const { return gathering_ == nullptr || gathering_->empty(); }
  [[nodiscard]] size_t bytes() const {
    return (gathering_ ? gathering_->size() : 0) + (in_flight_ ? in_flight_->size() : 0);
  }
  // On the heap.
  [[nodiscard]] size_t memory_bytes() const {
    return (gathering_ ? gathering_->capacity() : 0) + (in_flight_ ? in_flight_->capacity() : 0);
  }
  // Requires: not empty, nothing in flight.
  [[nodiscard]] SendSpan begin_flight();
  void end_flight() { in_flight_.reset(); }
  // Forgets what is not in flight.
  void drop() { gathering_.reset(); }

 private:
  std::unique_ptr<std::string> gathering_;
  std::unique_ptr<std::string> in_flight_;
};

}  // namespace stampede::core
