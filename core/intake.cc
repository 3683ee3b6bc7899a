#include "core/intake.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "core/client.h"
#include "core/errors.h"
#include "core/shard_state.h"

namespace stampede::core {

namespace {

// How much of what was held is taken at once: about what a receive brings, so that a publisher who
// still runs ahead is noticed soon.
constexpr size_t kHeldPieceBytes = 4096;

std::span<const uint8_t> octets_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

void on_websocket_error(Client& client, const proto::WsEvent& event) {
  const auto code = static_cast<proto::WsStatusCode>(event.status_code);
  switch (code) {
    case proto::WsStatusCode::kMessageTooBig:
      client.fail(errors::kFrameTooLarge, event.detail, {}, false);
      return;
    case proto::WsStatusCode::kInvalidPayload:
      client.finish(CloseReason::kUtf8, event.detail, code);
      return;
    default:
      client.finish(CloseReason::kProtocolError, event.detail, code);
  }
}

}  // namespace

Intake::Intake(const proto::UpgradePolicy* upgrade)
    : upgrade_(upgrade == nullptr ? nullptr : std::make_unique<proto::HttpUpgrade>(*upgrade)) {}

void Intake::end() {
  held_.reset();
  upgrade_.reset();
}

void Intake::receive(Client& client, std::span<const uint8_t> octets, Millis now) {
  if (!client.is_open()) return;
  if (client.is_paused) {
    hold(octets);
  } else {
    receive_unpaused(client, octets, now);
  }
}

// What comes between the decision to pause and its effect in the kernel. That is bounded by the
// shard's receive buffers.
void Intake::hold(std::span<const uint8_t> octets) {
  held().octets.append(reinterpret_cast<const char*>(octets.data()), octets.size());
}

Intake::Held& Intake::held() {
  if (held_ == nullptr) held_ = std::make_unique<Held>();
  return *held_;
}

bool Intake::take_held(Client& client, Millis now) {
  if (const std::unique_ptr<Held> held = std::move(held_)) {
    if (!held->stomp.empty()) {
      receive_stomp(client, octets_of(held->stomp), held->is_stomp_text, now);
    }
    const std::span<const uint8_t> octets = octets_of(held->octets);
    const size_t size = client.is_paused ? 0 : std::min(octets.size(), kHeldPieceBytes);
    // Even if there are none: the decoder may hold octets that it took already.
    if (!client.is_paused) receive_unpaused(client, octets.first(size), now);
    if (client.is_open() && (client.is_paused || size < octets.size())) hold(octets.subspan(size));
  }
  return held_ == nullptr && !client.is_paused;
}

void Intake::receive_unpaused(Client& client, std::span<const uint8_t> octets, Millis now) {
  if (upgrade_ != nullptr && (!receive_handshake(client, octets, now) || octets.empty())) return;
  if (client.transport() == Transport::kWebSocket) {
    receive_websocket(client, octets, now);
  } else {
    receive_stomp(client, octets, false, now);
  }
}

bool Intake::receive_handshake(Client& client, std::span<const uint8_t>& octets, Millis now) {
  const proto::UpgradeResult result = upgrade_->feed(octets);
  octets = octets.subspan(result.consumed);
  if (result.status == proto::UpgradeStatus::kNeedMore) return false;
  const std::unique_ptr<proto::HttpUpgrade> upgrade = std::move(upgrade_);
  if (result.status == proto::UpgradeStatus::kRefused) {
    const CloseReason reason =
        upgrade->status_code() == 403 ? CloseReason::kOriginDenied : CloseReason::kHttpBad;
    client.refuse(reason, upgrade->answer(), upgrade->refusal());
    return false;
  }
  client.on_upgraded(upgrade->answer(), now);
  return true;
}

void Intake::receive_websocket(Client& client, std::span<const uint8_t> octets, Millis now) {
  const ShardState& shard = client.shard();
  while (client.is_open()) {
    if (client.is_paused) {
      // Kept even if empty: the decoder may hold octets that it took already.
      hold(octets);
      return;
    }
    const proto::WsEvent event =
        websocket_.next(octets, shard.websocket_limits(), client.shard().websocket_contexts);
    switch (event.kind) {
      case proto::WsEventKind::kNeedMore:
        return;
      case proto::WsEventKind::kData:
        if (client.phase() == ClientPhase::kConnecting) {
          is_binary_ = event.message_opcode == proto::WsOpcode::kBinary;
        }
        receive_stomp(client, event.payload, event.message_opcode == proto::WsOpcode::kText, now);
        break;
      case proto::WsEventKind::kPing:
        client.send_pong(event.payload);
        break;
      case proto::WsEventKind::kPong:
        break;
      case proto::WsEventKind::kClose:
        // RFC 6455 section 5.5.1: the answer carries the peer's code, and then we end first.
        client.finish(CloseReason::kPeerClosed, "close frame",
                      static_cast<proto::WsStatusCode>(event.status_code));
        return;
      case proto::WsEventKind::kError:
        on_websocket_error(client, event);
        return;
    }
  }
}

void Intake::receive_stomp(Client& client, std::span<const uint8_t> octets, bool is_text,
                           Millis now) {
  is_frame_text_ = is_text && (is_frame_text_ || parser_.at_frame_border());
  while (client.is_open()) {
    if (client.is_committing && !octets.empty()) {
      // What follows a COMMIT takes effect after it.
      held().stomp.assign(reinterpret_cast<const char*>(octets.data()), octets.size());
      held().is_stomp_text = is_text;
      return;
    }
    proto::StompFrame frame;
    const proto::ParseResult result = parser_.feed(octets, client.stomp_limits(), frame);
    octets = octets.subspan(result.consumed);
    switch (result.status) {
      case proto::ParseStatus::kNeedMore:
        return;
      case proto::ParseStatus::kError:
        on_parse_error(client);
        return;
      case proto::ParseStatus::kFrame:
        // What a frame is made of lies between ASCII octets, so each part is UTF-8 as the whole is.
        frame.is_known_utf8 = std::exchange(is_frame_text_, is_text);
        client.on_frame(frame, now);
    }
  }
}

void Intake::on_parse_error(Client& client) {
  const proto::StompError error = parser_.error();
  std::string sentence(parser_.error_detail());
  const std::string_view flags =
      errors::flags_of_limit(error, client.phase() == ClientPhase::kConnected);
  if (!flags.empty()) sentence.append(" (").append(flags).append(")");
  client.fail(errors::of_parser(error), sentence, parser_.error_receipt(),
              parser_.error_has_receipt());
}

}  // namespace stampede::core
