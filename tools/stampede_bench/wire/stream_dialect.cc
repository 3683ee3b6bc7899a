#include "tools/stampede_bench/wire/stream_dialect.h"

#include <algorithm>

#include "tools/stampede_bench/wire/websocket_writer.h"

namespace stampede::bench {
namespace {

// How much of what follows is tried first to complete a unit; twice as much each time after that.
constexpr size_t kCompletionBytes = 512;
constexpr char kNormalClosure[2] = {'\x03', '\xE8'};  // 1000

}  // namespace

StreamDialect::StreamDialect(const Target& target, Carrier carrier)
    : target_(target),
      reader_(carrier == Carrier::kBareAnswers ? WebSocketReader::Start::kFrames
                                               : WebSocketReader::Start::kOpeningHandshake),
      carrier_(carrier) {}

void StreamDialect::append_opening(std::string& out) {
  if (is_framed()) return append_ws_opening(out, target_, subprotocol());
  append_connect(out);
}

void StreamDialect::append_disconnect(std::string& out) {
  is_leaving_ = true;
  append_farewell(out);
  if (is_framed()) {
    append_ws_control(out, proto::WsOpcode::kClose, {kNormalClosure, sizeof kNormalClosure});
  }
}

void StreamDialect::feed(std::string_view octets, std::string& out, Listener& listener) {
  if (carrier_ == Carrier::kPlain) return take_stream(octets, out, listener);
  while (!has_ended_) {
    const WsServerEvent event = reader_.next(octets);
    switch (event.kind) {
      case WsServerEventKind::kNeedMore:
        return;
      case WsServerEventKind::kData:
        take_stream(event.payload, out, listener);
        break;
      case WsServerEventKind::kOpened:
        append_connect(out);
        break;
      case WsServerEventKind::kPing:
        on_ws_ping(event.payload, out, listener);
        break;
      case WsServerEventKind::kClosed:
        if (is_leaving_) {
          has_ended_ = true;
          return;
        }
        // RFC 6455 section 5.5.1: a close is answered by one.
        if (is_framed()) append_ws_control(out, proto::WsOpcode::kClose, {});
        refuse(listener, event.payload);
        return;
      case WsServerEventKind::kFailed:
        refuse(listener, event.payload);
        return;
    }
  }
}

void StreamDialect::take_stream(std::string_view piece, std::string& out, Listener& listener) {
  if (!held_.empty() && !has_ended_) piece = complete_held(piece, out, listener);
  while (!piece.empty() && !has_ended_) {
    const size_t taken = take_unit(piece, out, listener);
    if (has_ended_) return;
    if (taken == 0) {
      held_.assign(piece);
      return;
    }
    piece.remove_prefix(taken);
  }
}

// Gives what follows the unit that held_ begins with; nothing if that is still incomplete.
std::string_view StreamDialect::complete_held(std::string_view piece, std::string& out,
                                              Listener& listener) {
  const size_t held_before = held_.size();
  size_t step = kCompletionBytes;
  for (size_t added = 0; added < piece.size(); step *= 2) {
    const std::string_view more = piece.substr(added, step);
    held_.append(more);
    added += more.size();
    const size_t taken = take_unit(held_, out, listener);
    if (has_ended_) return {};
    if (taken > 0) {
      std::string().swap(held_);
      return piece.substr(taken - held_before);
    }
  }
  return {};
}

void StreamDialect::on_ws_ping(std::string_view payload, std::string& out, Listener&) {
  append_ws_control(out, proto::WsOpcode::kPong, payload);
}

size_t StreamDialect::begin_message(std::string& out) const {
  return is_framed() ? begin_ws_message(out) : out.size();
}

void StreamDialect::end_message(std::string& out, size_t begin) const {
  if (!is_framed()) return;
  end_ws_message(out, begin,
                 carrier_ == Carrier::kText ? proto::WsOpcode::kText : proto::WsOpcode::kBinary);
}

void StreamDialect::refuse(Listener& listener, std::string_view reason) {
  has_ended_ = true;
  std::string line(reason.substr(0, reason.find_last_not_of("\r\n ") + 1));
  std::ranges::replace_if(
      line, [](char letter) { return static_cast<unsigned char>(letter) < ' '; }, ' ');
  listener.on_refused(line);
}

}  // namespace stampede::bench
