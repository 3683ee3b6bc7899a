#include "core/message.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/message_encoder.h"
#include "proto/stomp_encoder.h"
#include "tests/core/make_message.h"

namespace stampede::core {
namespace {

using namespace std::string_view_literals;
using enum proto::StompVersion;
using Headers = std::vector<proto::StompHeader>;

// A numbered message that goes with the test.
class Owned {
 public:
  explicit Owned(const Headers& headers, std::string_view body = "",
                 std::string_view destination = "/topic/a", std::string_view message_id = "",
                 std::string_view made_id = "m-1")
      : message_(tests::make_message({.destination = destination,
                                      .message_id = message_id,
                                      .headers = headers,
                                      .body = body,
                                      .route_hash = 42})) {
    message_->set_number(7, made_id);
  }
  ~Owned() { message_->drop_reference(); }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  Message* operator->() const { return message_; }

  [[nodiscard]] std::string text(proto::StompVersion version = k12,
                                 size_t* left_out = nullptr) const {
    std::string out;
    const size_t count = message_->append_headers(out, version);
    if (left_out != nullptr) *left_out = count;
    return out;
  }

 private:
  Message* message_;
};

TEST(Message, IsCountedWhileItLives) {
  if (!Message::is_counted) GTEST_SKIP() << "release builds do not count";
  const int64_t before = Message::live_count();
  {
    const Owned message({});
    message->add_references(1);
    message->drop_reference();
    EXPECT_EQ(Message::live_count(), before + 1);
  }
  EXPECT_EQ(Message::live_count(), before);
}

TEST(Message, GivesItsHeadersBackUnescapedInTheirOrder) {
  const Headers plain = {{"a", "1"}, {"receipt", "r"}, {"b", ""}, {"a", "2"}};
  const Headers escaped = {{"a", "1:1"}, {"receipt", "r"}, {"b\n", ""}, {"a", "2"}};
  for (const Headers& headers : {plain, escaped}) {
    const Owned message(headers);
    std::vector<std::pair<std::string, std::string>> seen;
    message->for_each_header(
        [&](std::string_view name, std::string_view value) { seen.emplace_back(name, value); });
    ASSERT_EQ(seen.size(), 3u);
    EXPECT_EQ(seen[0].second, headers[0].value);
    EXPECT_EQ(seen[1].first, headers[2].name);
    EXPECT_EQ(message->header("a"), headers[0].value);
    EXPECT_EQ(message->header(headers[2].name), "");
    EXPECT_EQ(message->header("receipt"), std::nullopt);
  }
}

TEST(Message, HasTheGroupOfEitherDialect) {
  const auto group_of = [](const Headers& headers, bool has_group) {
    Message::Content content;
    content.destination = "/queue/a";
    content.headers = headers;
    content.properties.has_group = has_group;
    Message* message = Message::create(content, 1);
    const std::string group(message->group());
    message->drop_reference();
    return group;
  };
  EXPECT_EQ(group_of({{"JMSXGroupID", "g"}}, true), "g");
  EXPECT_EQ(group_of({{"message_group", "h"}}, true), "h");
  EXPECT_EQ(group_of({{"x", "y"}}, false), "");
}

TEST(Message, KeepsWhatItWasMadeOf) {
  const Owned message({{"a", "b"}}, "body\0with NUL"sv, "/topic/x", "id-1", "made");
  EXPECT_EQ(message->destination(), "/topic/x");
  EXPECT_EQ(message->route_hash(), 42u);
  EXPECT_EQ(message->sequence(), 7u);
  EXPECT_EQ(message->client_message_id(), "id-1");
  EXPECT_EQ(message->message_id(), "id-1");
  EXPECT_EQ(message->body().size(), 13u);
  EXPECT_EQ(message->body_and_nul().size(), 14u);
  EXPECT_EQ(message->body_and_nul().back(), 0);
}

TEST(Message, GoesByItsDestinationUnlessItHasAnotherRoute) {
  const Owned message({{"a", "b"}}, "body");
  EXPECT_EQ(message->route(), "/topic/a");
  Message* routed = tests::make_message({.destination = "/shown",
                                         .headers = Headers{{"a", "b"}},
                                         .body = "body",
                                         .route = "/hidden"});
  EXPECT_EQ(routed->route(), "/hidden");
  EXPECT_EQ(routed->destination(), "/shown");
  EXPECT_EQ(routed->body_and_nul().size(), 5u);
  EXPECT_EQ(routed->header("a"), "b");
  EXPECT_GT(routed->memory_bytes(), message->memory_bytes());
  routed->drop_reference();
}

TEST(Message, ShowsNothingOfItsRoute) {
  Message* message = tests::make_message({.destination = "/shown", .route = "/hid\xff den"});
  message->set_number(1, "m");
  std::string text;
  message->append_headers(text, k12);
  EXPECT_EQ(text, "message-id:m\ndestination:/shown\ncontent-length:0\n\n");
  EXPECT_TRUE(message->is_utf8());
  message->drop_reference();
}

TEST(Message, GoesByTheOwnersIdIfTheClientGaveNone) {
  const Owned message({});
  EXPECT_EQ(message->client_message_id(), "");
  EXPECT_EQ(message->message_id(), "m-1");
}

TEST(Message, PassesHeadersOnInTheirOrderRepeatedOnesIncluded) {
  const Owned message({{"x", "1"}, {"content-type", "text/plain"}, {"x", "2"}}, "hello");
  EXPECT_EQ(message.text(),
            "message-id:m-1\ndestination:/topic/a\nx:1\ncontent-type:text/"
            "plain\nx:2\ncontent-length:5\n\n");
}

TEST(Message, KeepsBackWhatIsNotTheSubscribersBusiness) {
  const Headers headers = {{"destination", "/topic/a"}, {"receipt", "r"},
                           {"transaction", "t"},        {"message-id", "forged"},
                           {"subscription", "s"},       {"ack", "a"},
                           {"redelivered", "true"},     {"delivery-count", "7"},
                           {"content-length", "99"}};
  for (const auto& kept : headers) {
    const std::string line = std::string(kept.name) + ":" + std::string(kept.value) + "\n";
    const std::string text = Owned(Headers{kept, {"b:", "slow"}}, "", "/topic/b").text();
    EXPECT_EQ(text.find(line), std::string::npos) << text;
    EXPECT_EQ(Owned(Headers{kept}, "", "/topic/b").text(),
              "message-id:m-1\ndestination:/topic/b\ncontent-length:0\n\n");
  }
}

TEST(Message, PassesOnNamesThatAreOnlyLikeThose) {
  const Headers headers = {
      {"Receipt", "1"},    {"ack2", "2"},          {"acl", "3"},           {"receipts", "4"},
      {"message-ID", "5"}, {"x-destination", "6"}, {"subscriptions", "7"}, {"content-lengthy", "8"},
      {"redeliveree", "9"}};
  const std::string text = Owned(headers).text();
  for (const auto& header : headers) {
    EXPECT_NE(text.find("\n" + std::string(header.name) + ":" + std::string(header.value) + "\n"),
              std::string::npos)
        << header.name;
  }
}

TEST(Message, EscapesForEachVersion) {
  const Owned message({{"k", "a:b\\c\nd\re"}}, "", "/topic/a:b");
  size_t left_out = 0;
  EXPECT_EQ(message.text(k12, &left_out),
            "message-id:m-1\ndestination:/topic/a\\cb\nk:a\\cb\\\\c\\nd\\re\ncontent-length:0\n\n");
  EXPECT_EQ(left_out, 0u);
  // 1.1 cannot say CR, 1.0 neither CR nor LF.
  EXPECT_EQ(message.text(k11, &left_out),
            "message-id:m-1\ndestination:/topic/a\\cb\ncontent-length:0\n\n");
  EXPECT_EQ(left_out, 1u);
  EXPECT_EQ(message.text(k10, &left_out),
            "message-id:m-1\ndestination:/topic/a:b\ncontent-length:0\n\n");
  EXPECT_EQ(left_out, 1u);
}

TEST(Message, CountsEveryHeaderThatAVersionCannotExpress) {
  const Owned message(Headers{{"cr", "\r"}, {"lf", "\n"}, {"fine", "x"}, {"col:on", "x"}});
  size_t left_out = 0;
  (void)message.text(k12, &left_out);
  EXPECT_EQ(left_out, 0u);
  (void)message.text(k11, &left_out);
  EXPECT_EQ(left_out, 1u);
  (void)message.text(k10, &left_out);
  EXPECT_EQ(left_out, 3u);
}

TEST(Message, KeepsItsIdAndDestinationWhereTheyCannotBeExpressed) {
  const Owned message({}, "", "/topic/a\rb\nc", "m\r1");
  EXPECT_EQ(message.text(k12),
            "message-id:m\\r1\ndestination:/topic/a\\rb\\nc\ncontent-length:0\n\n");
  EXPECT_EQ(message.text(k11),
            "message-id:m?1\ndestination:/topic/a?b\\nc\ncontent-length:0\n\n");
  EXPECT_EQ(message.text(k10),
            "message-id:m?1\ndestination:/topic/a?b?c\ncontent-length:0\n\n");
}

TEST(Message, AppendsBehindWhatIsThere) {
  const Owned message({});
  std::string out = "MESSAGE\nsubscription:1\n";
  (void)message->append_headers(out, k12);
  EXPECT_TRUE(out.starts_with("MESSAGE\nsubscription:1\nmessage-id:"));
}

TEST(Message, IsUtf8OnlyIfAllOfItIs) {
  const std::string_view bad = "\xff";
  EXPECT_TRUE(Owned(Headers{{"a", "\xc3\xa4"}}, "\xe2\x82\xac")->is_utf8());
  EXPECT_FALSE(Owned({}, bad)->is_utf8());
  EXPECT_FALSE(Owned(Headers{{"a", bad}})->is_utf8());
  EXPECT_FALSE(Owned(Headers{{bad, "a"}})->is_utf8());
  EXPECT_FALSE(Owned({}, "", bad)->is_utf8());
  EXPECT_FALSE(Owned({}, "", "/topic/a", bad)->is_utf8());
}

TEST(MessageDeathTest, HasRoomForAnIdOfFortyOctets) {
  EXPECT_EQ(Owned({}, "", "d", "", std::string(40, 'x'))->message_id(), std::string(40, 'x'));
  EXPECT_DEATH(Owned({}, "", "d", "", std::string(41, 'x')), "made_id");
}

// A header that needs an escape turns the whole message to the slow path; the rest must read the
// same.
TEST(Message, WritesTheSameWithAndWithoutEscapes) {
  std::mt19937 random(3);
  const auto text = [&](size_t size_max) {
    std::string out(1 + random() % size_max, ' ');
    for (char& octet : out) octet = static_cast<char>('A' + random() % 58);
    std::replace(out.begin(), out.end(), '\\', '/');
    return out;
  };
  for (int round = 0; round < 200; ++round) {
    std::vector<std::pair<std::string, std::string>> kept;
    for (size_t n = random() % 6; n > 0; --n)
      kept.emplace_back(text(12), random() % 5 ? text(30) : "");
    Headers headers;
    for (const auto& [name, value] : kept) headers.push_back({name, value});
    const std::string destination = text(20);
    const std::string id = random() % 2 ? text(10) : "";
    const Owned plain(headers, "body", destination, id);
    headers.push_back({"zz", ":"});
    const Owned escaped(headers, "body", destination, id);
    for (const auto version : {k10, k11, k12}) {
      std::string expected = plain.text(version);
      std::string line;
      proto::append_header(line, "zz", ":", version);
      expected.insert(expected.rfind("content-length:"), line);
      EXPECT_EQ(escaped.text(version), expected);
    }
  }
}

TEST(Message, KnowsTheEpochInWhichItsSequenceCounts) {
  Message* message = tests::make_message({.message_id = "mine"});
  EXPECT_EQ(message->epoch(), "");
  message->set_number(17, "k3x9-0-17");
  EXPECT_EQ(message->epoch(), "k3x9-0");
  EXPECT_EQ(message->sequence(), 17u);
  message->drop_reference();
}

TEST(MessageEncoder, MakesTheTextsOncePerVersion) {
  const Owned message(Headers{{"k", "\r"}});
  const Owned other(Headers{{"k", "v"}});
  const std::array both = {message.operator->(), other.operator->()};
  MessageEncoder encoder;
  uint64_t left_out = 0;
  encoder.begin(both);
  const std::string_view first = encoder.headers(0, k11, left_out);
  EXPECT_EQ(first, message.text(k11));
  EXPECT_EQ(encoder.headers(1, k11, left_out), other.text(k11));
  EXPECT_EQ(left_out, 1u);
  EXPECT_EQ(encoder.headers(0, k11, left_out).data(), first.data());
  EXPECT_EQ(left_out, 1u) << "counted once for a message and version";
  EXPECT_EQ(encoder.headers(1, k12, left_out), other.text(k12));
  EXPECT_EQ(encoder.headers(0, k12, left_out), message.text(k12));
  EXPECT_EQ(encoder.headers(0, k11, left_out), message.text(k11));
  encoder.end();
  encoder.begin(std::span(both).last(1));
  EXPECT_EQ(encoder.headers(0, k11, left_out), other.text(k11));
}

// Promise: with any number of threads adding and dropping references, the message is readable to
// every holder and is freed by exactly one of them. A leak, a use after free or a race is the
// sanitizers' to see.
TEST(Message, IsFreedOnceByWhoeverDropsTheLastReference) {
  constexpr int kRounds = 2000;
  constexpr uint32_t kThreads = 4;
  std::vector<Message*> messages;
  for (int n = 0; n < kRounds; ++n) {
    messages.push_back(tests::make_message({.body = "body"}));
    messages.back()->set_number(static_cast<uint64_t>(n), "id");
    messages.back()->add_references(kThreads - 1);
  }
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int n = 0; n < kRounds; ++n) {
        Message* message = messages[static_cast<size_t>(n)];
        message->add_references(2);
        wrong += message->sequence() != static_cast<uint64_t>(n) || message->body().size() != 4;
        message->drop_reference();
        message->drop_reference();
        wrong += message->message_id() != "id";
        message->drop_reference();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace stampede::core
