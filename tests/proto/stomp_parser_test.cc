#include "proto/stomp_parser.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/collect_stomp_frames.h"
#include "tests/support/reference_stomp_parser.h"
#include "tests/support/split_feed.h"

namespace stampede::proto {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;
using tests::ParsedFrame;
using tests::ParseOutcome;

constexpr StompVersion kVersions[] = {StompVersion::k10, StompVersion::k11, StompVersion::k12};
constexpr StompLimits kWide{.frame_bytes_max = 1 << 20,
                            .headers_max = 64,
                            .header_line_bytes_max = 8192,
                            .header_total_bytes_max = 32768};

std::span<const uint8_t> octets(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// What the wire gives, the same for every split and as the reference parser has it.
struct Outcome : ParseOutcome {
  std::string detail;
};

Outcome parse(std::string_view wire, StompVersion version = StompVersion::k12,
              const StompLimits& limits = kWide) {
  Outcome outcome;
  static_cast<ParseOutcome&>(outcome) =
      tests::ReferenceStompParser(version, limits).parse(octets(wire));
  bool first = true;
  tests::for_each_split(octets(wire), [&](const tests::Pieces& pieces) {
    std::string detail;
    const ParseOutcome split = tests::collect_stomp_frames(pieces, version, limits, &detail);
    EXPECT_TRUE(split == outcome) << pieces.size() << " pieces, the first of "
                                  << pieces.front().size() << ": " << to_token(split.error);
    if (std::exchange(first, false)) outcome.detail = detail;
    EXPECT_EQ(detail, outcome.detail);
  });
  return outcome;
}

// The only frame of a wire that must parse.
ParsedFrame frame(std::string_view wire, StompVersion version = StompVersion::k12,
                  const StompLimits& limits = kWide) {
  const Outcome outcome = parse(wire, version, limits);
  EXPECT_EQ(outcome.error, StompError::kNone) << outcome.detail;
  EXPECT_EQ(outcome.frames.size(), 1u);
  return outcome.frames.empty() ? ParsedFrame() : outcome.frames.front();
}

StompError error(std::string_view wire, StompVersion version = StompVersion::k12,
                 const StompLimits& limits = kWide) {
  return parse(wire, version, limits).error;
}

using Headers = std::vector<std::pair<std::string, std::string>>;

TEST(StompParser, TellsWhetherTextsArePlain) {
  const auto is_plain = [](std::string_view header, StompVersion version = StompVersion::k12) {
    // The name takes the line across the border of the scanner's blocks at each of its octets.
    std::optional<bool> all;
    for (size_t padding = 1; padding < 80; ++padding) {
      const std::string wire = "SEND\n" + std::string(padding, 'n') + std::string(header) +
                               "\nlast:line\n\na:b\\c:d\r\0"s;
      StompParser parser;
      parser.set_version(version);
      StompFrame parsed;
      EXPECT_EQ(parser.feed(octets(wire), kWide, parsed).status, ParseStatus::kFrame);
      EXPECT_EQ(parsed.is_plain, all.value_or(parsed.is_plain)) << header << " at " << padding;
      all = parsed.is_plain;
    }
    return *all;
  };
  EXPECT_TRUE(is_plain(":value"));
  EXPECT_TRUE(is_plain(":"));
  EXPECT_TRUE(is_plain(":value\r"));
  EXPECT_TRUE(is_plain(": value", StompVersion::k10));
  EXPECT_FALSE(is_plain(":value\r", StompVersion::k11));
  EXPECT_FALSE(is_plain(":value\r\r"));
  EXPECT_FALSE(is_plain(":val\rue"));
  EXPECT_FALSE(is_plain(":val:ue"));
  EXPECT_FALSE(is_plain(":val\\cue"));
  EXPECT_FALSE(is_plain("\\c:value"));
  EXPECT_FALSE(is_plain("\r:value"));
  EXPECT_FALSE(is_plain(":val\\xue", StompVersion::k10));
}

TEST(StompParser, ReadsTheFrameOfTheSpecification) {
  const ParsedFrame send =
      frame("SEND\ndestination:/queue/a\ncontent-type:text/plain\n\nhello queue a\0"sv);
  EXPECT_EQ(send.command, "SEND");
  EXPECT_EQ(send.headers, (Headers{{"destination", "/queue/a"}, {"content-type", "text/plain"}}));
  EXPECT_EQ(send.body, "hello queue a");
}

TEST(StompParser, ReadsAConnectWithoutHeaders) {
  for (const StompVersion version : kVersions) {
    EXPECT_EQ(frame("CONNECT\n\n\0"sv, version).command, "CONNECT");
    EXPECT_EQ(frame("STOMP\r\n\r\n\0"sv, version).command, "STOMP");
  }
}

TEST(StompParser, ReadsFramesBackToBackAndSkipsEndsOfLine) {
  const Outcome outcome =
      parse("\n\r\n\nBEGIN\ntransaction:1\n\n\0ACK\nid:2\n\n\0\r\n\nSEND\n\nbody\0\n\r\n"sv);
  EXPECT_EQ(outcome.error, StompError::kNone);
  ASSERT_EQ(outcome.frames.size(), 3u);
  EXPECT_EQ(outcome.frames[2].body, "body");
}

TEST(StompParser, RefusesALoneCarriageReturnBetweenFrames) {
  EXPECT_EQ(error("\rSEND\n\n\0"sv), StompError::kMalformedFrame);
  EXPECT_EQ(error("\r\r\n"sv), StompError::kMalformedFrame);
  EXPECT_EQ(error("SEND\n\n\0\r\0"sv), StompError::kMalformedFrame);
}

TEST(StompParser, EndsLinesWithCarriageReturnIn12Only) {
  const std::string_view wire = "SEND\nfoo:bar\r\n\n\0"sv;
  EXPECT_EQ(frame(wire, StompVersion::k12).headers, (Headers{{"foo", "bar"}}));
  EXPECT_EQ(frame(wire, StompVersion::k11).headers, (Headers{{"foo", "bar\r"}}));
  EXPECT_EQ(frame(wire, StompVersion::k10).headers, (Headers{{"foo", "bar\r"}}));
  EXPECT_EQ(frame("SEND\r\n\n\0"sv, StompVersion::k11).command, "SEND\r");
  EXPECT_EQ(error("SEND\n\r\n\0"sv, StompVersion::k11), StompError::kMalformedHeader);
}

TEST(StompParser, StripsOneCarriageReturnOnly) {
  EXPECT_EQ(frame("SEND\na:b\r\r\n\r\n\0"sv).headers, (Headers{{"a", "b\r"}}));
  EXPECT_EQ(frame("SEND\na:b\rc\n\n\0"sv).headers, (Headers{{"a", "b\rc"}}));
}

TEST(StompParser, AcceptsCarriageReturnInConnectWhateverTheVersion) {
  for (const StompVersion version : kVersions) {
    EXPECT_EQ(frame("CONNECT\r\nlogin:guest\r\n\r\n\0\r\n"sv, version).headers,
              (Headers{{"login", "guest"}}));
  }
}

TEST(StompParser, NeverUnescapesConnect) {
  for (const StompVersion version : kVersions) {
    EXPECT_EQ(frame("STOMP\npasscode:a\\b:\\n\\\n\n\0"sv, version).headers,
              (Headers{{"passcode", "a\\b:\\n\\"}}));
  }
}

TEST(StompParser, UnescapesNamesAndValuesByVersion) {
  const std::string_view wire = "SEND\na\\cb:1\\n2\\c3\\\\4\n\n\0"sv;
  const Headers plain{{"a:b", "1\n2:3\\4"}};
  EXPECT_EQ(frame(wire, StompVersion::k12).headers, plain);
  EXPECT_EQ(frame(wire, StompVersion::k11).headers, plain);
  EXPECT_EQ(frame(wire, StompVersion::k10).headers, (Headers{{"a\\cb", "1\\n2\\c3\\\\4"}}));
  EXPECT_EQ(frame("SEND\na:\\r\n\n\0"sv).headers, (Headers{{"a", "\r"}}));
}

TEST(StompParser, RefusesEscapesThatTheVersionDoesNotKnow) {
  EXPECT_EQ(error("SEND\na:\\r\n\n\0"sv, StompVersion::k11), StompError::kBadEscape);
  for (const StompVersion version : {StompVersion::k11, StompVersion::k12}) {
    EXPECT_EQ(error("SEND\na:\\t\n\n\0"sv, version), StompError::kBadEscape);
    EXPECT_EQ(error("SEND\na:x\\\n\n\0"sv, version), StompError::kBadEscape);
    EXPECT_EQ(error("SEND\na\\:x\n\n\0"sv, version), StompError::kBadEscape);
  }
  EXPECT_EQ(parse("SEND\nwho\x01:\\t\n\n\0"sv).detail,
            "the header 'who?' has an escape sequence that STOMP 1.2 does not know");
}

TEST(StompParser, SplitsAHeaderAtItsFirstColon) {
  EXPECT_EQ(frame("SEND\nmessage: x:y\nempty:\n a name :v \n\n\0"sv).headers,
            (Headers{{"message", " x:y"}, {"empty", ""}, {" a name ", "v "}}));
}

TEST(StompParser, TrimsOneLeadingSpaceIn10Only) {
  EXPECT_EQ(frame("SEND\na:  b \n\n\0"sv, StompVersion::k10).headers, (Headers{{"a", " b "}}));
  EXPECT_EQ(frame("SEND\na:  b \n\n\0"sv, StompVersion::k11).headers, (Headers{{"a", "  b "}}));
  EXPECT_EQ(frame("CONNECT\na: b\n\n\0"sv, StompVersion::k10).headers, (Headers{{"a", " b"}}));
  EXPECT_EQ(frame("SEND\ncontent-length: 1\n\nx\0"sv, StompVersion::k10).body, "x");
}

TEST(StompParser, RefusesAHeaderWithoutColonOrName) {
  for (const StompVersion version : kVersions) {
    EXPECT_EQ(error("SEND\nbroken\n\n\0"sv, version), StompError::kMalformedHeader);
    EXPECT_EQ(error("CONNECT\n:value\n\n\0"sv, version), StompError::kMalformedHeader);
  }
}

TEST(StompParser, KeepsRepeatedHeadersInOrderAndTheFirstCounts) {
  const std::string_view wire = "SEND\na:1\nb:2\na:3\n\n\0"sv;
  EXPECT_EQ(frame(wire).headers, (Headers{{"a", "1"}, {"b", "2"}, {"a", "3"}}));
  StompParser parser;
  StompFrame given;
  ASSERT_EQ(parser.feed(octets(wire), kWide, given).status, ParseStatus::kFrame);
  EXPECT_EQ(given.header("a"), "1");
  EXPECT_EQ(given.header("A"), std::nullopt);
}

TEST(StompParser, ReadsABodyByItsLength) {
  EXPECT_EQ(frame("SEND\ncontent-length:5\n\na\0b\0c\0"sv).body, "a\0b\0c"sv);
  EXPECT_EQ(frame("SEND\ncontent-length:0\n\n\0"sv).body, "");
  EXPECT_EQ(frame("SEND\ncontent-length:003\ncontent-length:x\n\nabc\0"sv).body, "abc");
}

TEST(StompParser, RefusesAnythingButNulBehindTheLength) {
  const Outcome outcome = parse("SEND\ncontent-length:3\n\nabcd\0"sv);
  EXPECT_EQ(outcome.error, StompError::kMalformedFrame);
  EXPECT_EQ(outcome.detail, "no NUL follows the body of content-length 3");
}

TEST(StompParser, RefusesAContentLengthThatIsNoPlainNumber) {
  for (const std::string_view length : {"", "-1", "+1", " 1", "1 ", "0x1", "1.0", "one",
                                        "18446744073709551616", "99999999999999999999999"}) {
    const std::string wire = "SEND\ncontent-length:" + std::string(length) + "\n\nx" + '\0';
    EXPECT_EQ(error(wire), StompError::kMalformedContentLength) << length;
  }
}

TEST(StompParser, RefusesAHugeDeclaredLengthAtOnceAndKeepsNothing) {
  const std::string_view head = "SEND\nreceipt:r\ncontent-length:18446744073709551615\n\n"sv;
  const Outcome outcome = parse(head);
  EXPECT_EQ(outcome.error, StompError::kFrameTooLarge);
  EXPECT_EQ(outcome.receipt, "r");
}

TEST(StompParser, RefusesANulInsideTheHead) {
  EXPECT_EQ(error("CONNECT\0"sv), StompError::kMalformedFrame);
  EXPECT_EQ(error("\0"sv), StompError::kMalformedFrame);
  EXPECT_EQ(error("SEND\na:b\0\n\n\0"sv), StompError::kMalformedFrame);
  EXPECT_EQ(error("SEND\na:b\n\0"sv), StompError::kMalformedFrame);
}

TEST(StompParser, OnlySendHasABody) {
  const std::string_view wire = "SUBSCRIBE\nreceipt:7\n\nbody\0"sv;
  EXPECT_EQ(error(wire, StompVersion::k12), StompError::kMalformedFrame);
  EXPECT_EQ(error(wire, StompVersion::k11), StompError::kMalformedFrame);
  EXPECT_EQ(frame(wire, StompVersion::k10).body, "");
  EXPECT_EQ(error("ACK\ncontent-length:1\n\n"sv), StompError::kMalformedFrame);
  for (const StompVersion version : kVersions) {
    EXPECT_EQ(error("CONNECT\n\nbody\0"sv, version), StompError::kMalformedFrame);
  }
}

TEST(StompParser, GivesUnknownCommandsAsTheyAre) {
  const ParsedFrame message = frame("MESSAGE\na:b\n\nbody\0"sv);
  EXPECT_EQ(message.command, "MESSAGE");
  EXPECT_EQ(frame("send\n\n\0"sv).command, "send");
}

TEST(StompParser, TellsTheReceiptThatWasReadBeforeTheError) {
  EXPECT_EQ(parse("SEND\nreceipt:a\\cb\nreceipt:no\nbroken\n"sv).receipt, "a:b");
  EXPECT_EQ(parse("SEND\nreceipt:\nbroken\n"sv).receipt, "");
  EXPECT_EQ(parse("SEND\nbroken\nreceipt:1\n"sv).receipt, std::nullopt);
  EXPECT_EQ(parse("SEND\nreceipt:\\t\n"sv).receipt, std::nullopt);
  EXPECT_EQ(parse("SEND\nreceipt:1\n\n\0SEND\nbroken\n"sv).receipt, std::nullopt);
}

TEST(StompParser, KeepsMultiByteText) {
  EXPECT_EQ(frame("SEND\n\xC3\xA9t\xC3\xA9:\xE2\x82\xAC\n\n\xF0\x9F\x90\x82\0"sv).headers,
            (Headers{{"\xC3\xA9t\xC3\xA9", "\xE2\x82\xAC"}}));
}

// Each limit: a wire of exactly the limit passes, one octet or line more does not, and it is
// refused before the line or frame ends.
TEST(StompParser, FrameLimitCountsCommandToNul) {
  StompLimits limits = kWide;
  limits.frame_bytes_max = 10;
  EXPECT_EQ(frame("SEND\n\nabc\0"sv, StompVersion::k12, limits).body, "abc");
  const Outcome over = parse("SEND\n\nabcd\0"sv, StompVersion::k12, limits);
  EXPECT_EQ(over.error, StompError::kFrameTooLarge);
  EXPECT_EQ(over.detail, "the frame is larger than 10 bytes");
  EXPECT_EQ(error("SEND\na:bcdef"sv, StompVersion::k12, limits), StompError::kFrameTooLarge);
  EXPECT_EQ(error("SEND\na:bcd"sv, StompVersion::k12, limits), StompError::kNone);
  limits.frame_bytes_max = 4;
  EXPECT_EQ(error("SENDS"sv, StompVersion::k12, limits), StompError::kFrameTooLarge);
}

TEST(StompParser, FrameLimitCountsTheDeclaredLength) {
  StompLimits limits = kWide;
  limits.frame_bytes_max = 27;
  EXPECT_EQ(frame("SEND\ncontent-length:3\n\nabc\0"sv, StompVersion::k12, limits).body, "abc");
  EXPECT_EQ(error("SEND\ncontent-length:4\n\n"sv, StompVersion::k12, limits),
            StompError::kFrameTooLarge);
}

TEST(StompParser, FrameLimitDoesNotCountEndsOfLineBetweenFrames) {
  StompLimits limits = kWide;
  limits.frame_bytes_max = 7;
  EXPECT_EQ(parse("\n\n\r\n\n\n\n\n\nSEND\n\n\0\n\n\n\nSEND\n\n\0"sv, StompVersion::k12, limits)
                .frames.size(),
            2u);
}

TEST(StompParser, HeaderCountLimit) {
  StompLimits limits = kWide;
  limits.headers_max = 2;
  EXPECT_EQ(frame("SEND\na:1\nb:2\r\n\r\n\0"sv, StompVersion::k12, limits).headers.size(), 2u);
  const Outcome over = parse("SEND\na:1\nb:2\nc"sv, StompVersion::k12, limits);
  EXPECT_EQ(over.error, StompError::kTooManyHeaders);
  EXPECT_EQ(over.detail, "the frame has more than 2 headers");
  EXPECT_EQ(error("SEND\na:1\nb:2\n\rc"sv, StompVersion::k12, limits), StompError::kTooManyHeaders);
}

TEST(StompParser, HeaderLineLimitIsWithoutTheEndOfLine) {
  StompLimits limits = kWide;
  limits.header_line_bytes_max = 5;
  EXPECT_EQ(frame("SEND\na:123\n\n\0"sv, StompVersion::k12, limits).headers.size(), 1u);
  EXPECT_EQ(frame("SEND\na:123\r\n\n\0"sv, StompVersion::k12, limits).headers.size(), 1u);
  const Outcome over = parse("SEND\na:1234"sv, StompVersion::k12, limits);
  EXPECT_EQ(over.error, StompError::kHeaderTooLong);
  EXPECT_EQ(over.detail, "the header line is longer than 5 bytes");
  EXPECT_EQ(error("SEND\na:123\r4"sv, StompVersion::k12, limits), StompError::kHeaderTooLong);
  EXPECT_EQ(error("SEND\na:123\r"sv, StompVersion::k11, limits), StompError::kHeaderTooLong);
}

TEST(StompParser, HeaderTotalLimitIsWithEndsOfLine) {
  StompLimits limits = kWide;
  limits.header_total_bytes_max = 9;
  EXPECT_EQ(frame("SEND\na:1\nb:2\r\n\r\n\0"sv, StompVersion::k12, limits).headers.size(), 2u);
  const Outcome over = parse("SEND\na:1\nb:23\r\n"sv, StompVersion::k12, limits);
  EXPECT_EQ(over.error, StompError::kHeaderTooLong);
  EXPECT_EQ(over.detail, "the header lines together are longer than 9 bytes");
  EXPECT_EQ(error("SEND\na:1\nb:2345"sv, StompVersion::k12, limits), StompError::kHeaderTooLong);
}

TEST(StompParser, CommandLimitIsWithoutTheEndOfLine) {
  StompLimits limits = kWide;
  limits.command_bytes_max = 7;
  EXPECT_EQ(frame("CONNECT\r\n\n\0"sv, StompVersion::k10, limits).command, "CONNECT");
  EXPECT_EQ(frame("COMMITS\r\n\n\0"sv, StompVersion::k12, limits).command, "COMMITS");
  EXPECT_EQ(error("COMMITS\r"sv, StompVersion::k11, limits), StompError::kUnknownCommand);
  const Outcome over = parse("CONNECTX"sv, StompVersion::k12, limits);
  EXPECT_EQ(over.error, StompError::kUnknownCommand);
  EXPECT_EQ(over.detail, "the command is longer than 7 bytes");
}

TEST(StompParser, WholeFramesAreViewsOfTheInput) {
  const std::string wire("SEND\ndestination:/a\n\nbody\0", 26);
  StompParser parser;
  StompFrame given;
  const ParseResult result = parser.feed(octets(wire), kWide, given);
  ASSERT_EQ(result.status, ParseStatus::kFrame);
  EXPECT_EQ(given.command_text.data(), wire.data());
  EXPECT_EQ(given.headers[0].value.data(), wire.data() + wire.find('/'));
  EXPECT_EQ(given.body.data(), octets(wire).data() + wire.find("body"));
}

TEST(StompParser, HoldsMemoryOnlyInsideAFrame) {
  StompParser parser;
  StompFrame given;
  ASSERT_EQ(parser.feed(octets("\n\r"), kWide, given).status, ParseStatus::kNeedMore);
  EXPECT_TRUE(parser.at_frame_border());
  ASSERT_EQ(parser.feed(octets("\nSEND\ncontent-length:1000000\n\n"), kWide, given).status,
            ParseStatus::kNeedMore);
  EXPECT_FALSE(parser.at_frame_border());
  EXPECT_GT(parser.memory_bytes(), 0u);
  EXPECT_LT(parser.memory_bytes(), 8192u) << "the declared length was allocated";
  const std::string body(1000000, 'x');
  ASSERT_EQ(parser.feed(octets(body), kWide, given).status, ParseStatus::kNeedMore);
  const ParseResult result = parser.feed(octets("\0\n"sv), kWide, given);
  EXPECT_EQ(result.status, ParseStatus::kFrame);
  EXPECT_EQ(result.consumed, 1u);
  EXPECT_TRUE(std::ranges::equal(given.body, octets(body)));
  EXPECT_TRUE(parser.at_frame_border());
  EXPECT_EQ(parser.memory_bytes(), 0u);
}

TEST(StompParser, MakesRoomForADeclaredLengthAsOctetsArrive) {
  const std::string head = "SEND\ncontent-length:1000000\n\n";
  const std::string wire = head + std::string(1000000, 'b') + '\0';
  for (const size_t piece : {1u, 100u, 4096u, 100000u}) {
    StompParser parser;
    StompFrame parsed;
    size_t grown = 0;
    size_t at = 0;
    for (; at + piece < wire.size(); at += piece) {
      const size_t before = parser.memory_bytes();
      EXPECT_EQ(parser.feed(octets(wire).subspan(at, piece), kWide, parsed).status,
                ParseStatus::kNeedMore);
      ASSERT_LE(parser.memory_bytes(), 8 * (at + piece) + 1024)
          << "no more than what came is worth";
      ASSERT_LE(parser.memory_bytes(), wire.size() + 1024) << "no more than was declared";
      grown += parser.memory_bytes() != before ? 1 : 0;
    }
    EXPECT_LE(grown, 10u) << "each octet is moved a constant number of times";
    EXPECT_EQ(parser.feed(octets(wire).subspan(at), kWide, parsed).status, ParseStatus::kFrame);
    EXPECT_TRUE(std::ranges::equal(parsed.body, octets(wire).subspan(head.size(), 1000000)));
  }
}

TEST(StompParser, SurvivesAMoveInsideAFrame) {
  StompParser first;
  StompFrame given;
  ASSERT_EQ(first.feed(octets("SEND\na:\\"), kWide, given).status, ParseStatus::kNeedMore);
  StompParser second = std::move(first);
  ASSERT_EQ(second.feed(octets("n\n\n\0"sv), kWide, given).status, ParseStatus::kFrame);
  EXPECT_EQ(given.header("a"), "\n");
}

TEST(StompParser, ParsersOfAThreadDoNotDisturbEachOther) {
  const std::string_view wire = "SEND\nname\\c:value\\n\nreceipt:1\n\nthe body\0"sv;
  std::vector<StompParser> parsers(8);
  StompFrame given;
  for (size_t at = 0; at < wire.size(); ++at) {
    for (StompParser& parser : parsers) {
      const ParseStatus status = parser.feed(octets(wire.substr(at, 1)), kWide, given).status;
      if (at + 1 < wire.size()) {
        ASSERT_EQ(status, ParseStatus::kNeedMore);
        continue;
      }
      ASSERT_EQ(status, ParseStatus::kFrame);
      EXPECT_EQ(given.header("name:"), "value\n");
      EXPECT_EQ(given.body.size(), 8u);
    }
  }
}

TEST(StompParser, ANewVersionCountsFromTheNextFrame) {
  StompParser parser;
  StompFrame given;
  ASSERT_EQ(parser.feed(octets("SEND\na:\\r"), kWide, given).status, ParseStatus::kNeedMore);
  parser.set_version(StompVersion::k10);
  ASSERT_EQ(parser.feed(octets("\n\n\0"sv), kWide, given).status, ParseStatus::kFrame);
  EXPECT_EQ(given.header("a"), "\r");
  ASSERT_EQ(parser.feed(octets("SEND\na:\\r\n\n\0"sv), kWide, given).status, ParseStatus::kFrame);
  EXPECT_EQ(given.header("a"), "\\r");
}

// Frames that a client could send, written octet by octet from what they are to be read as.
class RandomFrames {
 public:
  RandomFrames(StompVersion version, unsigned seed) : version_(version), random_(seed) {}

  ParsedFrame next() {
    constexpr std::string_view kCommands[] = {"SEND", "SEND", "ACK", "CONNECT", "NEWS"};
    ParsedFrame made{.command = std::string(kCommands[below(5)]), .headers = {}, .body = {}};
    for (size_t count = below(8); count > 0; --count) {
      made.headers.emplace_back("h" + text(made.command), text(made.command));
    }
    if (made.command == "SEND" || made.command == "NEWS") {
      made.body.resize(below(20) == 0 ? below(20000) : below(100));
      for (char& octet : made.body) octet = static_cast<char>(below(256));
    }
    if (made.body.contains('\0') || below(3) == 0) {
      const size_t place = below(made.headers.size() + 1);
      made.headers.emplace(made.headers.begin() + static_cast<ptrdiff_t>(place), "content-length",
                           std::to_string(made.body.size()));
    }
    return made;
  }

  std::string encode(const ParsedFrame& made) {
    const bool connects = made.command == "CONNECT";
    std::string wire;
    for (size_t count = below(3); count > 0; --count) wire += below(2) == 0 ? "\n" : "\r\n";
    wire += made.command + end_of_line(connects);
    for (const auto& [name, value] : made.headers) {
      wire += connects ? name : escape(name);
      wire += ':';
      // The space that 1.0 takes away is put before a value that has one of its own to lose.
      if (version_ == StompVersion::k10 && !connects && (value.starts_with(' ') || below(2) == 0)) {
        wire += ' ';
      }
      wire += (connects ? value : escape(value)) + end_of_line(connects);
    }
    return wire + end_of_line(connects) + made.body + '\0';
  }

  size_t below(size_t end) { return random_() % end; }

 private:
  // Text that the version can express in a frame of that command.
  std::string text(std::string_view command) {
    std::string_view alphabet = "abcdefgh \xC3\xA9:\n\\\r";
    if (command == "CONNECT") {
      alphabet = "abcdefgh \xC3\xA9\\";
    } else if (version_ == StompVersion::k10) {
      alphabet = "abcdefgh \xC3\xA9\\";
    } else if (version_ == StompVersion::k11) {
      alphabet.remove_suffix(1);
    }
    std::string made(below(10) == 0 ? below(200) : below(12), 'x');
    for (char& octet : made) octet = alphabet[below(alphabet.size())];
    return made;
  }

  static std::string escape_octet(char octet) {
    if (octet == ':') return "\\c";
    if (octet == '\n') return "\\n";
    if (octet == '\r') return "\\r";
    if (octet == '\\') return "\\\\";
    return {octet};
  }

  std::string escape(const std::string& plain) const {
    if (version_ == StompVersion::k10) return plain;
    std::string out;
    for (const char octet : plain) out += escape_octet(octet);
    return out;
  }

  std::string end_of_line(bool connects) {
    const bool may_have_cr = connects || version_ == StompVersion::k12;
    return may_have_cr && below(3) == 0 ? "\r\n" : "\n";
  }

  StompVersion version_;
  std::mt19937 random_;
};

TEST(StompParser, RandomFramesComeBackFromRandomCuts) {
  for (const StompVersion version : kVersions) {
    RandomFrames source(version, 1000 + static_cast<unsigned>(version));
    for (int round = 0; round < 300; ++round) {
      ParseOutcome expected;
      std::string wire;
      for (size_t count = 1 + source.below(12); count > 0; --count) {
        expected.frames.push_back(source.next());
        wire += source.encode(expected.frames.back());
      }
      tests::Pieces pieces;
      const size_t piece_max = 1 + source.below(source.below(2) == 0 ? 40 : 9000);
      for (std::span<const uint8_t> rest = octets(wire); !rest.empty();) {
        const size_t size = std::min(rest.size(), 1 + source.below(piece_max));
        pieces.push_back(rest.first(size));
        rest = rest.subspan(size);
      }
      const ParseOutcome outcome = tests::collect_stomp_frames(pieces, version, kWide);
      ASSERT_EQ(to_token(outcome.error), "") << "round " << round;
      ASSERT_TRUE(outcome == expected) << to_string(version) << ", round " << round;
      ASSERT_TRUE(tests::ReferenceStompParser(version, kWide).parse(octets(wire)) == expected);
    }
  }
}

}  // namespace
}  // namespace stampede::proto
