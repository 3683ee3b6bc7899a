#include "core/liveness.h"

#include <algorithm>

#include "core/timer_wheel.h"

namespace stampede::core {

namespace {

// STOMP 1.2, "Heart-beating": max of what one side can and the other wants, none if either is 0.
Millis negotiate(Millis can_ms, Millis wants_ms) {
  return can_ms == 0 || wants_ms == 0 ? 0 : std::max(can_ms, wants_ms);
}

// A heart-beat is due before its interval ends, or the network makes it late (STOMP 1.2,
// "Heart-beating").
Millis margin_of(Millis interval) {
  return std::min(interval / 10 + 2 * TimerWheel::kTickMs, interval / 2);
}

uint32_t shortened(Millis interval) {
  return static_cast<uint32_t>(std::min<Millis>(interval, INT32_MAX));
}

}  // namespace

void Liveness::agree(HeartBeatWish wish, const Options& options, Transport transport) {
  const bool can_be_asked = transport == Transport::kWebSocket && options.ping_interval_ms > 0;
  if (const Millis every = negotiate(options.heart_beat_send_ms, wish.wants_ms); every > 0) {
    // More often than it was asked for does no harm.
    send_every_ =
        shortened(std::max(std::min(every, options.heart_beat_ms_max), options.heart_beat_ms_min));
  }
  const Millis promised = negotiate(wish.can_ms, options.heart_beat_receive_ms);
  // Who promises to beat once a day is to be noticed missing sooner than that, as if it had
  // promised nothing.
  has_promised_ = promised > 0 && promised <= options.heart_beat_ms_max;
  if (has_promised_) {
    const Millis interval = std::max(promised, options.heart_beat_ms_min);
    const auto patience =
        static_cast<Millis>(static_cast<double>(interval) * options.heart_beat_tolerance);
    // Three quarters of it pass before a ping: by then a beat of who is well has come, and it costs
    // nobody a ping.
    const Millis silence = can_be_asked ? patience - patience / 4 : patience;
    silence_max_ = shortened(silence);
    answer_within_ = shortened(patience - silence);
  } else if (can_be_asked) {
    silence_max_ = shortened(options.ping_interval_ms);
    answer_within_ = shortened(options.ping_timeout_ms);
  }
}

Millis Liveness::judgement_at() const {
  if (silence_max_ == 0) return kNever;
  return asked_at_ == kNever ? received_at_ + silence_max_ : asked_at_ + answer_within_;
}

Liveness::Verdict Liveness::judge(Millis now) const {
  if (now < judgement_at()) return Verdict::kAlive;
  return asked_at_ == kNever && answer_within_ > 0 ? Verdict::kAsk : Verdict::kDead;
}

const char* Liveness::offence() const {
  return has_promised_ ? "no octet within the negotiated heart-beat (--heart-beat-tolerance)"
                       : "no answer to a ping (--ping-interval, --ping-timeout)";
}

Millis Liveness::beat_at() const {
  return send_every_ == 0 ? kNever : sent_at_ + send_every_ - margin_of(Millis{send_every_});
}

Millis Liveness::next_deadline() const { return std::min(judgement_at(), beat_at()); }

}  // namespace stampede::core
