#include "tools/stampede_bench/wire/stomp_dialect.h"

#include <algorithm>

#include "proto/stomp_encoder.h"
#include "tools/stampede_bench/wire/decimal.h"
#include "tools/stampede_bench/wire/stomp_unit.h"

namespace stampede::bench {
namespace {

// PERF: a SEND costs half as much where its destination is seen to need no escape, as that of a
// load does.
void append_header(std::string& out, std::string_view name, std::string_view value) {
  const auto is_plain = [](char letter) { return letter > ' ' && letter != ':' && letter != '\\'; };
  if (std::ranges::all_of(value, is_plain)) {
    out.append(name).append(":").append(value).push_back('\n');
  } else {
    proto::append_header(out, name, value, proto::StompVersion::k12);
  }
}

void end_without_body(std::string& out) {
  out.push_back('\n');
  out.push_back('\0');
}

}  // namespace

StompDialect::StompDialect(const Target& target)
    : StreamDialect(target, target.over_websocket ? Carrier::kText : Carrier::kPlain) {}

void StompDialect::append_connect(std::string& out) {
  const size_t begin = begin_message(out);
  // CONNECT is never escaped (STOMP 1.2, "Value Encoding").
  out.append("CONNECT\naccept-version:1.2\nhost:").append(target().virtual_host);
  if (!target().login.empty()) out.append("\nlogin:").append(target().login);
  if (!target().passcode.empty()) out.append("\npasscode:").append(target().passcode);
  out.append("\nheart-beat:0,0\n");
  end_without_body(out);
  end_message(out, begin);
}

void StompDialect::append_subscribe(std::string& out, const SubscribeRequest& request) {
  wants_ack_ = wants_ack_ || request.ack != "auto";
  const size_t begin = begin_message(out);
  out.append("SUBSCRIBE\n");
  append_header(out, "id", request.id);
  append_header(out, "destination", request.destination);
  append_header(out, "ack", request.ack);
  if (request.prefetch > 0) append_header(out, "prefetch-count", std::to_string(request.prefetch));
  append_header(out, "receipt", request.id);
  end_without_body(out);
  end_message(out, begin);
}

void StompDialect::append_publish(std::string& out, std::string_view destination,
                                  std::string_view body) {
  const size_t begin = begin_message(out);
  out.append("SEND\n");
  append_header(out, "destination", destination);
  out.append("content-type:text/plain\ncontent-length:");
  append_decimal(out, body.size());
  out.append("\n\n").append(body).push_back('\0');
  end_message(out, begin);
}

void StompDialect::append_ack(std::string& out, std::string_view ack_id) {
  const size_t begin = begin_message(out);
  out.append("ACK\nid:").append(ack_id).push_back('\n');
  end_without_body(out);
  end_message(out, begin);
}

void StompDialect::append_farewell(std::string& out) {
  const size_t begin = begin_message(out);
  out.append("DISCONNECT\n");
  end_without_body(out);
  end_message(out, begin);
}

size_t StompDialect::take_unit(std::string_view stream, std::string&, Listener& listener) {
  StompUnit unit;
  const size_t size = read_stomp_unit(stream, wants_ack_, unit);
  if (size == 0) return 0;
  switch (unit.kind) {
    case StompUnit::Kind::kMessage:
      listener.on_delivery(unit.body, unit.ack);
      break;
    case StompUnit::Kind::kLineEnds:
      break;
    case StompUnit::Kind::kConnected:
      listener.on_connected();
      break;
    case StompUnit::Kind::kReceipt:
      listener.on_subscribed();
      break;
    case StompUnit::Kind::kError: {
      const std::string_view message = stomp_header(unit.headers, "message");
      refuse(listener, message.empty() ? "ERROR without a message" : message);
      break;
    }
    case StompUnit::Kind::kMalformed:
      refuse(listener, unit.detail);
      break;
  }
  return size;
}

}  // namespace stampede::bench
