#pragma once

#include <cstdint>

#include "core/options.h"
#include "core/shard_types.h"

namespace stampede::core {

// What a client says in CONNECT: how often it can send something, and how often it wants something.
// Milliseconds; 0: not at all.
struct HeartBeatWish {
  Millis can_ms = 0;
  Millis wants_ms = 0;
};

// Liveness tells by the clock whether a client may be gone, and when something is to be sent to it.
// Any octet of the client's is life, a pong as good as a frame.
//
// Who can be asked by a WebSocket ping is asked before it is given up. A browser throttles the
// timers of a page in the background to one in a minute, so beats come late; it answers pings all
// the same. Who promised no beats is asked now and then, or nobody would notice that it is gone.
//
// Owns:      nothing; it arms no timer. Thread: home shard.
// Invariant: nobody that can be asked is dead before a ping that it had its time to answer.
class Liveness {
 public:
  explicit Liveness(Millis now) : received_at_(now), sent_at_(now) {}

  // Before it nothing is expected and nothing is owed (STOMP 1.2, "Heart-beating").
  void agree(HeartBeatWish wish, const Options& options, Transport transport);

  void on_received(Millis now) {
    received_at_ = now;
    asked_at_ = kNever;
  }
  void on_sent(Millis now) { sent_at_ = now; }
  void on_asked(Millis now) { asked_at_ = now; }

  enum class Verdict : uint8_t {
    kAlive,
    kAsk,   // silent for long: ping it, and call on_asked()
    kDead,  // silent for too long
  };
  [[nodiscard]] Verdict judge(Millis now) const;
  // What a dead client did not do; one clause for the log.
  [[nodiscard]] const char* offence() const;
  // Something should be on its way to the client by now.
  [[nodiscard]] bool owes_beat(Millis now) const { return now >= beat_at(); }

  // When to look again; kNever if nothing is expected and nothing is owed.
  [[nodiscard]] Millis next_deadline() const;

 private:
  [[nodiscard]] Millis beat_at() const;
  [[nodiscard]] Millis judgement_at() const;

  Millis received_at_;
  Millis sent_at_;
  Millis asked_at_ = kNever;  // a ping that nothing came after yet
  // Agreed, in milliseconds; 0: not. A client is idle for most of its life, so they are short: 24
  // days are as good as never.
  uint32_t send_every_ = 0;
  uint32_t silence_max_ = 0;    // then it is asked, or, if it cannot be, dead
  uint32_t answer_within_ = 0;  // 0: it cannot be asked
  bool has_promised_ = false;
};
static_assert(sizeof(Liveness) == 40);

}  // namespace stampede::core
