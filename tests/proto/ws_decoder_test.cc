#include "proto/ws_decoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/split_feed.h"
#include "tests/support/ws_client_frames.h"
#include "tests/support/ws_oracle.h"

namespace stampede::proto {
namespace {

using namespace std::string_literals;
using tests::append_client_frame;
using tests::append_client_header;
using tests::ClientFrame;
using tests::for_each_split;
using tests::Pieces;
using tests::WsStory;

constexpr WsLimits kLimits{.message_bytes_max = 1000, .fragments_max = 4};

std::span<const uint8_t> octets(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

class WsDecoderTest : public testing::Test {
 protected:
  void frame(const ClientFrame& frame) { append_client_frame(wire_, frame); }
  void bytes(std::string_view raw) { wire_ += raw; }
  void close(std::string_view payload) { frame({.opcode = WsOpcode::kClose, .payload = payload}); }

  // However the wire is cut, this is what must come out, and the pool gets its contexts back.
  void expect(const WsStory& wanted, const WsLimits& limits = kLimits) {
    for_each_split(octets(wire_), [&](const Pieces& pieces) {
      const WsStory told = tests::tell_by_decoder(pieces, limits, pool_);
      EXPECT_EQ(told.data, wanted.data);
      EXPECT_EQ(told.controls, wanted.controls);
      EXPECT_EQ(told.closed, wanted.closed);
      EXPECT_EQ(told.close_code, wanted.close_code);
      EXPECT_EQ(told.error_code, wanted.error_code);
      EXPECT_EQ(pool_.lent(), 0u);
    });
  }
  void expect_data(std::string_view data) { expect({.data = std::string(data)}); }
  void expect_error(WsStatusCode code, std::string_view data_before = "") {
    expect({.data = std::string(data_before), .error_code = static_cast<uint16_t>(code)});
  }

  std::string wire_;
  WsContextPool pool_;
};

TEST_F(WsDecoderTest, ReadsTheExamplesOfRfc6455Section57) {
  bytes("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
  bytes("\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
  expect({.data = "Hello", .controls = {"pong:Hello"}});
}

TEST_F(WsDecoderTest, RefusesTheUnmaskedExample) {
  bytes("\x81\x05\x48\x65\x6c\x6c\x6f");
  expect_error(WsStatusCode::kProtocolError);
}

TEST_F(WsDecoderTest, JoinsFragmentsAroundControlFrames) {
  frame({.payload = "Hel", .fin = false});
  frame({.opcode = WsOpcode::kPing, .payload = "now"});
  frame({.opcode = WsOpcode::kContinuation, .payload = "", .fin = false});
  frame({.opcode = WsOpcode::kPong, .payload = ""});
  frame({.opcode = WsOpcode::kContinuation, .payload = "lo"});
  frame({.opcode = WsOpcode::kBinary, .payload = "\xFF\x00"s});
  expect({.data = "Hello\xFF\x00"s, .controls = {"ping:now", "pong:"}});
}

TEST_F(WsDecoderTest, TellsTextFromBinary) {
  frame({.opcode = WsOpcode::kBinary, .payload = "b"});
  frame({.payload = "t"});
  std::span<const uint8_t> input = octets(wire_);
  WsDecoder decoder;
  EXPECT_EQ(decoder.next(input, kLimits, pool_).message_opcode, WsOpcode::kBinary);
  EXPECT_EQ(decoder.next(input, kLimits, pool_).message_opcode, WsOpcode::kText);
  EXPECT_EQ(decoder.next(input, kLimits, pool_).kind, WsEventKind::kNeedMore);
}

TEST_F(WsDecoderTest, TakesEmptyMessagesAndFragments) {
  frame({.payload = ""});
  frame({.opcode = WsOpcode::kBinary, .payload = "", .fin = false});
  frame({.opcode = WsOpcode::kContinuation, .payload = ""});
  frame({.opcode = WsOpcode::kPing, .payload = ""});
  expect({.controls = {"ping:"}});
}

TEST_F(WsDecoderTest, TakesAnyMaskingKey) {
  frame({.payload = "zero", .masking_key = {0, 0, 0, 0}});
  frame({.payload = " and ones", .masking_key = {255, 255, 255, 255}});
  expect_data("zero and ones");
}

TEST_F(WsDecoderTest, TakesEachFormOfLength) {
  const WsLimits roomy{.message_bytes_max = 200000, .fragments_max = 1};
  for (const int bytes : {0, 1, 125, 126, 4095, 4096, 4097, 65535, 65536, 100000}) {
    const std::string payload(static_cast<size_t>(bytes), 'x');
    wire_.clear();
    frame({.payload = payload});
    frame({.payload = "end"});
    const WsStory told = tests::tell_by_decoder({octets(wire_)}, roomy, pool_);
    EXPECT_EQ(told, (WsStory{.data = payload + "end"}));
  }
}

TEST_F(WsDecoderTest, RefusesALengthThatIsNotInItsShortestForm) {
  frame({.payload = "x", .length_octets = 2});
  expect_error(WsStatusCode::kProtocolError);
  wire_.clear();
  frame({.payload = "x", .length_octets = 8});
  expect_error(WsStatusCode::kProtocolError);
}

TEST_F(WsDecoderTest, RefusesALengthWithItsTopBitSet) {
  append_client_header(wire_, {.length_octets = 8}, uint64_t{1} << 63);
  expect_error(WsStatusCode::kProtocolError);
}

TEST_F(WsDecoderTest, RefusesReservedBits) {
  for (const uint8_t rsv : {uint8_t{1}, uint8_t{2}, uint8_t{4}}) {
    wire_.clear();
    frame({.payload = "x", .rsv = rsv});
    expect_error(WsStatusCode::kProtocolError);
  }
}

TEST_F(WsDecoderTest, RefusesReservedOpcodes) {
  for (const int opcode : {3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF}) {
    wire_.clear();
    frame({.opcode = static_cast<WsOpcode>(opcode), .payload = "x"});
    expect_error(WsStatusCode::kProtocolError);
  }
}

TEST_F(WsDecoderTest, RefusesControlFramesThatAreFragmentedOrTooLong) {
  const std::string longest(125, 'p');
  frame({.opcode = WsOpcode::kPing, .payload = longest});
  expect({.controls = {"ping:" + longest}});
  for (const WsOpcode opcode : {WsOpcode::kPing, WsOpcode::kPong, WsOpcode::kClose}) {
    wire_.clear();
    frame({.opcode = opcode, .payload = "xx", .fin = false});
    expect_error(WsStatusCode::kProtocolError);
    wire_.clear();
    frame({.opcode = opcode, .payload = longest + "p"});
    expect_error(WsStatusCode::kProtocolError);
  }
}

TEST_F(WsDecoderTest, RefusesAContinuationOfNothing) {
  frame({.payload = "done"});
  frame({.opcode = WsOpcode::kContinuation, .payload = "x"});
  expect_error(WsStatusCode::kProtocolError, "done");
}

TEST_F(WsDecoderTest, RefusesAMessageInsideAMessage) {
  frame({.payload = "open", .fin = false});
  frame({.opcode = WsOpcode::kBinary, .payload = "x"});
  expect_error(WsStatusCode::kProtocolError, "open");
}

TEST_F(WsDecoderTest, TakesAMessageAsLongAsTheLimit) {
  const std::string half(500, 'x');
  frame({.payload = half, .fin = false});
  frame({.opcode = WsOpcode::kContinuation, .payload = half});
  frame({.payload = half + half});
  expect_data(half + half + half + half);
}

TEST_F(WsDecoderTest, RefusesAMessageOneOctetLongerByItsHeader) {
  append_client_header(wire_, {}, 1001);
  wire_.resize(4);  // the length is there, the masking key is not
  expect_error(WsStatusCode::kMessageTooBig);
  wire_.clear();
  const std::string half(500, 'x');
  frame({.payload = half, .fin = false});
  append_client_header(wire_, {.opcode = WsOpcode::kContinuation}, 501);
  expect_error(WsStatusCode::kMessageTooBig, half);
}

TEST_F(WsDecoderTest, RefusesSumsOfLengthsThatWouldOverflow) {
  const WsLimits boundless{.message_bytes_max = UINT64_MAX, .fragments_max = 4};
  frame({.payload = "x", .fin = false});
  append_client_header(wire_, {.opcode = WsOpcode::kContinuation, .length_octets = 8},
                       (uint64_t{1} << 63) - 1);
  bytes("y");
  EXPECT_EQ(tests::tell_by_decoder({octets(wire_)}, boundless, pool_).error_code, 0);
  EXPECT_EQ(tests::tell_by_decoder({octets(wire_)}, kLimits, pool_).error_code, 1009);
}

TEST_F(WsDecoderTest, CountsFragmentsUpToTheLimit) {
  frame({.payload = "1", .fin = false});
  frame({.opcode = WsOpcode::kContinuation, .payload = "", .fin = false});
  frame({.opcode = WsOpcode::kContinuation, .payload = "3", .fin = false});
  const std::string three = wire_;
  frame({.opcode = WsOpcode::kContinuation, .payload = "4"});
  frame({.payload = " next", .fin = false});  // counts from one again
  expect_data("134 next");
  wire_ = three;
  frame({.opcode = WsOpcode::kContinuation, .payload = "4", .fin = false});
  frame({.opcode = WsOpcode::kContinuation, .payload = "5"});
  expect_error(WsStatusCode::kMessageTooBig, "134");
}

TEST_F(WsDecoderTest, TakesTextCutInsideACharacter) {
  frame({.payload = "\xE2", .fin = false});
  frame({.opcode = WsOpcode::kPing, .payload = "\xFF"});
  frame({.opcode = WsOpcode::kContinuation, .payload = "\x82", .fin = false});
  frame({.opcode = WsOpcode::kContinuation, .payload = "\xAC"});
  expect({.data = "\xE2\x82\xAC", .controls = {"ping:\xFF"}});
}

TEST_F(WsDecoderTest, RefusesBadTextInTheMiddleOfAFrame) {
  // The example of the Autobahn suite, 6.4: a surrogate, with more of the frame to come.
  append_client_header(wire_, {.masking_key = {0, 0, 0, 0}}, 20);
  bytes("\xCE\xBA\xE1\xBD\xB9\xED\xA0");
  expect_error(WsStatusCode::kInvalidPayload, "\xCE\xBA\xE1\xBD\xB9\xED");
}

TEST_F(WsDecoderTest, RefusesTextThatEndsInsideACharacter) {
  frame({.payload = "ok\xE2\x82"});
  expect_error(WsStatusCode::kInvalidPayload, "ok\xE2\x82");
  wire_.clear();
  frame({.payload = "ok\xE2", .fin = false});
  frame({.opcode = WsOpcode::kContinuation, .payload = ""});
  expect_error(WsStatusCode::kInvalidPayload, "ok\xE2");
}

TEST_F(WsDecoderTest, LeavesBinaryUnchecked) {
  frame({.opcode = WsOpcode::kBinary, .payload = "\xFF\xFE", .fin = false});
  frame({.opcode = WsOpcode::kContinuation, .payload = "\x80"});
  frame({.payload = "text"});
  expect_data("\xFF\xFE\x80text");
}

TEST_F(WsDecoderTest, TakesACloseFrame) {
  close("");
  expect({.closed = true});
  wire_.clear();
  close("\x03\xE8");
  expect({.closed = true, .close_code = 1000});
  wire_.clear();
  close("\x0F\xA0" + std::string(123, 'r'));
  expect({.closed = true, .close_code = 4000});
}

TEST_F(WsDecoderTest, DecodesNothingBehindACloseFrame) {
  frame({.payload = "open", .fin = false});
  close("\x03\xE9");
  const size_t end = wire_.size();
  bytes("\xFF\xFFgarbage");
  expect({.data = "open", .closed = true, .close_code = 1001});

  std::span<const uint8_t> input = octets(wire_);
  WsDecoder decoder;
  while (decoder.next(input, kLimits, pool_).kind != WsEventKind::kClose) {
  }
  EXPECT_EQ(input.size(), wire_.size() - end);
}

TEST_F(WsDecoderTest, RefusesHalfACloseCode) {
  close("\x03");
  expect_error(WsStatusCode::kProtocolError);
}

TEST_F(WsDecoderTest, RefusesACloseReasonThatIsNotUtf8) {
  close("\x03\xE8\xC3\xA9");
  expect({.closed = true, .close_code = 1000});
  wire_.clear();
  close("\x03\xE8\xC3");
  expect_error(WsStatusCode::kInvalidPayload);
}

TEST_F(WsDecoderTest, JudgesEveryCloseCode) {
  for (uint32_t code = 0; code <= 0xFFFF; ++code) {
    const bool registered = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
    const bool valid = registered || (code >= 3000 && code <= 4999);
    ASSERT_EQ(is_valid_peer_close_code(static_cast<uint16_t>(code)), valid) << code;
  }
  for (const std::string_view bad : {"\x03\xED", "\x03\xEE", "\x03\xF7", "\x0B\xB7", "\x13\x88"}) {
    wire_.clear();
    close(bad);
    expect_error(WsStatusCode::kProtocolError);
  }
}

TEST_F(WsDecoderTest, HoldsAContextOnlyInsideAFrame) {
  frame({.payload = "Hello"});
  WsDecoder decoder;
  std::span<const uint8_t> none;
  EXPECT_EQ(decoder.next(none, kLimits, pool_).kind, WsEventKind::kNeedMore);
  EXPECT_FALSE(decoder.holds_context());
  for (size_t at = 0; at < wire_.size(); ++at) {
    std::span<const uint8_t> input = octets(wire_).subspan(at, 1);
    while (decoder.next(input, kLimits, pool_).kind != WsEventKind::kNeedMore) {
    }
    EXPECT_EQ(decoder.holds_context(), at + 1 < wire_.size());
    EXPECT_EQ(pool_.lent(), decoder.holds_context() ? 1u : 0u);
  }
  EXPECT_EQ(pool_.spare(), 1u);
}

TEST_F(WsDecoderTest, GivesItsContextBackOnRelease) {
  bytes("\x81\x85\x37");
  std::span<const uint8_t> input = octets(wire_);
  WsDecoder decoder;
  EXPECT_EQ(decoder.next(input, kLimits, pool_).kind, WsEventKind::kNeedMore);
  EXPECT_EQ(pool_.lent(), 1u);
  decoder.release(pool_);
  decoder.release(pool_);
  EXPECT_FALSE(decoder.holds_context());
  EXPECT_EQ(pool_.lent(), 0u);
  // A context that stopped inside a frame is of no use to another decoder.
  EXPECT_EQ(pool_.spare(), 0u);
}

TEST_F(WsDecoderTest, SharesAPoolBetweenInterleavedConnections) {
  frame({.payload = "one stays whole"});
  std::vector<std::unique_ptr<WsDecoder>> decoders;
  std::vector<std::string> data(100);
  for (size_t n = 0; n < data.size(); ++n) decoders.push_back(std::make_unique<WsDecoder>());
  for (size_t at = 0; at < wire_.size(); ++at) {
    for (size_t n = 0; n < data.size(); ++n) {
      std::span<const uint8_t> input = octets(wire_).subspan(at, 1);
      WsEvent event{};
      while ((event = decoders[n]->next(input, kLimits, pool_)).kind == WsEventKind::kData) {
        data[n].append(event.payload.begin(), event.payload.end());
      }
    }
    EXPECT_EQ(pool_.lent(), at + 1 < wire_.size() ? data.size() : 0u);
  }
  for (const std::string& text : data) EXPECT_EQ(text, "one stays whole");
  EXPECT_EQ(pool_.lent(), 0u);
  EXPECT_LE(pool_.spare(), 64u);  // a burst is not kept
}

// Frames that are mostly right, so that both decoders get far.
std::string random_wire(std::mt19937& random) {
  constexpr WsOpcode kOpcodes[] = {WsOpcode::kText,         WsOpcode::kText, WsOpcode::kBinary,
                                   WsOpcode::kContinuation, WsOpcode::kPing, WsOpcode::kPong,
                                   WsOpcode::kClose,        WsOpcode{0x3}};
  constexpr std::string_view kTexts[] = {"",          "a",        "\xE2\x82\xAC", "\xE2\x82",
                                         "\xAC text", "\x03\xE8", "\x03\xE8ok",   "\xFF"};
  std::string wire;
  bool open = false;
  for (size_t left = random() % 12; left > 0 && wire.size() < 3500; --left) {
    ClientFrame frame{.opcode = kOpcodes[random() % (random() % 20 == 0 ? 8 : 6)]};
    const bool control = (static_cast<unsigned>(frame.opcode) & 8) != 0;
    if (open && !control && random() % 20 != 0) frame.opcode = WsOpcode::kContinuation;
    if (!open && frame.opcode == WsOpcode::kContinuation) frame.opcode = WsOpcode::kBinary;
    frame.fin = control || random() % 2 == 0;
    if (!control) open = !frame.fin;
    std::string payload(kTexts[random() % (random() % 8 == 0 ? 8 : 3)]);
    if (random() % 10 == 0) payload.append(random() % 300, 'x');
    frame.payload = payload;
    if (random() % 60 == 0) frame.rsv = static_cast<uint8_t>(random() % 8);
    frame.masked = random() % 60 != 0;
    for (uint8_t& octet : frame.masking_key) octet = static_cast<uint8_t>(random());
    append_client_frame(wire, frame);
  }
  return wire;
}

TEST_F(WsDecoderTest, AgreesWithWslaysEventLevel) {
  const WsLimits limits{.message_bytes_max = 600, .fragments_max = 1000};
  std::mt19937 random(6455);
  size_t without_error = 0;
  for (int round = 0; round < 20000; ++round) {
    wire_ = random_wire(random);
    wire_.resize(wire_.size() - random() % (wire_.size() / 4 + 1));
    const auto whole = octets(wire_);
    const WsStory told = tests::tell_by_decoder({whole}, limits, pool_);
    ASSERT_EQ(tests::compare_with_oracle(told, whole, limits.message_bytes_max), "") << round;
    const size_t cut = random() % (whole.size() + 1);
    ASSERT_EQ(tests::tell_by_decoder({whole.first(cut), whole.subspan(cut)}, limits, pool_), told);
    without_error += told.error_code == 0 ? 1 : 0;
  }
  EXPECT_GT(without_error, 5000u);
}

TEST_F(WsDecoderTest, AgreesWithWslayHoweverTheWireIsCut) {
  const WsLimits limits{.message_bytes_max = 600, .fragments_max = 1000};
  std::mt19937 random(5202);
  for (int round = 0; round < 100; ++round) {
    wire_ = random_wire(random);
    const auto whole = octets(wire_);
    const WsStory told = tests::tell_by_decoder({whole}, limits, pool_);
    ASSERT_EQ(tests::compare_with_oracle(told, whole, limits.message_bytes_max), "") << round;
    for_each_split(whole, [&](const Pieces& pieces) {
      ASSERT_EQ(tests::tell_by_decoder(pieces, limits, pool_), told) << round;
    });
  }
}

// Longer than what is handed out at once, so that the masking key is taken up again in the middle.
TEST_F(WsDecoderTest, AgreesWithWslayOnLongFrames) {
  const WsLimits roomy{.message_bytes_max = 1 << 20, .fragments_max = 1};
  constexpr std::string_view kCharacters[] = {"a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x90\x83"};
  std::mt19937 random(1631);
  for (int round = 0; round < 200; ++round) {
    wire_.clear();
    for (int frames = 0; frames < 3; ++frames) {
      ClientFrame frame{.opcode = random() % 2 == 0 ? WsOpcode::kText : WsOpcode::kBinary};
      for (uint8_t& octet : frame.masking_key) octet = static_cast<uint8_t>(random());
      const size_t size = random() % 20000;
      std::string payload;
      while (payload.size() < size) payload += kCharacters[random() % 4 * (random() % 2)];
      if (random() % 10 == 0) payload.insert(random() % (payload.size() + 1), "\x80");
      frame.payload = payload;
      append_client_frame(wire_, frame);
    }
    const auto whole = octets(wire_);
    Pieces pieces;
    for (size_t at = 0; at < whole.size(); at += pieces.back().size()) {
      pieces.push_back(whole.subspan(at, std::min(1 + random() % 6000, whole.size() - at)));
    }
    const WsStory told = tests::tell_by_decoder(pieces, roomy, pool_);
    ASSERT_EQ(tests::compare_with_oracle(told, whole, roomy.message_bytes_max), "") << round;
    ASSERT_EQ(tests::tell_by_decoder({whole}, roomy, pool_), told) << round;
  }
}

}  // namespace
}  // namespace stampede::proto
