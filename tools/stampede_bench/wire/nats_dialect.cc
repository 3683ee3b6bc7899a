#include "tools/stampede_bench/wire/nats_dialect.h"

#include <algorithm>

#include "tools/stampede_bench/wire/decimal.h"

namespace stampede::bench {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
// nats-server's INFO with a cluster's addresses is the longest line, a few kilobytes.
constexpr size_t kLineBytesMax = 64 * 1024;

void append_subject(std::string& out, std::string_view destination) {
  if (destination.starts_with('/')) destination.remove_prefix(1);
  const size_t begin = out.size();
  out.append(destination);
  std::replace(out.begin() + static_cast<std::ptrdiff_t>(begin), out.end(), '/', '.');
}

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  for (const char letter : text) {
    if (letter == '"' || letter == '\\') out.push_back('\\');
    out.push_back(letter);
  }
  out.push_back('"');
}

}  // namespace

NatsDialect::NatsDialect(const Target& target)
    : StreamDialect(target, target.over_websocket ? Carrier::kBinary : Carrier::kPlain) {}

void NatsDialect::append_introduction(std::string& out) const {
  const size_t begin = begin_message(out);
  out.append(R"(CONNECT {"verbose":false,"pedantic":false,"tls_required":false,"headers":false,)");
  if (!target().login.empty()) {
    out.append(R"("user":)");
    append_json_string(out, target().login);
    out.append(R"(,"pass":)");
    append_json_string(out, target().passcode);
    out.push_back(',');
  }
  out.append(R"("name":"stampede-bench","lang":"cpp","version":"1","protocol":1})");
  out.append(kLineEnd).append("PING").append(kLineEnd);
  end_message(out, begin);
}

void NatsDialect::append_subscribe(std::string& out, const SubscribeRequest& request) {
  const size_t begin = begin_message(out);
  out.append("SUB ");
  append_subject(out, request.destination);
  out.append(" ").append(request.id).append(kLineEnd).append("PING").append(kLineEnd);
  end_message(out, begin);
}

void NatsDialect::append_publish(std::string& out, std::string_view destination,
                                 std::string_view body) {
  const size_t begin = begin_message(out);
  out.append("PUB ");
  append_subject(out, destination);
  out.push_back(' ');
  append_decimal(out, body.size());
  out.append(kLineEnd).append(body).append(kLineEnd);
  end_message(out, begin);
}

void NatsDialect::append_text(std::string& out, std::string_view text) const {
  const size_t begin = begin_message(out);
  out.append(text);
  end_message(out, begin);
}

size_t NatsDialect::take_unit(std::string_view stream, std::string& out, Listener& listener) {
  const size_t feed = stream.find('\n');
  if (feed == std::string_view::npos) {
    if (stream.size() > kLineBytesMax) refuse(listener, "a line without end");
    return 0;
  }
  const size_t line_bytes = feed + 1;
  std::string_view line = stream.substr(0, feed);
  if (line.ends_with('\r')) line.remove_suffix(1);

  if (line.starts_with("MSG ")) return take_message(stream, line_bytes, line, listener);
  if (line == "PING") {
    append_text(out, "PONG\r\n");
  } else if (line == "PONG") {
    if (is_connected_) {
      listener.on_subscribed();
    } else {
      is_connected_ = true;
      listener.on_connected();
    }
  } else if (line.starts_with("INFO ")) {
    // Later ones tell of changes in a cluster.
    if (!is_introduced_) append_introduction(out);
    is_introduced_ = true;
  } else if (line.starts_with("-ERR")) {
    refuse(listener, line);
  } else if (line != "+OK") {
    refuse(listener, "not what a NATS server says");
  }
  return line_bytes;
}

// MSG <subject> <sid> [reply-to] <size>
size_t NatsDialect::take_message(std::string_view stream, size_t line_bytes, std::string_view line,
                                 Listener& listener) {
  size_t body_bytes = 0;
  if (!parse_decimal(line.substr(line.rfind(' ') + 1), body_bytes)) {
    refuse(listener, "MSG without a size");
    return 0;
  }
  if (stream.size() - line_bytes < kLineEnd.size()) return 0;
  if (stream.size() - line_bytes - kLineEnd.size() < body_bytes) return 0;
  if (stream.substr(line_bytes + body_bytes, kLineEnd.size()) != kLineEnd) {
    refuse(listener, "no end of line behind the octets of a MSG");
    return 0;
  }
  listener.on_delivery(stream.substr(line_bytes, body_bytes), {});
  return line_bytes + body_bytes + kLineEnd.size();
}

}  // namespace stampede::bench
