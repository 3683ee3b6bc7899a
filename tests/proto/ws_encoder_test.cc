#include "proto/ws_encoder.h"

#include <gtest/gtest.h>

#include <string>

namespace stampede::proto {
namespace {

using namespace std::string_literals;

std::string header_of(WsOpcode opcode, uint64_t payload_bytes) {
  uint8_t header[kWsServerHeaderBytesMax];
  const size_t size = write_ws_header(header, opcode, payload_bytes);
  EXPECT_EQ(size, ws_header_bytes(payload_bytes));
  return {reinterpret_cast<const char*>(header), size};
}

std::string frame_of(WsOpcode opcode, std::string_view payload) {
  std::string out;
  append_ws_frame(out, opcode, payload);
  return out;
}

std::string close_of(WsStatusCode code, std::string_view reason) {
  std::string out;
  append_ws_close(out, code, reason);
  return out;
}

TEST(WsEncoder, WritesTheExamplesOfRfc6455Section57) {
  EXPECT_EQ(frame_of(WsOpcode::kText, "Hello"), "\x81\x05Hello");
  EXPECT_EQ(frame_of(WsOpcode::kPing, "Hello"), "\x89\x05Hello");
  EXPECT_EQ(header_of(WsOpcode::kBinary, 256), "\x82\x7E\x01\x00"s);
  EXPECT_EQ(header_of(WsOpcode::kBinary, 65536), "\x82\x7F\x00\x00\x00\x00\x00\x01\x00\x00"s);
}

TEST(WsEncoder, WritesEachLengthInItsShortestForm) {
  EXPECT_EQ(header_of(WsOpcode::kText, 0), "\x81\x00"s);
  EXPECT_EQ(header_of(WsOpcode::kText, 125), "\x81\x7D"s);
  EXPECT_EQ(header_of(WsOpcode::kText, 126), "\x81\x7E\x00\x7E"s);
  EXPECT_EQ(header_of(WsOpcode::kText, 0xFFFF), "\x81\x7E\xFF\xFF"s);
  EXPECT_EQ(header_of(WsOpcode::kText, 0x10000), "\x81\x7F\x00\x00\x00\x00\x00\x01\x00\x00"s);
  EXPECT_EQ(header_of(WsOpcode::kText, 0x7FFFFFFFFFFFFFFF),
            "\x81\x7F\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF"s);
}

TEST(WsEncoder, AppendsBehindWhatIsThere) {
  std::string out = "before";
  append_ws_frame(out, WsOpcode::kPong, "");
  append_ws_close(out, WsStatusCode::kNone, "");
  EXPECT_EQ(out, "before\x8A\x00\x88\x00"s);
}

TEST(WsEncoder, WritesCloseWithCodeAndReason) {
  EXPECT_EQ(close_of(WsStatusCode::kNormal, ""), "\x88\x02\x03\xE8");
  EXPECT_EQ(close_of(WsStatusCode::kGoingAway, "bye"),
            "\x88\x05\x03\xE9"
            "bye");
}

TEST(WsEncoder, LeavesTheReasonOutOfACloseWithoutCode) {
  EXPECT_EQ(close_of(WsStatusCode::kNone, "no code, no reason"), "\x88\x00"s);
}

TEST(WsEncoder, CutsALongReasonAtACharacterBorder) {
  const std::string fits(123, 'x');
  EXPECT_EQ(close_of(WsStatusCode::kNormal, fits), "\x88\x7D\x03\xE8" + fits);
  EXPECT_EQ(close_of(WsStatusCode::kNormal, fits + "y"), "\x88\x7D\x03\xE8" + fits);
  const std::string whole(120, 'x');
  EXPECT_EQ(close_of(WsStatusCode::kNormal, whole + "\xE2\x82\xAC"),
            "\x88\x7D\x03\xE8" + whole + "\xE2\x82\xAC");
  EXPECT_EQ(close_of(WsStatusCode::kNormal, whole + "xx\xE2\x82\xAC"),
            "\x88\x7C\x03\xE8" + whole + "xx");
}

}  // namespace
}  // namespace stampede::proto
