#include "tools/stampede_bench/wire/floor_dialect.h"

#include <array>
#include <charconv>

#include "proto/ws_encoder.h"
#include "tools/stampede_bench/wire/decimal.h"
#include "tools/stampede_bench/wire/floor_protocol.h"
#include "tools/stampede_bench/wire/stomp_unit.h"

namespace stampede::bench {
namespace {

// Stampede's message-id is <boot>-<destination>-<sequence>: eight letters that tell the boots of a
// node apart, the number of the destination times 64 (shards) in base 36, and a decimal count.
constexpr std::string_view kBoot = "f100r000";
constexpr uint64_t kShards = 64;

void append_message_id(std::string& out, uint32_t topic, uint64_t sequence) {
  std::array<char, 13> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), topic * kShards, 36);
  out.append(kBoot).push_back('-');
  out.append(digits.data(), end.ptr).push_back('-');
  append_decimal(out, sequence);
}

}  // namespace

uint32_t floor_topic(std::string_view destination) {
  const size_t before = destination.find_last_not_of("0123456789");
  const size_t begin = before == std::string_view::npos ? 0 : before + 1;
  uint32_t topic = 0;
  if (!parse_decimal(destination.substr(begin), topic)) return 0;
  return topic & kFloorTopicMax;
}

void FloorDialect::append_connect(std::string& out) {
  append_floor_header(out, {.kind = FloorKind::kHello});
}

void FloorDialect::append_subscribe(std::string& out, const SubscribeRequest& request) {
  append_floor_header(out,
                      {.kind = FloorKind::kSubscribe, .topic = floor_topic(request.destination)});
}

void FloorDialect::append_publish(std::string& out, std::string_view destination,
                                  std::string_view body) {
  const uint32_t topic = floor_topic(destination);
  thread_local std::string stomp;  // its capacity is all that lasts
  stomp.assign("MESSAGE\nsubscription:")
      .append(target().floor_subscription_id)
      .append("\nmessage-id:");
  append_message_id(stomp, topic, ++published_[topic]);
  stomp.append("\ndestination:").append(destination);
  stomp.append("\ncontent-type:text/plain\ncontent-length:");
  append_decimal(stomp, body.size());
  stomp.append("\n\n").append(body).push_back('\0');

  const size_t payload_bytes = proto::ws_header_bytes(stomp.size()) + stomp.size();
  append_floor_header(out, {.kind = FloorKind::kPublish,
                            .topic = topic,
                            .payload_bytes = static_cast<uint32_t>(payload_bytes)});
  proto::append_ws_frame(out, proto::WsOpcode::kText, stomp);
}

void FloorDialect::on_ws_ping(std::string_view, std::string&, Listener& listener) {
  if (is_connected_) return listener.on_subscribed();
  is_connected_ = true;
  listener.on_connected();
}

size_t FloorDialect::take_unit(std::string_view stream, std::string&, Listener& listener) {
  StompUnit unit;
  const size_t size = read_stomp_unit(stream, false, unit);
  if (size == 0) return 0;
  if (unit.kind == StompUnit::Kind::kMessage) {
    listener.on_delivery(unit.body, {});
  } else {
    refuse(listener, "the floor sent something else than a MESSAGE");
  }
  return size;
}

}  // namespace stampede::bench
