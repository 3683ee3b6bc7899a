#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/http_upgrade.h"
#include "proto/stomp_parser.h"
#include "tests/support/collect_stomp_frames.h"
#include "tests/tools/bench_wire_fixture.h"
#include "tools/stampede_bench/wire/websocket_writer.h"

namespace stampede::bench {
namespace {

using namespace std::string_literals;
using proto::WsOpcode;

std::vector<tests::ParsedFrame> stomp_frames(std::string_view stream) {
  constexpr proto::StompLimits kLimits{.frame_bytes_max = 1 << 20,
                                       .headers_max = 10,
                                       .header_line_bytes_max = 1000,
                                       .header_total_bytes_max = 1000};
  const tests::ParseOutcome outcome =
      tests::collect_stomp_frames({octets(stream)}, proto::StompVersion::k12, kLimits);
  EXPECT_EQ(outcome.error, proto::StompError::kNone);
  return outcome.frames;
}

using Headers = std::vector<std::pair<std::string, std::string>>;

TEST_F(BenchWireTest, OpensAsTheBrokersHandshakeWantsIt) {
  const ClientSaid said =
      written([](Dialect& dialect, std::string& out) { dialect.append_opening(out); });
  const proto::UpgradePolicy policy{.paths = {"/ws"},
                                    .head_bytes_max = 1000,
                                    .headers_max = 10,
                                    .allowed_origins = {"same-host"}};
  proto::HttpUpgrade upgrade(policy);
  EXPECT_EQ(upgrade.feed(octets(said.opening)).status, proto::UpgradeStatus::kAccepted);
  EXPECT_EQ(upgrade.subprotocol(), "v12.stomp");
  EXPECT_EQ(said.stream, "");
}

TEST_F(BenchWireTest, TellsTheStatusLineOfARefusedHandshake) {
  server_ = "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno";
  expect_told({"refused HTTP/1.1 404 Not Found"});
}

TEST_F(BenchWireTest, JoinsFragmentsAroundControlFrames) {
  server_ = kSwitching;
  append_server_frame(server_, 0x01, "MESSAGE\ndestination:/top");
  append_server_frame(server_, 0x89, "now");
  append_server_frame(server_, 0x00, "");
  append_server_frame(server_, 0x8A, "unasked");
  append_server_frame(server_, 0x00, "ic/a\n\nhel");
  append_server_frame(server_, 0x89, "");
  append_server_frame(server_, 0x80, "lo\0"s);
  expect_told({"delivery hello"});
  EXPECT_EQ(said_.controls, (Units{"pong now", "pong "}));
}

TEST_F(BenchWireTest, TellsACloseAndAnswersIt) {
  server_ = kSwitching;
  append_server_frame(server_, 0x88, "\x03\xF0slow\nconsumer");
  append_server_frame(server_, 0x81, "MESSAGE\n\nlate\0"s);
  expect_told({"refused closed 1008 slow consumer"});
  EXPECT_EQ(said_.controls, Units{"close 0"});
}

TEST_F(BenchWireTest, ReadsACloseWithoutACode) {
  server_ = kSwitching;
  append_server_frame(server_, 0x88, "");
  expect_told({"refused closed 1005"});
}

TEST_F(BenchWireTest, TakesTheAnswerToItsOwnCloseForNoRefusal) {
  is_leaving_ = true;
  server_ = kSwitching;
  append_server_frame(server_, 0x81, "MESSAGE\n\nlast\0"s);
  append_server_frame(server_, 0x88, "\x03\xE8");
  expect_told({"delivery last"});
}

TEST_F(BenchWireTest, RefusesFramesThatNoServerMaySend) {
  const std::vector<std::string> frames = {"\xC1\x00"s,         "\x81\x80"s,        "\x83\x00"s,
                                           "\x8B\x00"s,         "\x80\x00"s,        "\x09\x00"s,
                                           "\x89\x7E\x00\x7E"s, "\x01\x00\x81\x00"s};
  for (const std::string& frame : frames) {
    const std::unique_ptr<Dialect> dialect = make_dialect(target_);
    Recorder recorder;
    std::string out;
    dialect->feed(std::string(kSwitching) + frame, out, recorder);
    ASSERT_EQ(recorder.units.size(), 1u) << testing::PrintToString(frame);
    EXPECT_TRUE(recorder.units[0].starts_with("refused a WebSocket") ||
                recorder.units[0].starts_with("refused WebSocket"));
  }
}

TEST(BenchWebSocket, FramesEveryLengthAsTheDecoderWantsIt) {
  for (const size_t size : {0, 1, 7, 8, 125, 126, 127, 0xFFFF, 0x10000}) {
    std::string wire = "in front";
    const size_t begin = begin_ws_message(wire);
    const std::string payload(size, 'x');
    wire += payload;
    end_ws_message(wire, begin, WsOpcode::kText);
    EXPECT_TRUE(wire.starts_with("in front"));
    EXPECT_EQ(unwrap(std::string_view(wire).substr(begin)).stream, payload);
  }
}

TEST(BenchWebSocket, MasksAnyLengthAsOctetByOctet) {
  const uint32_t key = next_masking_key();
  char key_octets[4];
  std::memcpy(key_octets, &key, sizeof key_octets);
  for (size_t size = 0; size < 40; ++size) {
    std::string masked(size, 'a');
    mask_octets(masked.data(), size, key);
    for (size_t at = 0; at < size; ++at) EXPECT_EQ(masked[at] ^ 'a', key_octets[at % 4]);
  }
}

TEST(BenchWebSocket, TakesAnotherKeyForEachFrame) {
  std::set<uint32_t> keys;
  for (int frame = 0; frame < 1000; ++frame) keys.insert(next_masking_key());
  EXPECT_GT(keys.size(), 990u);
  EXPECT_FALSE(keys.contains(0));
}

TEST_F(BenchWireTest, WritesStompThatTheParserReads) {
  for (const char* carrier : {"ws://localhost", "stomp://localhost"}) {
    url(carrier);
    const std::string body = "one\0two"s;
    EXPECT_EQ(stomp_frames(publish(body).stream),
              (std::vector<tests::ParsedFrame>{{.command = "SEND",
                                                .headers = {{"destination", "/topic/bench.3"},
                                                            {"content-type", "text/plain"},
                                                            {"content-length", "7"}},
                                                .body = body}}));
    EXPECT_EQ(stomp_frames(subscribe("client").stream),
              (std::vector<tests::ParsedFrame>{{.command = "SUBSCRIBE",
                                                .headers = {{"id", "sub-0"},
                                                            {"destination", "/topic/bench.3"},
                                                            {"ack", "client"},
                                                            {"receipt", "sub-0"}},
                                                .body = ""}}));
    const std::vector<tests::ParsedFrame> limited = stomp_frames(subscribe("client", 100).stream);
    ASSERT_EQ(limited.size(), 1u);
    EXPECT_EQ(limited[0].headers[3], (Headers::value_type{"prefetch-count", "100"}));
    const ClientSaid end = written([](Dialect& dialect, std::string& out) {
      dialect.append_ack(out, "a\\c1");
      dialect.append_disconnect(out);
    });
    const std::vector<tests::ParsedFrame> frames = stomp_frames(end.stream);
    ASSERT_EQ(frames.size(), 2u);
    EXPECT_EQ(frames[0].command, "ACK");
    EXPECT_EQ(frames[0].headers, (Headers{{"id", "a:1"}}));
    EXPECT_EQ(frames[1].command, "DISCONNECT");
    EXPECT_EQ(end.controls, target_.over_websocket ? Units{"close 1000"} : Units{});
  }
}

TEST_F(BenchWireTest, ConnectsWithStompOnceTheWebSocketIsOpen) {
  target_.login = "guest";
  target_.passcode = "secret";
  server_says("CONNECTED\nversion:1.2\nheart-beat:0,0\n\n\0"s);
  expect_told({"connected"});
  const std::vector<tests::ParsedFrame> frames = stomp_frames(said_.stream);
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].command, "CONNECT");
  EXPECT_EQ(frames[0].headers, (Headers{{"accept-version", "1.2"},
                                        {"host", "/"},
                                        {"login", "guest"},
                                        {"passcode", "secret"},
                                        {"heart-beat", "0,0"}}));
}

