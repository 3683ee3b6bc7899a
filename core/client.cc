#include "core/client.h"

#include <algorithm>
#include <utility>

#include "core/shard_state.h"
#include "proto/base/check.h"
#include "proto/stomp_encoder.h"
#include "proto/utf8.h"
#include "proto/ws_encoder.h"

namespace stampede::core {

namespace {

// A heart-beat is due before its interval ends, or the network makes it late (STOMP 1.2,
// "Heart-beating").
Millis heart_beat_margin(Millis interval) {
  return std::min(interval / 10 + 2 * TimerWheel::kTickMs, interval / 2);
}

// How much of what was held is taken at once: about what a receive brings, so that a publisher who
// still runs ahead is noticed soon.
constexpr size_t kHeldPieceBytes = 4096;

}  // namespace

Client::Client(ShardState& shard, const Endpoint& endpoint, ClientRef ref, uint64_t id,
               uint32_t handle, Millis now)
    : shard_(shard),
      peer_(endpoint.peer),
      phase_since_(now),
      last_received_(now),
      last_sent_(now),
      id_(id),
      ref_(ref),
      handle_(handle),
      transport_(endpoint.transport),
      phase_(endpoint.transport == Transport::kTcp ? ClientPhase::kConnecting
                                                   : ClientPhase::kHandshake) {
  timer.client = this;
  if (transport_ == Transport::kWebSocket) {
    CHECK(endpoint.upgrade != nullptr);
    upgrade_ = std::make_unique<proto::HttpUpgrade>(*endpoint.upgrade);
  }
}

Client::~Client() { websocket_.release(shard_.websocket_contexts); }

WireVariant Client::wire_variant() const {
  WireVariant variant;
  variant.version = session_.version();
  if (transport_ == Transport::kWebSocket) {
    variant.framing =
        is_binary_ ? WireVariant::Framing::kWebSocketBinary : WireVariant::Framing::kWebSocketText;
  }
  return variant;
}

bool Client::has_work() const {
  return phase_ == ClientPhase::kAborting || outflow_.has_unsent() ||
         (phase_ == ClientPhase::kFlushing && !outflow_.has_farewell()) || is_dismissed_;
}

// -- The way in.

void Client::receive(std::span<const uint8_t> octets, Millis now) {
  last_received_ = now;
  shard_.metrics.bytes_received += octets.size();
  if (!is_open()) return;
  if (is_paused) {
    hold(octets);
  } else {
    receive_open(octets, now);
  }
}

// What comes between the decision to pause and its effect in the kernel. That is bounded by the
// shard's receive buffers.
void Client::hold(std::span<const uint8_t> octets) {
  if (held_ == nullptr) held_ = std::make_unique<std::string>();
  held_->append(reinterpret_cast<const char*>(octets.data()), octets.size());
}

bool Client::take_held(Millis now) {
  is_paused = false;
  if (held_ != nullptr) {
    const std::unique_ptr<std::string> held = std::move(held_);
    const size_t size = std::min(held->size(), kHeldPieceBytes);
    const auto* octets = reinterpret_cast<const uint8_t*>(held->data());
    receive_open({octets, size}, now);
    if (is_open() && size < held->size()) hold({octets + size, held->size() - size});
  }
  if (!is_open()) return true;
  if (held_ != nullptr) is_paused = true;
  if (is_paused) return false;
  if (std::exchange(has_held_end_, false)) on_peer_ended(now);
  return true;
}

void Client::receive_open(std::span<const uint8_t> octets, Millis now) {
  if (phase_ == ClientPhase::kHandshake) {
    receive_handshake(octets, now);
    if (phase_ == ClientPhase::kHandshake || octets.empty() || !is_open()) return;
  }
  if (transport_ == Transport::kWebSocket) {
    receive_websocket(octets, now);
  } else {
    receive_stomp(octets, false, now);
  }
}

void Client::receive_handshake(std::span<const uint8_t>& octets, Millis now) {
  const proto::UpgradeResult result = upgrade_->feed(octets);
  octets = octets.subspan(result.consumed);
  if (result.status == proto::UpgradeStatus::kNeedMore) return;
  const std::unique_ptr<proto::HttpUpgrade> upgrade = std::move(upgrade_);
  if (result.status == proto::UpgradeStatus::kRefused) {
    const CloseReason reason =
        upgrade->status_code() == 403 ? CloseReason::kOriginDenied : CloseReason::kHttpBad;
    refuse(reason, upgrade->answer(), upgrade->refusal());
    return;
  }
  outflow_.gathering() += upgrade->answer();
  phase_ = ClientPhase::kConnecting;
  phase_since_ = now;
  shard_.ready.mark(*this);
  arm_timer(now);
}

void Client::receive_websocket(std::span<const uint8_t> octets, Millis now) {
  while (is_open()) {
    if (is_paused) {
      // Kept even if empty: the decoder may hold octets that it took already.
      hold(octets);
      return;
    }
    const proto::WsEvent event =
        websocket_.next(octets, shard_.websocket_limits(), shard_.websocket_contexts);
    switch (event.kind) {
      case proto::WsEventKind::kNeedMore:
        return;
      case proto::WsEventKind::kData:
        if (phase_ == ClientPhase::kConnecting) {
          is_binary_ = event.message_opcode == proto::WsOpcode::kBinary;
        }
        receive_stomp(event.payload, event.message_opcode == proto::WsOpcode::kText, now);
        break;
      case proto::WsEventKind::kPing:
        send_pong(event.payload);
        break;
      case proto::WsEventKind::kPong:
        break;
      case proto::WsEventKind::kClose:
        // RFC 6455 section 5.5.1: the answer carries the peer's code, and then we end first.
        finish(CloseReason::kPeerClosed, "close frame",
               static_cast<proto::WsStatusCode>(event.status_code));
        return;
      case proto::WsEventKind::kError:
        on_websocket_error(event);
        return;
    }
  }
}

void Client::on_websocket_error(const proto::WsEvent& event) {
  const auto code = static_cast<proto::WsStatusCode>(event.status_code);
  switch (code) {
    case proto::WsStatusCode::kMessageTooBig:
      fail(errors::kFrameTooLarge, event.detail, {}, false);
      return;
    case proto::WsStatusCode::kInvalidPayload:
      finish(CloseReason::kUtf8, event.detail, code);
      return;
    default:
      finish(CloseReason::kProtocolError, event.detail, code);
  }
}

void Client::receive_stomp(std::span<const uint8_t> octets, bool is_text, Millis now) {
  is_frame_text_ = is_text && (is_frame_text_ || parser_.at_frame_border());
  while (is_open()) {
    const proto::StompLimits& limits =
        phase_ == ClientPhase::kConnected ? shard_.limits() : shard_.limits_before_connect();
    proto::StompFrame frame;
    const proto::ParseResult result = parser_.feed(octets, limits, frame);
    octets = octets.subspan(result.consumed);
    switch (result.status) {
      case proto::ParseStatus::kNeedMore:
        return;
      case proto::ParseStatus::kError:
        on_parse_error();
        return;
      case proto::ParseStatus::kFrame:
        // What a frame is made of lies between ASCII octets, so each part is UTF-8 as the whole is.
        frame.is_known_utf8 = std::exchange(is_frame_text_, is_text);
        ++frames_received_;
        ++shard_.metrics.frames_received;
        session_.handle(*this, frame, now);
    }
  }
}

void Client::on_parse_error() {
  const proto::StompError error = parser_.error();
  std::string sentence(parser_.error_detail());
  const std::string_view flags = errors::flags_of_limit(error, phase_ == ClientPhase::kConnected);
  if (!flags.empty()) sentence.append(" (").append(flags).append(")");
  fail(errors::of_parser(error), sentence, parser_.error_receipt(), parser_.error_has_receipt());
}

void Client::on_connected(proto::StompVersion version, Millis now) {
  phase_ = ClientPhase::kConnected;
  phase_since_ = now;
  session_.set_version(version);
  parser_.set_version(version);
  arm_timer(now);
}

void Client::on_peer_ended(Millis now) {
  if (held_ != nullptr && !is_closing()) {
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

void Client::append_framed(std::string& out, std::string_view stomp) const {
  if (transport_ == Transport::kTcp) {
    out += stomp;
    return;
  }
  const bool is_text =
      !is_binary_ &&
      proto::is_valid_utf8({reinterpret_cast<const uint8_t*>(stomp.data()), stomp.size()});
  proto::append_ws_frame(out, is_text ? proto::WsOpcode::kText : proto::WsOpcode::kBinary, stomp);
}

void Client::append_close_frame(std::string& out, proto::WsStatusCode code) const {
  if (transport_ == Transport::kWebSocket) proto::append_ws_close(out, code, {});
}

void Client::send_stomp(std::string_view frame) {
  append_framed(outflow_.gathering(), frame);
  on_private_grown();
}

void Client::send_pong(std::span<const uint8_t> payload) {
  proto::append_ws_frame(outflow_.gathering(), proto::WsOpcode::kPong,
                         {reinterpret_cast<const char*>(payload.data()), payload.size()});
  on_private_grown();
}

// Who asks and does not read the answers lags as well as who subscribes and does not read.
void Client::on_private_grown() {
  shard_.ready.mark_unless_sending(*this);
  if (outflow_.private_bytes() > shard_.options().slow_consumer_bytes) {
    shard_.topics.note_lagging(ref_);
  }
}

// -- Ending.

void Client::begin_closing(CloseReason reason, std::string_view detail, Unsent unsent) {
  DCHECK(!is_closing());
  shard_.on_closing(*this, reason, detail, peer_, frames_received_);
  end_all_subscriptions(unsent);
  upgrade_.reset();
  held_.reset();
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
  ++shard_.metrics.errors_sent;
  std::string error;
  proto::append_error(error,
                      {.token = kind.token,
                       .sentence = sentence,
                       .receipt_id = receipt_id,
                       .has_receipt = has_receipt,
                       .supported_versions = kind.token == errors::kVersionNotSupported.token
                                                 ? std::string_view("1.0,1.1,1.2")
                                                 : std::string_view()},
                      session_.version());
  std::string farewell;
  append_framed(farewell, error);
  append_close_frame(farewell, kind.code);
  outflow_.set_farewell(std::move(farewell));
  std::string detail(kind.token);
  detail.append(": ").append(sentence);
  begin_closing(kind.reason, detail, Unsent::kDrop);
  settle_farewell();
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

void Client::finish(CloseReason reason, std::string_view detail, proto::WsStatusCode code) {
  if (is_closing()) return;
  std::string farewell;
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
  shard_.ready.mark(*this);
}

void Client::settle_farewell() {
  if (phase_ != ClientPhase::kFlushing || session_.owes_replies()) return;
  outflow_.release_farewell();
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
  held_.reset();
  has_peer_ended_ = std::exchange(has_held_end_, false);
}

void Client::dismiss() {
  if (is_closing()) return;
  is_dismissed_ = true;
  shard_.ready.mark_unless_sending(*this);
}

void Client::end_all_subscriptions(Unsent unsent) {
  while (std::unique_ptr<Subscription> subscription = session_.take_any()) {
    end_subscription(std::move(subscription), unsent == Unsent::kSend);
  }
}

void Client::settle(Subscription& subscription, uint64_t tag) {
  subscription.acks->settle(tag);
  if (outflow_.resume(subscription)) shard_.ready.mark_unless_sending(*this);
}

void Client::end_subscription(std::unique_ptr<Subscription> subscription, bool keep_unsent) {
  Topic& topic = subscription->group->topic;
  const bool was_last = shard_.topics.end(*subscription);
  session_.remember_ended(*subscription);
  // What can be acknowledged no more is not sent.
  if (keep_unsent && subscription->acks == nullptr) {
    outflow_.keep_unsent(*subscription);
    if (outflow_.has_private()) on_private_grown();
  }
  if (was_last) shard_.withdraw(topic, shard_.now());
  outflow_.drop(std::move(subscription), shard_.topics);
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
  const Outflow::Send send = outflow_.begin_send(spans, options.send_bytes_max, now);
  if (send.bytes == 0) {
    plan.action = plan_ending();
    return;
  }
  last_sent_ = now;
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
  if (is_dismissed_ && !session_.owes_replies()) {
    if (transport_ == Transport::kTcp && phase_ == ClientPhase::kConnected) {
      fail(errors::kServerDraining, "the server is going away; connect again", nullptr);
    } else {
      finish(CloseReason::kDrain, "drain", proto::WsStatusCode::kGoingAway);
    }
    return FlushAction::kNothing;
  }
  if (phase_ != ClientPhase::kFlushing || outflow_.has_farewell() || session_.owes_replies()) {
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
  Millis deadline = kNever;
  if (outflow_.is_sending()) {
    deadline = outflow_.send_started() + options.slow_consumer_after_ms;
  }
  if (const Millis interval = session_.heart_beat_receive_ms; interval > 0) {
    deadline = std::min(deadline, last_received_ + heart_beat_patience(interval));
  }
  if (const Millis interval = session_.heart_beat_send_ms; interval > 0) {
    deadline = std::min(deadline, last_sent_ + interval - heart_beat_margin(interval));
  }
  return deadline;
}

Millis Client::heart_beat_patience(Millis interval) const {
  return static_cast<Millis>(static_cast<double>(interval) * shard_.options().heart_beat_tolerance);
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
  if (outflow_.is_sending() &&
      now >= outflow_.send_started() + shard_.options().slow_consumer_after_ms) {
    fail_slow(errors::kSlowConsumerTime);
    return;
  }
  const Millis expected = session_.heart_beat_receive_ms;
  // Who is not listened to cannot be blamed for silence.
  if (is_paused) last_received_ = now;
  if (expected > 0 && now >= last_received_ + heart_beat_patience(expected)) {
    // The peer is gone or frozen, so nothing is said to it (conformance A5.7).
    abort(CloseReason::kHeartBeatMissed, "no octet within the negotiated heart-beat");
    return;
  }
  const Millis promised = session_.heart_beat_send_ms;
  if (promised > 0 && now >= last_sent_ + promised - heart_beat_margin(promised)) {
    last_sent_ = now;
    // Octets on their way are as good as a heart-beat (conformance A5.3).
    if (!outflow_.is_sending() && !has_work()) send_stomp("\n");
  }
}

}  // namespace stampede::core
