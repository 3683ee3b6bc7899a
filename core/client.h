#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/errors.h"
#include "core/fan_out_log.h"
#include "core/intake.h"
#include "core/intrusive_list.h"
#include "core/liveness.h"
#include "core/outflow.h"
#include "core/session.h"
#include "core/shard.h"
#include "core/shard_types.h"
#include "core/timer_wheel.h"
#include "proto/stomp_parser.h"
#include "proto/ws_types.h"

namespace stampede::core {

enum class ClientPhase : uint8_t {
  kHandshake,   // waits for the end of the HTTP request
  kConnecting,  // waits for CONNECT
  kConnected,
  kFlushing,   // takes no more frames; sends what the outflow still holds
  kLingering,  // has ended its direction; waits for the peer to end the other, or for the deadline
  kAborting,   // the socket is to be closed whatever is in flight
};

class Client;

// A client's deadline, from which the client is found again.
struct ClientTimer : Timer {
  ClientTimer() : Timer(Kind::kClient) {}
  Client* client = nullptr;
};

// Client is one connection: its Intake, its Session, its Outflow, and around them its endings and
// deadlines.
//
// Owns:      all of its state; its subscriptions through the session.
// Thread:    home shard.
// Lifetime:  from ShardState::open() to release(). Leaves every table in begin_closing(), at once;
//            what a send in flight still reads stays in the Outflow until that is over.
// Invariant: is_sending() from a plan to its sent(); in the ready list at most once.
class Client {
 public:
  Client(ShardState& shard, const Endpoint& endpoint, ClientRef ref, uint64_t id, uint32_t handle,
         Millis now);
  ~Client();

  // -- The way in.
  void receive(std::span<const uint8_t> octets, Millis now);

  // Takes some of what arrived while it was paused; true if all of it, and it is not paused again.
  [[nodiscard]] bool take_held(Millis now);

  // What the intake found.
  void on_upgraded(std::string_view answer, Millis now);
  void on_frame(const proto::StompFrame& frame, Millis now);
  [[nodiscard]] const proto::StompLimits& stomp_limits() const;

  // -- Answering. Private octets, framed for the transport.
  // One STOMP frame, or a heart-beat's end of line.
  void send_stomp(std::string_view frame);
  void send_pong(std::span<const uint8_t> payload);
  void send_ping();

  // -- Ending. Each leaves every table at once and gives the close reason; only the first call
  // counts. Says ERROR, once the RECEIPTs of earlier frames are out; then a close frame, then ends
  // the stream.
  void fail(const ErrorKind& kind, std::string_view sentence, const proto::StompFrame* frame);
  // As fail(), with the receipt text of a frame that could not be parsed whole.
  void fail(const ErrorKind& kind, std::string_view sentence, std::string_view receipt_id,
            bool has_receipt);
  // Ends without ERROR; the close frame carries the code (RFC 6455 section 7.4). `last_frame` goes
  // before it, once all is sent that the client is owed.
  void finish(CloseReason reason, std::string_view detail, proto::WsStatusCode code,
              std::string_view last_frame = {});
  // Answers the handshake with a refusal and ends.
  void refuse(CloseReason reason, std::string_view answer, std::string_view detail);
  // For a reader that lags: drops its subscriptions, and says ERROR behind what is in flight.
  void fail_slow(const ErrorKind& kind);
  // For a client that holds much when there is no memory. Says so only if that needs no waiting.
  void fail_out_of_memory();
  // For a SEND or COMMIT for which a queue has no room; `ticket` is its RECEIPT's, or 0.
  void fail_queue_full(uint32_t ticket);
  // Ends the socket whatever is in flight.
  void abort(CloseReason reason, std::string_view detail);
  // Lets the farewell go out once nothing is owed before it. Called whenever that may have
  // changed.
  void settle_farewell();
  // Takes no more frames; what it was promised still goes out, and what comes for it.
  void begin_drain();
  // After begin_drain(): nothing more comes. Flushes what it still has to get, then ends with code
  // 1012.
  void dismiss();
  // Both, while others go on: it gets what it has not got yet, and nothing that is published from
  // now on.
  void leave();

  // -- Flushing (driven by ShardState).
  void plan_flush(std::span<SendSpan> spans, FlushPlan& plan, Millis now);
  void on_sent();
  // Puts a cursor that got octets on the list of those behind.
  void add_behind(Cursor& cursor) { outflow_.add_behind(cursor); }
  // Ends one subscription. With `keep_unsent` what it was not given yet goes out first.
  void end_subscription(std::unique_ptr<Subscription> subscription, bool keep_unsent);
  void end_queue_subscription(QueueSubscription& subscription, bool keep_unsent);
  // The delivery, and in client mode all before it of its subscription, or of the composite that it
  // is a part of, is settled. Nothing if there is none.
  void settle(const Session::FoundDelivery& found, Settlement settlement);
  // Nothing of the client is in flight any more, and nothing will be.
  void on_released();
  // Octets that it was not given yet: its own, and its subscriptions'.
  [[nodiscard]] size_t lag_bytes() const { return outflow_.lag_bytes(); }
  // Those of them that count against --slow-consumer-bytes: see Outflow.
  [[nodiscard]] size_t blamed_bytes() const { return outflow_.blamed_bytes(); }
  [[nodiscard]] Outflow& outflow() { return outflow_; }
  // What it would give back by leaving, as far as nobody else holds it too; not what waits here
  // because it is not listened to.
  [[nodiscard]] size_t held_bytes() const {
    return lag_bytes() + (is_paused ? 0 : intake_.memory_bytes());
  }
  // True if the send in flight has been for so long.
  [[nodiscard]] bool is_stuck_for(Millis time, Millis now) const {
    return outflow_.is_sending() && now - outflow_.send_started() >= time;
  }
  // Tells how much memory its octets take. Call where that changed.
  void tally_memory();

