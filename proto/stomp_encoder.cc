#include "proto/stomp_encoder.h"

#include <algorithm>
#include <charconv>

#include "proto/stomp_escape.h"

namespace stampede::proto {
namespace {

template <typename Integer>
void append_decimal(std::string& out, Integer number) {
  char digits[24];  // 20 digits and a sign at most
  const auto [end, error] = std::to_chars(digits, digits + sizeof(digits), number);
  out.append(digits, end);
}

// CONNECTED keeps the form that every version can read: no escapes (STOMP 1.2, "Value Encoding"). A
// 1.0 value is exactly that, so its rule also tells which text would forge a line.
void append_unescaped_header(std::string& out, std::string_view name, std::string_view value) {
  append_header(out, name, value, StompVersion::k10);
}

void end_headers(std::string& out) { out.push_back('\n'); }

void end_frame(std::string& out) { out.push_back('\0'); }

}  // namespace

void append_header(std::string& out, std::string_view name, std::string_view value,
                   StompVersion version) {
  // A line that begins with ':' is malformed for every reader.
  if (name.empty()) return;
  const size_t line_start = out.size();
  if (append_escaped(out, name, version, HeaderPart::kName)) {
    out.push_back(':');
    if (append_escaped(out, value, version, HeaderPart::kValue)) {
      out.push_back('\n');
      return;
    }
  }
  out.resize(line_start);
}

void append_required_header(std::string& out, std::string_view name, std::string_view value,
                            StompVersion version) {
  const size_t before = out.size();
  append_header(out, name, value, version);
  if (out.size() != before) return;
  std::string text(value);
  std::ranges::replace_if(
      text,
      [version](char octet) {
        return octet == '\0' || (octet == '\r' && version != StompVersion::k12) ||
               (octet == '\n' && version == StompVersion::k10);
      },
      kInexpressible);
  append_header(out, name, text, version);
}

void append_echoed_header(std::string& out, std::string_view name, std::string_view value,
                          StompVersion version) {
  if (version == StompVersion::k12) return append_header(out, name, value, version);
  out.append(name).push_back(':');
  for (size_t from = 0, end = 0;; from = end + 1) {
    end = std::min(value.find('\r', from), value.size());
    // Nothing else could be read in this version that cannot be written in it.
    (void)append_escaped(out, value.substr(from, end - from), version, HeaderPart::kValue);
    if (end == value.size()) break;
    out.push_back('\r');
  }
  out.push_back('\n');
}

void append_connected(std::string& out, const ConnectedFrame& frame) {
  out.append("CONNECTED\n");
  append_unescaped_header(out, "version", to_string(frame.version));
  append_unescaped_header(out, "session", frame.session);
  append_unescaped_header(out, "server", frame.server);
  if (!frame.user_name.empty()) append_unescaped_header(out, "user-name", frame.user_name);
  out.append("heart-beat:");
  append_decimal(out, frame.heart_beat_send_ms);
  out.push_back(',');
  append_decimal(out, frame.heart_beat_receive_ms);
  out.push_back('\n');
  end_headers(out);
  end_frame(out);
}

void append_receipt(std::string& out, std::string_view receipt_id, StompVersion version,
                    std::optional<uint64_t> subscriptions, std::string_view lines) {
  out.append("RECEIPT\n");
  append_echoed_header(out, "receipt-id", receipt_id, version);
  if (subscriptions)
    out.append("subscriptions:").append(std::to_string(*subscriptions)).push_back('\n');
  out.append(lines);
  end_headers(out);
  end_frame(out);
}

void append_error(std::string& out, const ErrorFrame& frame, StompVersion version) {
  out.append("ERROR\n");
  append_header(out, "message", frame.token, version);
  append_header(out, "content-type", "text/plain", version);
  if (!frame.supported_versions.empty()) {
    append_header(out, "version", frame.supported_versions, version);
  }
  if (frame.has_receipt) append_echoed_header(out, "receipt-id", frame.receipt_id, version);
  // Always: the body may repeat a client's text, which may hold a NUL (STOMP 1.2, "Header
  // content-length").
  out.append("content-length:");
  append_decimal(out, frame.sentence.size());
  out.push_back('\n');
  end_headers(out);
  out.append(frame.sentence);
  end_frame(out);
}

}  // namespace stampede::proto
