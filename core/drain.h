#pragma once

#include <cstdint>
#include <vector>

#include "core/departures.h"
#include "core/envelope.h"
#include "core/shard.h"
#include "core/shard_types.h"
#include "core/timer_wheel.h"

namespace stampede::core {

class Client;
class ShardState;

// Drain makes a shard's clients leave. At first one after the other, while the others are served as
// ever: whoever is told goodbye can be back elsewhere before the next one is. Then, at a given time
// or at once, all that are left. core/README.md, "Drain", says why nothing that was acknowledged is
// lost on the way.
//
// Owns:      its timer, and the order in which clients leave. Thread: home shard.
// Lifetime:  part of the ShardState.
// Invariant: a client is told goodbye only when everything that any owner had acknowledged before
//            its turn came has arrived here.
class Drain {
 public:
  Drain(ShardState& shard, ShardId id, ShardId shard_count)
      : shard_(shard), id_(id), shard_count_(shard_count) {}
  ~Drain();
  Drain(const Drain&) = delete;
  Drain& operator=(const Drain&) = delete;

  // Only the first call counts.
  void begin(DrainTimes times, Millis now);
  // A client came; it is treated like those that were there.
  void on_opened(Client& client, Millis now);
  // A transaction that was accepted has come to its end.
  void on_committed();
  void on_timer(Millis now);

  // -- Told by other shards.
  void on_fence(ShardId from);
  void on_fenced();
  void on_intake_ended();
  void on_owner_ended();

 private:
  enum class Stage : uint8_t { kServing, kSpreading, kClosing };

  void spread(DrainTimes times, Millis now);
  // Everybody who is left leaves.
  void close_down();
  void end_intake();
  // The client's turn has come.
  void depart(ClientRef client, Millis now);
  [[nodiscard]] static bool is_busy(const Client& client, Millis now);
  void ask_for_fence();
  void arm_timer(Millis now);
  void post_to_others(EnvelopeKind kind);

  ShardState& shard_;
  const ShardId id_;
  const ShardId shard_count_;
  Timer timer_{Timer::Kind::kDrain};
  Stage stage_ = Stage::kServing;
  Millis end_at_ = 0;
  Departures departures_;
  std::vector<ClientRef> arriving_;  // in the middle of CONNECT or COMMIT when their turn came
  std::vector<ClientRef> leaving_;   // wait for the next fence
  std::vector<ClientRef> fenced_;    // wait for the one under way
  ShardId fences_missing_ = 0;       // of that one
  bool has_ended_intake_ = false;
  ShardId intakes_ended_ = 0;  // shards that take in no more, this one included
  ShardId owners_ended_ = 0;   // of those, owners that have numbered and handed on all there was
};

}  // namespace stampede::core