  // -- Deadlines.
  void on_deadline(Millis now);
  // Arms the timer for the next thing that is due.
  void arm_timer(Millis now);

  [[nodiscard]] bool is_open() const { return phase_ <= ClientPhase::kConnected && !is_draining_; }
  [[nodiscard]] bool is_closing() const { return phase_ > ClientPhase::kConnected; }
  [[nodiscard]] bool is_sending() const { return outflow_.is_sending(); }
  // Was told that it is to go: leave() or dismiss().
  [[nodiscard]] bool is_dismissed() const { return is_dismissed_; }
  [[nodiscard]] bool has_peer_ended() const { return has_peer_ended_; }
  [[nodiscard]] bool has_work() const;
  [[nodiscard]] ClientPhase phase() const { return phase_; }
  [[nodiscard]] Millis phase_since() const { return phase_since_; }
  // When it last sent a frame, or was sent more than a sign of life.
  [[nodiscard]] Millis active_at() const { return active_at_; }
  [[nodiscard]] const std::string& peer() const { return peer_; }
  [[nodiscard]] Transport transport() const { return transport_; }
  [[nodiscard]] ClientRef ref() const { return ref_; }
  [[nodiscard]] uint64_t id() const { return id_; }
  [[nodiscard]] uint32_t handle() const { return handle_; }
  [[nodiscard]] Session& session() { return session_; }
  [[nodiscard]] const Session& session() const { return session_; }
  [[nodiscard]] ShardState& shard() { return shard_; }
  // How MESSAGEs are put on its wire.
  [[nodiscard]] WireVariant wire_variant() const;

  void on_connected(proto::StompVersion version, HeartBeatWish wish, Millis now);
  void on_peer_ended(Millis now);

  // -- Places in the shard's lists.
  ListLink<Client> ready_link;
  ClientTimer timer;
  [[nodiscard]] static Client& of_timer(Timer& timer) {
    return *static_cast<ClientTimer&>(timer).client;
  }
  bool is_ready = false;
  // See HeldBack.
  Millis held_until = 0;
  bool is_paused = false;       // takes no octets
  bool is_held_back = false;    // on the shard's list of those
  bool is_committing = false;   // a transaction of its waits for room in queues
  uint32_t sends_held_out = 0;  // so many of its SENDs do
  [[nodiscard]] bool waits_for_room() const { return is_committing || sends_held_out > 0; }
  // And need not be heard before it has it.
  [[nodiscard]] bool is_held_out() const {
    return is_committing || (sends_held_out > 0 && !session_.has_unfinished());
  }
  bool is_abort_told = false;

 private:
  void on_private_grown();
  // Before its farewell it is told what became of what it sent. What is said behind that is no
  // answer any more: a SEND may come to a full queue of another shard that late.
  [[nodiscard]] bool owes_answers() const {
    if (has_said_farewell_) return false;
    return session_.owes_replies() || (sends_held_out > 0 && !has_failed_);
  }
  void set_error_farewell(const ErrorKind& kind, std::string_view sentence,
                          std::string_view receipt_id, bool has_receipt);
  // What becomes of MESSAGEs that were appended for the client but not sent yet.
  enum class Unsent : bool { kDrop, kSend };
  void begin_closing(CloseReason reason, std::string_view detail, Unsent unsent);
  void enter_aborting();
  void end_subscriptions(Unsent unsent, bool but_temporary_queues);
  void append_close_frame(std::string& out, proto::WsStatusCode code) const;
  [[nodiscard]] WireVariant::Framing framing() const;
  // In a drain what waits in a queue stays there, as somebody else may be there for it yet.
  [[nodiscard]] QueueSubscriptions::Which queues_served() const {
    return is_draining_ ? QueueSubscriptions::Which::kTemporary : QueueSubscriptions::Which::kAll;
  }
  [[nodiscard]] bool has_queue_deliveries() const {
    return phase_ == ClientPhase::kConnected && session_.has_queue_deliveries(queues_served());
  }
  void settle_one(const Session::FoundDelivery& found, Settlement settlement);
  [[nodiscard]] Millis next_deadline() const;
  // When the send in flight will have taken too long; kNever: it never will.
  [[nodiscard]] Millis stuck_deadline() const;
  void on_deadline_connected(Millis now);
  [[nodiscard]] FlushAction plan_ending();

  ShardState& shard_;
  Session session_;
  Outflow outflow_;
  Intake intake_;
  std::string peer_;
  Millis phase_since_;
  Millis active_at_;
  Liveness liveness_;
  uint64_t id_;
  uint64_t frames_received_ = 0;
  ClientRef ref_;
  uint32_t handle_;
  Transport transport_;
  ClientPhase phase_;
  uint32_t outbox_tallied_ = 0;
  uint32_t intake_tallied_ = 0;
  bool has_failed_ = false;  // its farewell is an ERROR
  bool has_said_farewell_ = false;
  bool has_peer_ended_ = false;
  bool has_held_end_ = false;  // the peer ended behind the held octets, or behind a COMMIT
  bool is_draining_ = false;
  bool is_dismissed_ = false;
};

}  // namespace stampede::core
