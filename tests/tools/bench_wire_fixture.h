#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proto/ws_decoder.h"
#include "proto/ws_encoder.h"
#include "tests/support/split_feed.h"
#include "tools/stampede_bench/wire/dialect.h"

namespace stampede::bench {

// What the tests of every dialect need: a server that says octets, a record of what was told, and
// what the client answered as the broker's own decoder reads it.

using Units = std::vector<std::string>;

inline constexpr std::string_view kSwitching =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";

inline std::span<const uint8_t> octets(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

class Recorder : public Listener {
 public:
  void on_connected() override { units.emplace_back("connected"); }
  void on_subscribed() override { units.emplace_back("subscribed"); }
  void on_delivery(std::string_view body, std::string_view ack_id) override {
    units.push_back("delivery " + std::string(body));
    if (!ack_id.empty()) units.push_back("ack " + std::string(ack_id));
  }
  void on_refused(std::string_view reason) override {
    units.push_back("refused " + std::string(reason));
  }
  Units units;
};

// What a client said, unwrapped by the broker's own decoder.
struct ClientSaid {
  std::string opening;
  std::string stream;
  Units controls;
};

inline ClientSaid unwrap(std::string_view wire) {
  ClientSaid said;
  if (wire.starts_with("GET ")) {
    said.opening = wire.substr(0, wire.find("\r\n\r\n") + 4);
    wire.remove_prefix(said.opening.size());
  }
  proto::WsContextPool pool;
  proto::WsDecoder decoder;
  constexpr proto::WsLimits kLimits{.message_bytes_max = 1 << 20, .fragments_max = 1};
  for (std::span<const uint8_t> input = octets(wire);;) {
    const proto::WsEvent event = decoder.next(input, kLimits, pool);
    const std::string payload(event.payload.begin(), event.payload.end());
    if (event.kind == proto::WsEventKind::kData) said.stream += payload;
    if (event.kind == proto::WsEventKind::kPong) said.controls.push_back("pong " + payload);
    if (event.kind == proto::WsEventKind::kClose) {
      said.controls.push_back("close " + std::to_string(event.status_code));
    }
    if (event.kind == proto::WsEventKind::kError) ADD_FAILURE() << event.detail;
    if (event.kind == proto::WsEventKind::kNeedMore && input.empty()) break;
    if (event.kind >= proto::WsEventKind::kClose) break;
  }
  decoder.release(pool);
  return said;
}

inline void append_server_frame(std::string& wire, uint8_t first, std::string_view payload) {
  std::string frame;
  proto::append_ws_frame(frame, proto::WsOpcode::kText, payload);
  frame[0] = static_cast<char>(first);
  wire += frame;
}

class BenchWireTest : public testing::Test {
 protected:
  void url(std::string_view text) {
    std::string error;
    ASSERT_TRUE(parse_target(text, target_, error)) << error;
  }

  // What the server says, on the stream of the protocol: as it is, or in frames of seven octets.
  void server_says(std::string_view stream) {
    if (!target_.over_websocket) {
      server_ += stream;
      return;
    }
    if (server_.empty()) server_ = kSwitching;
    for (; !stream.empty(); stream = stream.substr(std::min<size_t>(7, stream.size()))) {
      append_server_frame(server_, 0x82, stream.substr(0, 7));
    }
  }

  // However the server's octets are cut, these units are told, and the client says the same. Each
  // piece is freed before the next comes.
  void expect_told(const Units& wanted) {
    bool is_first = true;
    tests::for_each_split(octets(server_), [&](const tests::Pieces& pieces) {
      const std::unique_ptr<Dialect> dialect = make_dialect(target_);
      std::string unsent;
      if (!ack_.empty()) {
        dialect->append_subscribe(unsent, {.destination = "/topic/a", .id = "0", .ack = ack_});
      }
      if (is_leaving_) dialect->append_disconnect(unsent);
      Recorder recorder;
      std::string out;
      for (const std::span<const uint8_t> piece : pieces) {
        const std::vector<char> copy(piece.begin(), piece.end());
        dialect->feed({copy.data(), copy.size()}, out, recorder);
      }
      const ClientSaid said = read(out);
      if (is_first) said_ = said;
      is_first = false;
      EXPECT_EQ(recorder.units, wanted);
      EXPECT_EQ(said.controls, said_.controls);
      // An MQTT client has an id of its own on each connection.
      const bool is_mqtt = target_.protocol == Target::Protocol::kMqtt;
      EXPECT_TRUE(is_mqtt || said.stream == said_.stream) << said.stream;
      EXPECT_EQ(said.stream.size(), said_.stream.size());
    });
  }

  [[nodiscard]] ClientSaid read(const std::string& out) const {
    if (target_.over_websocket) return unwrap(out);
    return {.opening = {}, .stream = out, .controls = {}};
  }

  // What the dialect writes.
  template <class Write>
  ClientSaid written(Write&& write) {
    const std::unique_ptr<Dialect> dialect = make_dialect(target_);
    std::string out;
    write(*dialect, out);
    return read(out);
  }
  ClientSaid subscribe(std::string_view ack = "auto", uint32_t prefetch = 0) {
    return written([&](Dialect& dialect, std::string& out) {
      dialect.append_subscribe(
          out,
          {.destination = "/topic/bench.3", .id = "sub-0", .ack = ack, .prefetch = prefetch});
    });
  }
  ClientSaid publish(std::string_view body) {
    return written([&](Dialect& dialect, std::string& out) {
      dialect.append_publish(out, "/topic/bench.3", body);
    });
  }

  Target target_;
  std::string server_;
  std::string ack_;
  bool is_leaving_ = false;
  ClientSaid said_;
};

}  // namespace stampede::bench
