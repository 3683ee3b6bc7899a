#include "tools/stampede_bench/wire/mqtt_dialect.h"

#include <array>
#include <atomic>
#include <random>

namespace stampede::bench {
namespace {

// MQTT 3.1.1 section 2.2: the high half of a packet's first octet. Where flags are fixed, they are
// in the low half.
constexpr uint8_t kConnect = 0x10;
constexpr uint8_t kConnack = 0x20;
constexpr uint8_t kPublish = 0x30;
constexpr uint8_t kSubscribe = 0x82;
constexpr uint8_t kSuback = 0x90;
constexpr uint8_t kPingresp = 0xD0;
constexpr uint8_t kDisconnect = 0xE0;

// Section 3.1.2.3.
constexpr uint8_t kCleanSession = 0x02;
constexpr uint8_t kHasPassword = 0x40;
constexpr uint8_t kHasUserName = 0x80;

constexpr size_t kWordBytes = 2;
constexpr size_t kLengthOctetsMax = 4;
constexpr uint8_t kSubscriptionFailed = 0x80;

uint8_t octet(std::string_view text, size_t at) { return static_cast<uint8_t>(text[at]); }

size_t word(std::string_view text) { return size_t{octet(text, 0)} << 8 | octet(text, 1); }

void append_word(std::string& out, size_t value) {
  out.push_back(static_cast<char>(value >> 8));
  out.push_back(static_cast<char>(value));
}

void append_string(std::string& out, std::string_view text) {
  append_word(out, text.size());
  out.append(text);
}

// Section 2.2.3: seven bits an octet, the lowest first.
void append_fixed_header(std::string& out, uint8_t first, size_t remaining) {
  out.push_back(static_cast<char>(first));
  for (; remaining >= 0x80; remaining >>= 7) out.push_back(static_cast<char>(remaining | 0x80));
  out.push_back(static_cast<char>(remaining));
}

std::string_view topic_of(std::string_view destination) {
  return destination.starts_with('/') ? destination.substr(1) : destination;
}

// Letters and digits and no more than 23 of them, which every server takes (section 3.1.3.1): eight
// that tell this process from others, and a count.
std::string next_client_id() {
  static const uint32_t process = std::random_device{}();
  static std::atomic<uint32_t> count = 0;
  constexpr char kDigits[] = "0123456789abcdef";
  std::string id = "sb";
  // relaxed: only that every count is given once matters.
  for (const uint32_t number : {process, count.fetch_add(1, std::memory_order_relaxed)}) {
    for (int shift = 28; shift >= 0; shift -= 4) id.push_back(kDigits[number >> shift & 0xF]);
  }
  return id;
}

}  // namespace

MqttDialect::MqttDialect(const Target& target)
    : StreamDialect(target, target.over_websocket ? Carrier::kBinary : Carrier::kPlain) {}

void MqttDialect::append_connect(std::string& out) {
  std::string packet;
  append_string(packet, "MQTT");
  packet.push_back(4);  // the level that is 3.1.1
  const bool has_login = !target().login.empty();
  const uint8_t flags = kCleanSession | (has_login ? kHasUserName | kHasPassword : 0);
  packet.push_back(static_cast<char>(flags));
  append_word(packet, 0);  // no keep-alive
  append_string(packet, next_client_id());
  if (has_login) {
    append_string(packet, target().login);
    append_string(packet, target().passcode);
  }
  const size_t begin = begin_message(out);
  append_fixed_header(out, kConnect, packet.size());
  out.append(packet);
  end_message(out, begin);
}

void MqttDialect::append_subscribe(std::string& out, const SubscribeRequest& request) {
  const std::string_view topic = topic_of(request.destination);
  if (++packet_id_ == 0) packet_id_ = 1;  // section 2.3.1: never zero
  const size_t begin = begin_message(out);
  append_fixed_header(out, kSubscribe, kWordBytes + kWordBytes + topic.size() + 1);
  append_word(out, packet_id_);
  append_string(out, topic);
  out.push_back(0);  // QoS
  end_message(out, begin);
}

void MqttDialect::append_publish(std::string& out, std::string_view destination,
                                 std::string_view body) {
  const std::string_view topic = topic_of(destination);
  const size_t begin = begin_message(out);
  append_fixed_header(out, kPublish, kWordBytes + topic.size() + body.size());
  append_string(out, topic);
  out.append(body);
  end_message(out, begin);
}

void MqttDialect::append_farewell(std::string& out) {
  const size_t begin = begin_message(out);
  append_fixed_header(out, kDisconnect, 0);
  end_message(out, begin);
}

size_t MqttDialect::take_unit(std::string_view stream, std::string&, Listener& listener) {
  const uint8_t first = octet(stream, 0);
  const uint8_t type = first & 0xF0;
  if (type != kPublish && type != kConnack && type != kSuback && type != kPingresp) {
    refuse(listener, "not a packet that an MQTT server sends here");
    return 0;
  }
  size_t remaining = 0;
  size_t at = 1;
  for (;; ++at) {
    if (at > kLengthOctetsMax) {
      refuse(listener, "the length of an MQTT packet has no end");
      return 0;
    }
    if (at == stream.size()) return 0;
    remaining |= size_t{octet(stream, at) & 0x7Fu} << (7 * (at - 1));
    if (octet(stream, at) < 0x80) break;
  }
  const size_t header_bytes = at + 1;
  if (stream.size() - header_bytes < remaining) return 0;
  on_packet(first, stream.substr(header_bytes, remaining), listener);
  return header_bytes + remaining;
}

void MqttDialect::on_packet(uint8_t first, std::string_view packet, Listener& listener) {
  switch (first & 0xF0) {
    case kPublish:
      return on_publish(first, packet, listener);
    case kConnack:
      return on_connack(packet, listener);
    case kSuback:
      return on_suback(packet, listener);
    default:
      return;
  }
}

void MqttDialect::on_publish(uint8_t first, std::string_view packet, Listener& listener) {
  // A packet id follows the topic above QoS 0, which was not asked for (section 3.3.2).
  if ((first & 0x06) != 0) return refuse(listener, "PUBLISH above QoS 0");
  if (packet.size() < kWordBytes || packet.size() - kWordBytes < word(packet)) {
    return refuse(listener, "PUBLISH shorter than its topic");
  }
  listener.on_delivery(packet.substr(kWordBytes + word(packet)), {});
}

void MqttDialect::on_connack(std::string_view packet, Listener& listener) {
  if (packet.size() != 2) return refuse(listener, "malformed CONNACK");
  // Section 3.2.2.3.
  constexpr std::array<std::string_view, 6> kCodes = {
      "accepted",           "unacceptable protocol version", "identifier rejected",
      "server unavailable", "bad user name or password",     "not authorized"};
  const uint8_t code = octet(packet, 1);
  if (code == 0) return listener.on_connected();
  std::string reason = "CONNACK " + std::to_string(code);
  if (code < kCodes.size()) reason.append(" ").append(kCodes[code]);
  refuse(listener, reason);
}

void MqttDialect::on_suback(std::string_view packet, Listener& listener) {
  if (packet.size() != kWordBytes + 1) return refuse(listener, "malformed SUBACK");
  if (octet(packet, kWordBytes) == kSubscriptionFailed) {
    return refuse(listener, "SUBACK: subscription refused");
  }
  listener.on_subscribed();
}

}  // namespace stampede::bench
