#include "proto/stomp_encoder.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>

#include "proto/stomp_escape.h"

namespace stampede::proto {
namespace {

using namespace std::string_view_literals;

constexpr StompVersion kVersions[] = {StompVersion::k10, StompVersion::k11, StompVersion::k12};
constexpr auto kName = HeaderPart::kName;
constexpr auto kValue = HeaderPart::kValue;
constexpr std::string_view kRefused = "(refused)";

std::string escaped(std::string_view text, StompVersion version, HeaderPart part = kValue) {
  std::string out = "kept|";
  if (append_escaped(out, text, version, part)) return out.substr(5);
  EXPECT_EQ(out, "kept|") << "something was appended";
  return std::string(kRefused);
}

std::string unescaped(std::string_view text, StompVersion version) {
  std::string out = "kept|";
  if (append_unescaped(out, text, version)) return out.substr(5);
  EXPECT_EQ(out, "kept|") << "something was appended";
  return std::string(kRefused);
}

std::string header(std::string_view name, std::string_view value, StompVersion version) {
  std::string out;
  append_header(out, name, value, version);
  return out;
}

TEST(StompEscape, PlainTextHasNoneOfTheFiveOctets) {
  EXPECT_TRUE(is_plain_header_text(""));
  EXPECT_TRUE(is_plain_header_text("/queue/caf\xC3\xA9 \t'x'"));
  for (const char octet : {'\n', '\r', ':', '\\', '\0'}) {
    for (const size_t size : {1u, 2u, 63u, 64u, 65u, 128u, 200u}) {
      for (const size_t place : {size_t{0}, size / 2, size - 1}) {
        std::string text(size, 'x');
        EXPECT_TRUE(is_plain_header_text(text));
        text[place] = octet;
        EXPECT_FALSE(is_plain_header_text(text)) << size << " octets, place " << place;
      }
    }
  }
}

TEST(StompEscape, Version12EscapesFourOctets) {
  EXPECT_EQ(escaped("a:b\\c\nd\re", StompVersion::k12), "a\\cb\\\\c\\nd\\re");
  EXPECT_EQ(escaped("a:b", StompVersion::k12, kName), "a\\cb");
}

TEST(StompEscape, Version11HasNoEscapeForCarriageReturn) {
  EXPECT_EQ(escaped("a:b\\c\nd", StompVersion::k11), "a\\cb\\\\c\\nd");
  EXPECT_EQ(escaped("a\r", StompVersion::k11), kRefused);
}

TEST(StompEscape, Version10WritesTextAsItIsOrNotAtAll) {
  EXPECT_EQ(escaped("a:b\\n", StompVersion::k10), "a:b\\n");
  EXPECT_EQ(escaped("a\\b", StompVersion::k10, kName), "a\\b");
  EXPECT_EQ(escaped("a:b", StompVersion::k10, kName), kRefused);
  EXPECT_EQ(escaped("a\nb", StompVersion::k10), kRefused);
  EXPECT_EQ(escaped("a\rb", StompVersion::k10), kRefused);
}

TEST(StompEscape, NulCanNeverBeWritten) {
  for (const StompVersion version : kVersions) {
    EXPECT_EQ(escaped("a\0b"sv, version, kName), kRefused);
    EXPECT_EQ(escaped("a\0b"sv, version, kValue), kRefused);
  }
}

TEST(StompEscape, UndoesOnlyTheEscapesOfTheVersion) {
  EXPECT_EQ(unescaped("a\\nb\\cc\\\\d\\re", StompVersion::k12), "a\nb:c\\d\re");
  EXPECT_EQ(unescaped("a\\nb\\cc\\\\d", StompVersion::k11), "a\nb:c\\d");
  EXPECT_EQ(unescaped("\\r", StompVersion::k11), kRefused);
  EXPECT_EQ(unescaped("a\\nb\\t\\", StompVersion::k10), "a\\nb\\t\\");
  for (const StompVersion version : {StompVersion::k11, StompVersion::k12}) {
    EXPECT_EQ(unescaped("good\\n\\t", version), kRefused);
    EXPECT_EQ(unescaped("\\N", version), kRefused);
    EXPECT_EQ(unescaped("the end\\", version), kRefused);
    EXPECT_EQ(unescaped("\\\\\\", version), kRefused);
    EXPECT_EQ(unescaped("\\\\n", version), "\\n");
    EXPECT_EQ(unescaped("x:y", version), "x:y");
  }
}

TEST(StompEscape, RandomTextComesBackFromWhatCouldBeWritten) {
  constexpr std::string_view kOctets = "\n\r:\\\0nrct \xC3\xA9"sv;
  std::mt19937 random(11);
  int written = 0;
  for (int round = 0; round < 30000; ++round) {
    std::string text(random() % 90, ' ');
    const size_t variety = 1 + random() % kOctets.size();
    for (char& octet : text) octet = kOctets[kOctets.size() - 1 - random() % variety];
    const StompVersion version = kVersions[round % 3];
    const std::string out = escaped(text, version);
    if (out == kRefused) continue;
    ++written;
    ASSERT_EQ(out.find('\n'), out.npos);
    ASSERT_EQ(out.find('\r'), out.npos);
    ASSERT_EQ(unescaped(out, version), text);
  }
  EXPECT_GT(written, 1000);
}

TEST(StompEncoder, WritesAHeaderForItsReadersVersion) {
  EXPECT_EQ(header("a", "x:y", StompVersion::k12), "a:x\\cy\n");
  EXPECT_EQ(header("a", "x:y", StompVersion::k10), "a:x:y\n");
  EXPECT_EQ(header("a:b", "", StompVersion::k11), "a\\cb:\n");
}

TEST(StompEncoder, LeavesOutAHeaderThatWouldForgeALine) {
  EXPECT_EQ(header("a", "x\nforged:1", StompVersion::k10), "");
  EXPECT_EQ(header("a:b", "x", StompVersion::k10), "");
  EXPECT_EQ(header("a", "x\r", StompVersion::k11), "");
  EXPECT_EQ(header("a", "x\0"sv, StompVersion::k12), "");
  EXPECT_EQ(header("", "x", StompVersion::k12), "");
}

TEST(StompEncoder, ConnectedIsNeverEscaped) {
  std::string out = "before";
  append_connected(out, {.version = StompVersion::k12,
                         .session = "a:b\\c",
                         .server = "stampede/0.1",
                         .heart_beat_send_ms = 10000,
                         .heart_beat_receive_ms = 0});
  EXPECT_EQ(out,
            "beforeCONNECTED\nversion:1.2\nsession:a:b\\c\nserver:stampede/0.1\n"
            "heart-beat:10000,0\n\n\0"sv);
}

TEST(StompEncoder, ConnectedDropsAValueThatWouldForgeALine) {
  for (const StompVersion version : kVersions) {
    for (const std::string_view session : {"a\nb:1"sv, "a\r"sv, "a\0"sv}) {
      std::string out;
      append_connected(out, {.version = version,
                             .session = session,
                             .server = "s",
                             .heart_beat_send_ms = 1,
                             .heart_beat_receive_ms = 2});
      EXPECT_EQ(out, "CONNECTED\nversion:" + std::string(to_string(version)) +
                         "\nserver:s\nheart-beat:1,2\n\n" + '\0');
    }
  }
}

TEST(StompEncoder, ConnectedNamesTheUserUnlessThatWouldForgeALine) {
  for (const std::string_view name : {"b:o\\b"sv, "a\nb:1"sv, ""sv}) {
    std::string out;
    append_connected(out, {.version = StompVersion::k12,
                           .session = "1",
                           .server = "s",
                           .user_name = name,
                           .heart_beat_send_ms = 1,
                           .heart_beat_receive_ms = 2});
    const bool is_there = out.find("user-name:b:o\\b\n") != std::string::npos;
    EXPECT_EQ(is_there, name == "b:o\\b") << out;
    EXPECT_EQ(out.find("user-name") != std::string::npos, is_there) << out;
  }
}

TEST(StompEncoder, ReceiptRepeatsTheIdEscaped) {
  std::string out;
  append_receipt(out, "a:b", StompVersion::k12);
  append_receipt(out, "a:b", StompVersion::k10);
  append_receipt(out, "", StompVersion::k11);
  EXPECT_EQ(out,
            "RECEIPT\nreceipt-id:a\\cb\n\n\0"
            "RECEIPT\nreceipt-id:a:b\n\n\0"
            "RECEIPT\nreceipt-id:\n\n\0"sv);
}

TEST(StompEncoder, ReceiptTakesFurtherLines) {
  std::string out;
  append_receipt(out, "r", StompVersion::k12, std::nullopt, "recovered:true\nseq:4\n");
  EXPECT_EQ(out, "RECEIPT\nreceipt-id:r\nrecovered:true\nseq:4\n\n\0"sv);
}

TEST(StompEncoder, ReceiptRepeatsACarriageReturnAsItCame) {
  std::string out;
  append_receipt(out, "a\rb:\r", StompVersion::k10);
  append_receipt(out, "a\rb:\r", StompVersion::k11);
  append_receipt(out, "a\rb:\r", StompVersion::k12);
  EXPECT_EQ(out,
            "RECEIPT\nreceipt-id:a\rb:\r\n\n\0"
            "RECEIPT\nreceipt-id:a\rb\\c\r\n\n\0"
            "RECEIPT\nreceipt-id:a\\rb\\c\\r\n\n\0"sv);
}

TEST(StompEncoder, ReplacesInARequiredHeaderWhatCannotBeExpressed) {
  const auto required = [](std::string_view value, StompVersion version) {
    std::string out;
    append_required_header(out, "message-id", value, version);
    return out;
  };
  EXPECT_EQ(required("a\rb\nc:d\\", StompVersion::k10), "message-id:a?b?c:d\\\n");
  EXPECT_EQ(required("a\rb\nc:d\\", StompVersion::k11), "message-id:a?b\\nc\\cd\\\\\n");
  EXPECT_EQ(required("a\rb\nc:d\\", StompVersion::k12), "message-id:a\\rb\\nc\\cd\\\\\n");
  EXPECT_EQ(required("plain", StompVersion::k10), "message-id:plain\n");
}

TEST(StompEncoder, ErrorHasTokenSentenceAndTrueLength) {
  std::string out;
  append_error(out, {.token = "bad-escape", .sentence = "caf\xC3\xA9.\0"sv}, StompVersion::k12);
  EXPECT_EQ(out,
            "ERROR\nmessage:bad-escape\ncontent-type:text/plain\ncontent-length:7\n\n"
            "caf\xC3\xA9.\0\0"sv);
}

TEST(StompEncoder, ErrorHasReceiptIdAndVersionsWhenGiven) {
  std::string out;
  append_error(out,
               {.token = "version-not-supported",
                .sentence = "",
                .receipt_id = "",
                .has_receipt = true,
                .supported_versions = "1.0,1.1,1.2"},
               StompVersion::k10);
  EXPECT_EQ(out,
            "ERROR\nmessage:version-not-supported\ncontent-type:text/plain\n"
            "version:1.0,1.1,1.2\nreceipt-id:\ncontent-length:0\n\n\0"sv);
}

TEST(StompTypes, CommandsAreCaseSensitiveAndServerCommandsUnknown) {
  EXPECT_EQ(stomp_command("SEND"), StompCommand::kSend);
  EXPECT_EQ(stomp_command("UNSUBSCRIBE"), StompCommand::kUnsubscribe);
  EXPECT_EQ(stomp_command("DISCONNECT"), StompCommand::kDisconnect);
  for (const std::string_view name : {"send", "", "SEND ", "MESSAGE", "CONNECTED", "RECEIPT"}) {
    EXPECT_EQ(stomp_command(name), StompCommand::kUnknown) << name;
  }
}

}  // namespace
}  // namespace stampede::proto
