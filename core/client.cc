#include "core/client.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/memory_tally.h"
#include "core/shard_state.h"
#include "proto/base/check.h"
#include "proto/utf8.h"
#include "proto/ws_encoder.h"

namespace stampede::core {

namespace {

// A heart-beat, ping or pong; a RECEIPT or MESSAGE is longer.
constexpr size_t kSignOfLifeBytesMax = 16;

}  // namespace

Client::Client(ShardState& shard, const Endpoint& endpoint, ClientRef ref, uint64_t id,
               uint32_t handle, Millis now)
    : shard_(shard),
      intake_(endpoint.upgrade),
      peer_(endpoint.peer),
      phase_since_(now),
      active_at_(now),
      liveness_(now),
      id_(id),
      ref_(ref),
      handle_(handle),
      transport_(endpoint.transport),
      phase_(endpoint.transport == Transport::kTcp ? ClientPhase::kConnecting
                                                   : ClientPhase::kHandshake) {
  CHECK((transport_ == Transport::kWebSocket) == (endpoint.upgrade != nullptr));
  timer.client = this;
}

Client::~Client() {
  intake_.release(shard_.websocket_contexts);
  MemoryTally::change(MemoryKind::kOutboxes, outbox_tallied_, 0);
  MemoryTally::change(MemoryKind::kReceive, intake_tallied_, 0);
}

void Client::tally_memory() {
  MemoryTally::change(MemoryKind::kOutboxes, outbox_tallied_, outflow_.private_memory_bytes());
  MemoryTally::change(MemoryKind::kReceive, intake_tallied_, intake_.memory_bytes());
}

WireVariant Client::wire_variant() const {
  return {.framing = framing(), .version = session_.version()};
}

WireVariant::Framing Client::framing() const {
  if (transport_ == Transport::kTcp) return WireVariant::Framing::kTcp;
  return intake_.is_binary() ? WireVariant::Framing::kWebSocketBinary
                             : WireVariant::Framing::kWebSocketText;
}

bool Client::has_work() const {
  return phase_ == ClientPhase::kAborting || outflow_.has_unsent() || has_queue_deliveries() ||
         (phase_ == ClientPhase::kFlushing && !outflow_.has_farewell()) || is_dismissed_;
}

// -- The way in.

void Client::receive(std::span<const uint8_t> octets, Millis now) {
  liveness_.on_received(now);
  shard_.metrics.bytes_received += octets.size();
  intake_.receive(*this, octets, now);
  tally_memory();
}

bool Client::take_held(Millis now) {
  is_paused = false;
  const bool is_all = intake_.take_held(*this, now);
  tally_memory();
  if (!is_open()) return true;
  is_paused = !is_all;
  if (is_all && std::exchange(has_held_end_, false)) on_peer_ended(now);
  return is_all;
}

void Client::on_upgraded(std::string_view answer, Millis now) {
  outflow_.gathering() += answer;
  phase_ = ClientPhase::kConnecting;
  phase_since_ = now;
  shard_.ready.mark(*this);
  arm_timer(now);
}

const proto::StompLimits& Client::stomp_limits() const {
  return phase_ == ClientPhase::kConnected ? shard_.limits() : shard_.limits_before_connect();
}

void Client::on_frame(const proto::StompFrame& frame, Millis now) {
  active_at_ = now;
  ++frames_received_;
  ++shard_.metrics.frames_received;
  session_.handle(*this, frame, now);
}

void Client::on_connected(proto::StompVersion version, HeartBeatWish wish, Millis now) {
  phase_ = ClientPhase::kConnected;
  phase_since_ = now;
  liveness_.agree(wish, shard_.options(), transport_);
  session_.set_version(version);
  intake_.set_version(version);
  arm_timer(now);
}

void Client::on_peer_ended(Millis now) {
  if ((intake_.has_held() || is_committing) && !is_closing()) {
    has_held_end_ = true;
    return;
  }
  has_peer_ended_ = true;
  if (phase_ == ClientPhase::kLingering || phase_ == ClientPhase::kHandshake) {
    abort(CloseReason::kPeerClosed, "end of stream");
  } else if (!is_closing()) {
    // It may have ended only its own direction: what it asked for before still goes out.
    begin_closing(CloseReason::kPeerClosed, "end of stream", Unsent::kSend);
    arm_timer(now);
    shard_.ready.mark_unless_sending(*this);
  }
}

// -- Answering.

void Client::append_close_frame(std::string& out, proto::WsStatusCode code) const {
  if (transport_ == Transport::kWebSocket) proto::append_ws_close(out, code, {});
}

void Client::send_stomp(std::string_view frame) {
  append_framed(outflow_.gathering(), framing(), frame);
  on_private_grown();
}

void Client::send_pong(std::span<const uint8_t> payload) {
  proto::append_ws_frame(outflow_.gathering(), proto::WsOpcode::kPong,
                         {reinterpret_cast<const char*>(payload.data()), payload.size()});
  on_private_grown();
}

void Client::send_ping() {
  proto::append_ws_frame(outflow_.gathering(), proto::WsOpcode::kPing, {});
  on_private_grown();
}

// Who asks and does not read the answers lags as well as who subscribes and does not read.
void Client::on_private_grown() {
  tally_memory();
  shard_.ready.mark_unless_sending(*this);
  if (!is_dismissed_ && outflow_.private_bytes() > shard_.options().slow_consumer_bytes) {
    shard_.topics.note_lagging(ref_);
  }
}

// -- Ending.

void Client::begin_closing(CloseReason reason, std::string_view detail, Unsent unsent) {
  DCHECK(!is_closing());
  shard_.on_closing(*this, reason, detail, peer_, frames_received_);
  end_subscriptions(unsent, false);
  intake_.end();
  tally_memory();
  has_peer_ended_ |= std::exchange(has_held_end_, false);
  phase_ = ClientPhase::kFlushing;
  phase_since_ = shard_.now();
  is_dismissed_ = false;
  arm_timer(shard_.now());
}

void Client::fail(const ErrorKind& kind, std::string_view sentence,
                  const proto::StompFrame* frame) {
  const auto receipt = frame == nullptr ? std::nullopt : frame->header("receipt");
  fail(kind, sentence, receipt.value_or(std::string_view()), receipt.has_value());
}

void Client::fail(const ErrorKind& kind, std::string_view sentence, std::string_view receipt_id,
                  bool has_receipt) {
  if (is_closing()) return;
  set_error_farewell(kind, sentence, receipt_id, has_receipt);
  begin_closing(kind.reason, std::string(kind.token).append(": ").append(sentence), Unsent::kDrop);
  settle_farewell();
}

void Client::set_error_farewell(const ErrorKind& kind, std::string_view sentence,
                                std::string_view receipt_id, bool has_receipt) {
  ++shard_.metrics.errors_sent;
  has_failed_ = true;
  std::string farewell;
  append_framed(farewell, framing(),
                errors::frame_of(kind, sentence, receipt_id, has_receipt, session_.version()));
  append_close_frame(farewell, kind.code);
  outflow_.set_farewell(std::move(farewell));
}

void Client::fail_slow(const ErrorKind& kind) {
  if (is_closing()) return;
  session_.forget_replies();
  // What the outbox holds stays, as it is bounded and may begin with the answer to the handshake.
  // If the peer takes it within the linger time it gets the ERROR too; nobody waits for it longer.
  fail(kind,
       "the connection does not read as fast as it is sent to (--slow-consumer-bytes, "
       "--slow-consumer-after)",
       {}, false);
}

void Client::fail_out_of_memory() {
  session_.forget_replies();
  // What is in flight would stay until the peer takes it.
  if (is_closing() || is_sending()) {
    abort(CloseReason::kMemory, "the node has no memory left (--memory-limit)");
  } else {
    fail(errors::kOutOfMemory, "the node has no memory left for what waits here (--memory-limit)",
         {}, false);
  }
}

void Client::fail_queue_full(uint32_t ticket) {
  constexpr std::string_view kSentence =
      "the queue holds as much as --max-queue-messages and --max-queue-bytes allow, and nobody "
      "took any of it in time (--queue-full-wait)";
  const std::optional<std::string> receipt = session_.cancel_reply(ticket);
  const std::string_view receipt_id = receipt ? std::string_view(*receipt) : std::string_view();
  if (!is_closing()) {
    fail(errors::kQueueFull, kSentence, receipt_id, receipt.has_value());
  } else if (phase_ == ClientPhase::kFlushing && !has_failed_ && !has_said_farewell_) {
    // It said DISCONNECT or ended its stream meanwhile, and is told this instead of goodbye.
    set_error_farewell(errors::kQueueFull, kSentence, receipt_id, receipt.has_value());
  }
  session_.release_replies(*this);
}

void Client::finish(CloseReason reason, std::string_view detail, proto::WsStatusCode code,
                    std::string_view last_frame) {
  if (is_closing()) return;
  std::string farewell;
  if (!last_frame.empty()) append_framed(farewell, framing(), last_frame);
  append_close_frame(farewell, code);
  outflow_.set_farewell(std::move(farewell));
  // Who says DISCONNECT still gets what was its own before (it may have subscribed, sent and left
  // in one go).
  begin_closing(reason, detail,
                reason == CloseReason::kClientDisconnect ? Unsent::kSend : Unsent::kDrop);
  settle_farewell();
}

void Client::refuse(CloseReason reason, std::string_view answer, std::string_view detail) {
  if (is_closing()) return;
  outflow_.set_farewell(std::string(answer));
  begin_closing(reason, detail, Unsent::kDrop);
  settle_farewell();
}

void Client::abort(CloseReason reason, std::string_view detail) {
  if (!is_closing()) begin_closing(reason, detail, Unsent::kDrop);
  enter_aborting();
}

void Client::enter_aborting() {
  if (phase_ == ClientPhase::kAborting) return;
  phase_ = ClientPhase::kAborting;
  shard_.timers.disarm(timer);
  session_.forget_replies();
  outflow_.drop_private();
  tally_memory();
  shard_.ready.mark(*this);
}

void Client::settle_farewell() {
  if (phase_ != ClientPhase::kFlushing || owes_answers()) return;
  if (outflow_.has_farewell()) {
    has_said_farewell_ = true;
    // However long it had to wait, the farewell itself gets the whole linger time.
    phase_since_ = shard_.now();
    arm_timer(phase_since_);
    outflow_.release_farewell();
  }
  shard_.ready.mark_unless_sending(*this);
}

void Client::begin_drain() {
  if (is_closing()) return;
  if (phase_ == ClientPhase::kHandshake) {
    refuse(CloseReason::kDrain, proto::HttpUpgrade::refusal_answer(503, "the server is draining"),
           "drain");
    return;
  }
  is_draining_ = true;
  intake_.end();
}

void Client::dismiss() {
  if (is_closing()) return;
  is_dismissed_ = true;
  shard_.ready.mark_unless_sending(*this);
}

void Client::leave() {
  if (is_closing() || is_dismissed_) return;
  begin_drain();
  if (is_closing()) return;
  // What is copied to be sent is no lag of its.
  is_dismissed_ = true;
  // What waits for it in a temporary queue is nobody else's.
  end_subscriptions(Unsent::kSend, true);
  shard_.ready.mark_unless_sending(*this);
}

void Client::end_subscriptions(Unsent unsent, bool but_temporary_queues) {
  const bool keep_unsent = unsent == Unsent::kSend;
  while (std::unique_ptr<Subscription> subscription = session_.take_any()) {
    end_subscription(std::move(subscription), keep_unsent);
  }
  if (QueueSubscriptions* const queues = session_.queue_subscriptions()) {
    for (size_t n = queues->all().size(); n-- > 0;) {
      QueueSubscription& one = *queues->all()[n];
      if (!but_temporary_queues || !one.is_temporary()) end_queue_subscription(one, keep_unsent);
    }
  }
}

void Client::end_subscription(std::unique_ptr<Subscription> subscription, bool keep_unsent) {
  Topic& topic = subscription->group->topic;
  const AckWindow* const acks = subscription->acks.get();
  // What could not be acknowledged any more is not sent.
  const bool is_kept = keep_unsent && acks == nullptr;
  const bool was_last = shard_.topics.end(*subscription, is_kept);
  if (acks != nullptr && acks->size() > 0) {
    session_.remember_ended(subscription->group->ack_token);
  }
  if (is_kept) {
    outflow_.keep_unsent(*subscription, shard_.topics, shard_.options().slow_consumer_bytes);
    if (outflow_.has_private()) on_private_grown();
  }
  if (was_last) shard_.interests.withdraw(topic, shard_.now());
  outflow_.drop(std::move(subscription), shard_.topics);
}

void Client::end_queue_subscription(QueueSubscription& subscription, bool keep_unsent) {
  const std::unique_ptr<QueueSubscription> ended =
      session_.queue_subscriptions()->take(subscription);
  if (ended->acks().size() > 0) session_.remember_ended(ended->ack_token());
  // What was taken for the next send goes out yet, and is consumed by that.
  if (keep_unsent && ended->is_auto() && ended->last_taken() > 0) {
    shard_.queue_routes.settle(*this, *ended, ended->last_taken(), Settlement::kAck, true,
                               shard_.now());
  }
  shard_.queue_routes.release(*this, *ended, shard_.now());
}

// -- Acknowledging.

void Client::settle(const Session::FoundDelivery& found, Settlement settlement) {
  if (!found.is_there()) return;
  for (const auto& covered : session_.covered_with(found)) settle_one(covered, settlement);
  settle_one(found, settlement);
}

void Client::settle_one(const Session::FoundDelivery& found, Settlement settlement) {
  if (found.on_topic != nullptr) {
    found.on_topic->acks->settle(found.id.tag);
    if (outflow_.resume(*found.on_topic)) shard_.ready.mark_unless_sending(*this);
  } else {
    AckWindow& acks = found.on_queue->acks();
    acks.settle(found.id.tag);
    shard_.queue_routes.settle(*this, *found.on_queue, found.id.tag, settlement,
                               acks.is_cumulative(), shard_.now());
  }
}

// -- Flushing.

// PERF: the plan is filled where its reader has it: returned, it was copied with loads wider than
// the stores just before, which have to wait for those.
void Client::plan_flush(std::span<SendSpan> spans, FlushPlan& plan, Millis now) {
  plan = {FlushAction::kNothing, 0, 0};
  if (phase_ == ClientPhase::kAborting) {
    if (!std::exchange(is_abort_told, true)) plan.action = FlushAction::kAbort;
    return;
  }
  if (outflow_.is_sending()) return;
  const Options& options = shard_.options();
  if (has_queue_deliveries()) {
    shard_.queue_routes.gather(*this, queues_served(), options.send_bytes_max,
                               outflow_.gathering());
  }
  outflow_.gather_detours(shard_.topics.slow_consumers(), options.send_bytes_max);
  const Outflow::Send send = outflow_.begin_send(spans, options.send_bytes_max, now);
  tally_memory();
  if (send.bytes == 0) {
    plan.action = plan_ending();
    return;
  }
  liveness_.on_sent(now);
  if (send.bytes > kSignOfLifeBytesMax) active_at_ = now;
  ++shard_.metrics.sends;
  shard_.metrics.bytes_sent += send.bytes;
  const Millis stuck_at = now + options.slow_consumer_after_ms;
  if (timer.deadline > stuck_at + TimerWheel::kTickMs) shard_.timers.arm(timer, stuck_at);
  plan.action = FlushAction::kSend;
  plan.spans = send.spans;
  plan.bytes = send.bytes;
}

// Nothing is left to send: the next step of ending, if the client is on its way out.
FlushAction Client::plan_ending() {
  if (is_dismissed_ && !session_.owes_replies() && !waits_for_room()) {
    if (transport_ == Transport::kTcp && phase_ == ClientPhase::kConnected) {
      fail(errors::kServerDraining, "the server is going away; connect again", nullptr);
    } else {
      finish(CloseReason::kDrain, "drain", proto::WsStatusCode::kServiceRestart);
    }
    return FlushAction::kNothing;
  }
  if (phase_ != ClientPhase::kFlushing || outflow_.has_farewell() || owes_answers()) {
    return FlushAction::kNothing;
  }
  if (has_peer_ended_) {
    enter_aborting();
    return FlushAction::kNothing;
  }
  phase_ = ClientPhase::kLingering;
  outflow_.begin_shutdown();
  return FlushAction::kShutdownWrite;
}

void Client::on_sent() {
  outflow_.end_send(shard_.topics);
  tally_memory();
  if (session_.queue_subscriptions() != nullptr)
    shard_.queue_routes.settle_sent(*this, shard_.now());
  if (phase_ == ClientPhase::kLingering && has_peer_ended_) {
    abort(CloseReason::kPeerClosed, "end of stream");
    return;
  }
  settle_farewell();
  if (has_work()) shard_.ready.mark(*this);
}

void Client::on_released() {
  DCHECK(is_closing());
  outflow_.end_send(shard_.topics);
}

// -- Deadlines.

Millis Client::next_deadline() const {
  const Options& options = shard_.options();
  switch (phase_) {
    case ClientPhase::kHandshake:
      return phase_since_ + options.http_timeout_ms;
    case ClientPhase::kConnecting:
      return phase_since_ + options.connect_timeout_ms;
    case ClientPhase::kFlushing:
    case ClientPhase::kLingering:
      return phase_since_ + options.close_linger_ms;
    case ClientPhase::kAborting:
      return kNever;
    case ClientPhase::kConnected:
      break;
  }
  return std::min(stuck_deadline(), liveness_.next_deadline());
}

// Who has asked for nothing but what it may miss holds little however long it does not read; that
// it is there at all is for heart-beats to tell.
Millis Client::stuck_deadline() const {
  if (!outflow_.is_sending() || session_.may_miss_all()) return kNever;
  return outflow_.send_started() + shard_.options().slow_consumer_after_ms;
}

void Client::arm_timer(Millis now) {
  const Millis deadline = next_deadline();
  if (deadline == kNever) {
    shard_.timers.disarm(timer);
  } else {
    shard_.timers.arm(timer, std::max(deadline, now));
  }
}

void Client::on_deadline(Millis now) {
  if (now < next_deadline()) return;
  switch (phase_) {
    case ClientPhase::kHandshake:
      refuse(CloseReason::kHttpTimeout,
             proto::HttpUpgrade::refusal_answer(408, "the request is late (--http-timeout)"),
             "no complete request in time");
      return;
    case ClientPhase::kConnecting:
      fail(errors::kConnectTimeout, "no CONNECT came in time (--connect-timeout)", nullptr);
      return;
    case ClientPhase::kFlushing:
      if (has_failed_ && session_.owes_replies()) {
        // What it is owed takes long, as it waits for room in queues. It is told why it has to go.
        session_.forget_replies();
        settle_farewell();
        return;
      }
      [[fallthrough]];
    case ClientPhase::kLingering:
      enter_aborting();
      return;
    case ClientPhase::kAborting:
      return;
    case ClientPhase::kConnected:
      on_deadline_connected(now);
  }
}

void Client::on_deadline_connected(Millis now) {
  if (now >= stuck_deadline()) {
    fail_slow(errors::kSlowConsumerTime);
    return;
  }
  // Who is not listened to cannot be blamed for silence.
  if (is_paused) liveness_.on_received(now);
  switch (liveness_.judge(now)) {
    case Liveness::Verdict::kAlive:
      break;
    case Liveness::Verdict::kAsk:
      liveness_.on_asked(now);
      send_ping();
      break;
    case Liveness::Verdict::kDead:
      // The peer is gone or frozen, so nothing is said to it (conformance A5.7).
      abort(CloseReason::kHeartBeatMissed, liveness_.offence());
      return;
  }
  if (liveness_.owes_beat(now)) {
    liveness_.on_sent(now);
    // Octets on their way are as good as a heart-beat (conformance A5.3).
    if (!outflow_.is_sending() && !has_work()) send_stomp("\n");
  }
}

}  // namespace stampede::core
