#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "proto/ws_encoder.h"
#include "tests/tools/bench_wire_fixture.h"
#include "tools/stampede_bench/wire/floor_dialect.h"
#include "tools/stampede_bench/wire/floor_protocol.h"

namespace stampede::bench {
namespace {

using namespace std::string_literals;

using BenchPeerWireTest = BenchWireTest;

TEST_F(BenchPeerWireTest, PublishesToTheFloorWhatStampedeWouldDeliver) {
  url("floor://localhost");
  const std::string stream = publish("hello").stream;
  FloorHeader header;
  ASSERT_TRUE(read_floor_header(stream.data(), header));
  EXPECT_EQ(header.kind, FloorKind::kPublish);
  EXPECT_EQ(header.topic, 3u);
  EXPECT_EQ(header.payload_bytes, stream.size() - kFloorHeaderBytes);
  std::string frame;
  proto::append_ws_frame(frame, proto::WsOpcode::kText,
                         "MESSAGE\nsubscription:sub-0\nmessage-id:f100r000-5c-1\n"
                         "destination:/topic/bench.3\ncontent-type:text/plain\n"
                         "content-length:5\n\nhello\0"s);
  EXPECT_EQ(stream.substr(kFloorHeaderBytes), frame);

  server_ = std::string(kFloorReady, 2) + std::string(kFloorReady, 2) + frame + frame;
  expect_told({"connected", "subscribed", "delivery hello", "delivery hello"});
}

TEST_F(BenchPeerWireTest, GreetsAndSubscribesOnTheFloor) {
  url("floor://localhost");
  const ClientSaid hello =
      written([](Dialect& dialect, std::string& out) { dialect.append_opening(out); });
  FloorHeader header;
  ASSERT_EQ(hello.stream.size(), kFloorHeaderBytes);
  ASSERT_TRUE(read_floor_header(hello.stream.data(), header));
  EXPECT_EQ(header.kind, FloorKind::kHello);
  const std::string wanted = subscribe().stream;
  ASSERT_EQ(wanted.size(), kFloorHeaderBytes);
  ASSERT_TRUE(read_floor_header(wanted.data(), header));
  EXPECT_EQ(header.kind, FloorKind::kSubscribe);
  EXPECT_EQ(header.topic, 3u);
}

TEST(BenchFloor, RefusesHeadersThatNoClientWrites) {
  FloorHeader header;
  EXPECT_FALSE(read_floor_header("\0\0\0\0\0\0\0\0", header));
  EXPECT_FALSE(read_floor_header("\0\0\0\0\0\0\0\4", header));
  EXPECT_FALSE(read_floor_header("\1\0\0\0\0\0\0\2", header));
  EXPECT_FALSE(read_floor_header("\0\0\0\x40\0\0\0\3", header));
  EXPECT_TRUE(read_floor_header("\1\0\0\0\0\0\0\3", header));
}

TEST(BenchFloor, TakesTheTopicFromTheEndOfTheDestination) {
  EXPECT_EQ(floor_topic("/topic/bench.17"), 17u);
  EXPECT_EQ(floor_topic("/topic/bench"), 0u);
  EXPECT_EQ(floor_topic("12"), 12u);
  EXPECT_EQ(floor_topic("/topic/99999999999"), 0u);
}

TEST_F(BenchPeerWireTest, SpeaksNats) {
  for (const char* carrier : {"nats://localhost", "nats+ws://localhost"}) {
    url(carrier);
    server_.clear();
    target_.login = "a\"b";
    server_says("INFO {\"server_id\":\"x\"}\r\nPONG\r\n+OK\r\nPING\r\nINFO {}\r\nPONG\r\n");
    server_says("MSG topic.bench.3 sub-0 7\r\none\r\nto\r\nMSG topic.bench.3 sub-0 back 0\r\n\r\n");
    server_says("-ERR 'Stale Connection'\r\nMSG a b 1\r\nx\r\n");
    expect_told({"connected", "subscribed", "delivery one\r\nto", "delivery ",
                 "refused -ERR 'Stale Connection'"});
    EXPECT_TRUE(said_.stream.starts_with("CONNECT {\"verbose\":false,")) << said_.stream;
    EXPECT_NE(said_.stream.find(R"("user":"a\"b","pass":"",)"), std::string::npos);
    EXPECT_TRUE(said_.stream.ends_with("}\r\nPING\r\nPONG\r\n")) << said_.stream;
    EXPECT_EQ(publish("hey").stream, "PUB topic.bench.3 3\r\nhey\r\n");
    EXPECT_EQ(subscribe().stream, "SUB topic.bench.3 sub-0\r\nPING\r\n");
  }
}

TEST_F(BenchPeerWireTest, RefusesWhatNoNatsServerSays) {
  url("nats://localhost");
  server_ = "MSG a b 1\r\nxy\r\n";
  expect_told({"refused no end of line behind the octets of a MSG"});
  server_ = "HTTP/1.1 400 Bad Request\r\n";
  expect_told({"refused not what a NATS server says"});
}

TEST_F(BenchPeerWireTest, SpeaksMqtt) {
  for (const char* carrier : {"mqtt://localhost", "mqtt+ws://localhost"}) {
    url(carrier);
    server_.clear();
    const std::string body(200, 'b');
    server_says("\x20\x02\x00\x00\x90\x03\x00\x01\x00\xD0\x00"s);
    server_says("\x30\x05\x00\x01"s + "axy" + "\x30\xCB\x01\x00\x01"s + "a" + body);
    server_says("\x90\x03\x00\x02\x80\x30\x03\x00\x01"s + "a");
    expect_told({"connected", "subscribed", "delivery xy", "delivery " + body,
                 "refused SUBACK: subscription refused"});
    EXPECT_EQ(publish("hey").stream, "\x30\x12\x00\x0Dtopic/bench.3hey"s);
    EXPECT_EQ(subscribe().stream, "\x82\x12\x00\x01\x00\x0Dtopic/bench.3\x00"s);
  }
}

TEST_F(BenchPeerWireTest, ConnectsWithMqttUnderAnIdOfItsOwn) {
  url("mqtt://localhost");
  target_.login = "me";
  std::set<std::string> ids;
  for (int connection = 0; connection < 100; ++connection) {
    const std::string connect =
        written([](Dialect& dialect, std::string& out) { dialect.append_opening(out); }).stream;
    // Fixed header, protocol name and level, flags, keep-alive, and the length of the id.
    EXPECT_TRUE(connect.starts_with("\x10\x24\x00\x04MQTT\x04\xC2\x00\x00\x00\x12sb"s));
    EXPECT_TRUE(connect.ends_with("\x00\x02me\x00\x00"s));
    ids.insert(connect.substr(14, 18));
  }
  EXPECT_EQ(ids.size(), 100u);
}

TEST_F(BenchPeerWireTest, RefusesWhatNoMqttServerSays) {
  url("mqtt://localhost");
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"\x20\x02\x00\x05"s, "refused CONNACK 5 not authorized"},
      {"\x30\xFF\xFF\xFF\xFF"s, "refused the length of an MQTT packet has no end"},
      {"\x30\x02\x00\x01"s, "refused PUBLISH shorter than its topic"},
      {"\x32\x04\x00\x00\x00\x01"s, "refused PUBLISH above QoS 0"},
      {"HTTP/1.1 400", "refused not a packet that an MQTT server sends here"}};
  for (const auto& [wire, wanted] : cases) {
    server_ = wire;
    expect_told({wanted});
  }
}

}  // namespace
}  // namespace stampede::bench