TEST_F(BenchWireTest, ReadsAStompConversation) {
  for (const char* carrier : {"ws://localhost", "stomp://localhost"}) {
    url(carrier);
    server_.clear();
    server_says("\nCONNECTED\r\nversion:1.2\r\n\r\n\0\r\n"s);
    server_says("RECEIPT\nreceipt-id:0\n\n\0\n"s);
    server_says("MESSAGE\nsubscription:0\ncontent-length:3\ncontent-length:9\n\na\0b\0\n\n"s);
    server_says("MESSAGE\nack:unasked\n\nplain\0MESSAGE\ncontent-length:0\n\n\0"s);
    server_says("ERROR\nmessages:1\nmessage:slow-consumer\n\nbody\0\nMESSAGE\n\nlate\0"s);
    expect_told({"connected", "subscribed", "delivery a\0b"s, "delivery plain", "delivery ",
                 "refused slow-consumer"});
  }
}

TEST_F(BenchWireTest, TellsAckIdsToWhomAskedForThem) {
  ack_ = "client-individual";
  server_says("MESSAGE\nsubscription:0\nack:a\\c1\nack:2\n\nx\0MESSAGE\r\nack:3\r\n\r\ny\0"s);
  expect_told({"delivery x", "ack a\\c1", "delivery y", "ack 3"});
}

// The head is read in blocks: its lines must be found wherever in a block they end.
TEST_F(BenchWireTest, FindsTheBodyBehindAHeadOfAnyLength) {
  url("stomp://localhost");
  for (size_t size = 0; size < 200; ++size) {
    const std::unique_ptr<Dialect> dialect = make_dialect(target_);
    Recorder recorder;
    std::string out;
    dialect->feed("MESSAGE\nx:" + std::string(size, 'x') + "\ncontent-length:4\n\n\n\n\0x\0"s, out,
                  recorder);
    EXPECT_EQ(recorder.units, Units{"delivery \n\n\0x"s});
  }
}

TEST_F(BenchWireTest, RefusesWhatNoStompServerSays) {
  url("stomp://localhost");
  for (const std::string& wire :
       {"HTTP/1.1 400 Bad Request\r\n"s, "MESSAGES\n\n\0"s, "MESSAGE\ncontent-length:-1\n\n\0"s,
        "MESSAGE\ncontent-length:2\n\nabc\0"s}) {
    const std::unique_ptr<Dialect> dialect = make_dialect(target_);
    Recorder recorder;
    std::string out;
    dialect->feed(wire, out, recorder);
    ASSERT_EQ(recorder.units.size(), 1u) << wire;
    EXPECT_TRUE(recorder.units[0].starts_with("refused ")) << wire;
  }
}

TEST_F(BenchWireTest, CompletesAUnitThatIsFarLongerThanWhatWasHeld) {
  url("stomp://localhost");
  const std::string body(100'000, 'b');
  const std::string frame = "MESSAGE\ncontent-length:100000\n\n" + body + "\0"s;
  const std::unique_ptr<Dialect> dialect = make_dialect(target_);
  Recorder recorder;
  std::string out;
  const std::string wire = frame + frame + frame;
  for (size_t at = 0; at < wire.size(); at += 65'536) {
    dialect->feed(std::string_view(wire).substr(at, 65'536), out, recorder);
  }
  EXPECT_EQ(recorder.units, Units(3, "delivery " + body));
}

}  // namespace
}  // namespace stampede::bench
