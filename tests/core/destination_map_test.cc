#include "core/destination_map.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace stampede::core {
namespace {

using enum DestinationKind;
using enum DestinationUse;

class DestinationMapOf : public ::testing::Test {
 protected:
  // "kind text route", one a part; or what is wrong.
  struct Mapped {
    DestinationKind kind;
    std::string text;
    std::string route;
    bool is_temporary;
  };
  std::vector<Mapped> parts(std::string_view text, DestinationUse use = kSend) {
    std::vector<Mapped> parts;
    const auto mapped = map_.map(text, use, session_);
    if (!mapped) return {{mapped.error(), "", "", false}};
    for (const MappedDestination& part : *mapped) {
      parts.push_back(
          {part.kind, std::string(part.text), std::string(part.route), part.is_temporary});
    }
    return parts;
  }
  Mapped map(std::string_view text, DestinationUse use = kSend) {
    const std::vector<Mapped> all = parts(text, use);
    EXPECT_EQ(all.size(), 1u) << text;
    return all.front();
  }
  std::string route(std::string_view text, DestinationUse use = kSend) {
    return map(text, use).route;
  }
  DestinationKind kind(std::string_view text, DestinationUse use = kSend) {
    return map(text, use).kind;
  }
  std::string public_name(std::string_view text) {
    const auto reply = map_.map_reply_to(text, session_);
    return reply ? std::string(reply->public_name) : "refused";
  }

  Options options_ = {.secret = {3, 4}};
  DestinationMap map_{options_};
  DestinationSession session_ = {.home = 2, .client_id = 7, .user_name = {}};
};

TEST_F(DestinationMapOf, LeavesTopicsAndQueuesAsTheyAre) {
  for (const char* text : {"/topic/a", "a.b", "/queue/a", "/chat/room", "/", "/topic/a,b", "a,/b",
                           "/topic/a,", "/users/a", "/exchange", "/user", "topic/,a"}) {
    EXPECT_EQ(map(text).text, text);
    EXPECT_EQ(map(text).route, text);
    EXPECT_EQ(map(text).kind, std::string_view(text).starts_with("/queue/") ? kQueue : kTopic);
    EXPECT_EQ(map_.map(text, kSend, session_)->front().route_if_other(), "");
  }
  EXPECT_EQ(kind("/topic/*", kSubscribe), kPattern);
}

// -- Other names of topics and queues.

TEST_F(DestinationMapOf, TakesTheTopicExchangeForTopics) {
  EXPECT_EQ(map("/exchange/amq.topic/a.b").route, "/topic/a.b");
  EXPECT_EQ(map("/exchange/amq.topic/a.b").text, "/exchange/amq.topic/a.b");
  EXPECT_EQ(kind("/exchange/amq.topic/a.#", kSubscribe), kPattern);
  EXPECT_EQ(route("/exchange/amq.topic/a.#", kSubscribe), "/topic/a.#");
  EXPECT_EQ(kind("/exchange/amq.topic/#.a", kSubscribe), kRestNotLast);
  EXPECT_EQ(kind("/exchange/amq.topic/"), kNameMissing);
  EXPECT_EQ(kind("/exchange/amq.topic"), kNameMissing);
}

TEST_F(DestinationMapOf, TakesRoutingKeysOfTheDirectExchangeLiterally) {
  for (const DestinationUse use : {kSend, kSubscribe}) {
    EXPECT_EQ(kind("/exchange/amq.direct/a.*", use), kTopic);
    EXPECT_EQ(route("/exchange/amq.direct/a.*", use), "/exchange/amq.direct/a.*");
    EXPECT_EQ(kind("/exchange/amq.direct", use), kNameMissing);
  }
}

TEST_F(DestinationMapOf, HasOneFanoutWhateverTheRoutingKey) {
  for (const char* text :
       {"/exchange/amq.fanout", "/exchange/amq.fanout/", "/exchange/amq.fanout/#.a"}) {
    EXPECT_EQ(route(text, kSubscribe), "/exchange/amq.fanout");
    EXPECT_EQ(kind(text, kSubscribe), kTopic);
    EXPECT_EQ(map(text).text, text);
  }
}

TEST_F(DestinationMapOf, HasNoOtherExchanges) {
  for (const char* text : {"/exchange/orders/a", "/exchange/amq.headers/a", "/exchange/",
                           "/exchange/amq.topics/a", "/exchange//a"}) {
    EXPECT_EQ(kind(text), kUnknownExchange) << text;
    EXPECT_EQ(kind(text, kSubscribe), kUnknownExchange) << text;
  }
}

TEST_F(DestinationMapOf, TakesAmqQueuesForQueues) {
  EXPECT_EQ(kind("/amq/queue/a"), kQueue);
  EXPECT_EQ(route("/amq/queue/a", kSubscribe), "/queue/a");
  EXPECT_EQ(kind("/amq/queue/a.*", kSubscribe), kExactOnly);
  EXPECT_EQ(kind("/amq/queue/"), kNameMissing);
}

TEST_F(DestinationMapOf, RefusesPrefixesOfOtherBrokers) {
  for (const char* text : {"/dsub/a", "/remote-temp-queue/a", "/remote-temp-topic/a"}) {
    EXPECT_EQ(kind(text), kUnsupported);
    EXPECT_EQ(kind(text, kSubscribe), kUnsupported);
  }
}

// -- Users.

TEST_F(DestinationMapOf, GivesAUserWhatIsSentToTheUsersName) {
  session_.user_name = "bob";
  const std::string own = route("/user/queue/x", kSubscribe);
  session_.user_name = "alice";
  EXPECT_NE(route("/user/queue/x", kSubscribe), own);
  EXPECT_EQ(map("/user/bob/queue/x").route, own);
  EXPECT_EQ(map("/user/bob/queue/x").text, "/user/queue/x");
  EXPECT_EQ(map("/user/bob/queue/x").kind, kTopic);
}

TEST_F(DestinationMapOf, CallsWhoGaveNoNameByTheSession) {
  EXPECT_EQ(session_.id(), "2-7");
  const std::string own = route("/user/queue/x", kSubscribe);
  EXPECT_EQ(route("/user/2-7/queue/x"), own);
}

TEST_F(DestinationMapOf, KeepsNamesOfUsersApart) {
  // Of each the name as CONNECT has it, and as it is written in a destination.
  const std::vector<std::pair<std::string, std::string>> names = {
      {"a", "a"},       {"a/b", "a%2Fb"}, {"a.b", "a.b"}, {"*", "*"},     {"#", "#"},
      {"a%2E", "a%2E"}, {"%", "%"},       {">", ">"},     {"a b", "a b"}, {"\xc3\xa4", "\xc3\xa4"},
  };
  std::set<std::string> routes;
  for (const auto& [name, written] : names) {
    session_.user_name = name;
    const std::string own = route("/user/b/x", kSubscribe);
    EXPECT_TRUE(routes.insert(own).second) << name;
    EXPECT_EQ(route("/user/" + written + "/b/x"), own) << name;
    const std::string_view escaped = std::string_view(own).substr(6, own.size() - 6 - 4);
    EXPECT_EQ(escaped.find_first_of("./*#>"), std::string_view::npos) << own;
  }
}

TEST_F(DestinationMapOf, WantsANameAndADestinationOfAUser) {
  for (const char* text : {"/user/", "/user/bob", "/user/bob/", "/user//x"}) {
    EXPECT_EQ(kind(text), kNameMissing) << text;
  }
  EXPECT_EQ(kind("/user/", kSubscribe), kNameMissing);
  EXPECT_EQ(kind("/user/x", kSubscribe), kTopic);
  EXPECT_EQ(kind("/user/queue/*", kSubscribe), kExactOnly);
}

// -- Temporary destinations.

TEST_F(DestinationMapOf, GivesEachConnectionTemporaryDestinationsOfItsOwn) {
  std::set<std::string> routes;
  for (const uint64_t client_id : {7u, 8u, 77u}) {
    for (const ShardId home : {0u, 2u, 22u}) {
      session_ = {.home = home, .client_id = client_id, .user_name = {}};
      for (const char* text : {"/temp-queue/x", "/temp-topic/x", "/temp-queue/x/y"}) {
        const Mapped mapped = map(text);
        EXPECT_TRUE(routes.insert(mapped.route).second);
        EXPECT_EQ(mapped.route, route(text, kSubscribe));
        EXPECT_EQ(mapped.text, text);
        EXPECT_TRUE(mapped.is_temporary);
        EXPECT_EQ(home_of_temporary(mapped.route, 23, 99), home);
        EXPECT_EQ(home_of_temporary(mapped.route, home, 99), 99u);
      }
    }
  }
  EXPECT_EQ(kind("/temp-queue/x"), kQueue);
  EXPECT_EQ(kind("/temp-topic/x"), kTopic);
}

TEST_F(DestinationMapOf, HasTemporaryNamesThatDependOnTheSecret) {
  Options other = options_;
  other.secret[1] = 5;
  DestinationMap map(other);
  EXPECT_NE(map.map("/temp-queue/x", kSend, session_)->front().route, route("/temp-queue/x"));
}

TEST_F(DestinationMapOf, LetsOthersSendByThePublicNameAndShowsTheOwners) {
  for (const char* text : {"/temp-queue/x", "/temp-topic/a.b/c"}) {
    const std::string name = public_name(text);
    const Mapped own = map(text);
    EXPECT_TRUE(name.starts_with("/reply-")) << name;
    session_.client_id = 8;
    const Mapped sent = map(name);
    session_.client_id = 7;
    EXPECT_EQ(sent.route, own.route);
    EXPECT_EQ(sent.text, text);
    EXPECT_EQ(sent.kind, own.kind);
    EXPECT_TRUE(sent.is_temporary);
  }
}

TEST_F(DestinationMapOf, SubscribesToTheDestinationOfAReply) {
  const auto reply = map_.map_reply_to("/temp-topic/x", session_);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->destination.text, "/temp-topic/x");
  EXPECT_EQ(reply->destination.kind, kTopic);
  EXPECT_TRUE(reply->destination.is_temporary);
  EXPECT_EQ(reply->destination.route, route("/temp-topic/x", kSubscribe));
}

// The fuzzer found that its public name was taken for a list, of which one part was another's.
TEST_F(DestinationMapOf, RefusesAListAsReply) {
  const auto list = map_.map_reply_to("/temp-topic/a,/topic/b", session_);
  ASSERT_FALSE(list);
  EXPECT_EQ(list.error(), kListAsReply);
  EXPECT_TRUE(map_.map_reply_to("/temp-topic/a,b", session_));
}

TEST_F(DestinationMapOf, LetsNobodyElseSubscribeToAPublicName) {
  const std::string name = public_name("/temp-queue/x");
  EXPECT_EQ(route(name, kSubscribe), route("/temp-queue/x"));
  session_.client_id = 8;
  EXPECT_EQ(kind(name, kSubscribe), kForeign);
  EXPECT_EQ(kind("/reply-queue/x", kSubscribe), kForeign);
  EXPECT_EQ(kind("/reply-topic/", kSubscribe), kForeign);
}

TEST_F(DestinationMapOf, TakesPublicNamesThatNobodyWasGiven) {
  for (const char* text : {"/reply-queue/x", "/reply-queue/", "/reply-topic/2-7-guess/x"}) {
    EXPECT_TRUE(map(text).is_temporary) << text;
  }
  for (const char* text : {"/reply-queue/x/y", "/reply-queue/", "/reply-queue/99999999999-1-a/x",
                           "/reply-queue/7", "/topic/7-1-a/x"}) {
    EXPECT_EQ(home_of_temporary(route(text), 64, 99), 99u) << text;
  }
}

TEST_F(DestinationMapOf, WantsNamesOfTemporaryDestinations) {
  EXPECT_EQ(kind("/temp-queue/"), kNameMissing);
  EXPECT_EQ(kind("/temp-topic/", kSubscribe), kNameMissing);
  EXPECT_EQ(kind("/temp-topic/a.#", kSubscribe), kExactOnly);
  EXPECT_EQ(kind("/temp-topic/a.#"), kTopic);
  EXPECT_EQ(public_name("/temp-queue/"), "refused");
}

// -- Private routes.

TEST_F(DestinationMapOf, OpensToPatternsWhatIsATopicAndNothingElse) {
  session_.user_name = "bob";
  for (const char* text : {"/queue/a", "/user/queue/x", "/temp-queue/x", "/temp-topic/x",
                           "/exchange/amq.direct/a", "/exchange/amq.fanout", "/amq/queue/a"}) {
    EXPECT_FALSE(is_open_to_patterns(route(text, kSubscribe))) << text;
  }
  for (const char* text :
       {"/topic/a", "a", "/exchange/amq.topic/a", "user/bob/x", "//user/bob/x"}) {
    EXPECT_TRUE(is_open_to_patterns(route(text, kSubscribe))) << text;
  }
}

// Nobody gets a route of another's, whatever he writes.
TEST_F(DestinationMapOf, HasPrivateRoutesThatOnlyTheirOwnerSubscribesTo) {
  session_.user_name = "bob";
  std::set<std::string> bobs = {route("/user/queue/x", kSubscribe), route("/temp-queue/x"),
                                route("/temp-topic/x")};
  const std::string name = public_name("/temp-queue/x");
  bobs.insert(route(name));
  session_ = {.home = 2, .client_id = 8, .user_name = "eve"};
  std::mt19937_64 random(1);
  const std::vector<std::string> pieces = {"/user/",
                                           "bob",
                                           "queue/x",
                                           "/",
                                           "%2F",
                                           "/temp-queue/",
                                           "x",
                                           name,
                                           "/reply-queue/",
                                           ",",
                                           name.substr(13),
                                           "2-7-",
                                           "/exchange/",
                                           "amq.topic/",
                                           "amq.direct/",
                                           "/topic/",
                                           "..",
                                           "/amq/queue/"};
  for (const std::string& route : bobs) EXPECT_FALSE(is_open_to_patterns(route));
  for (int n = 0; n < 100'000; ++n) {
    std::string text = n % 4 == 0 ? *std::next(bobs.begin(), n % 3) : "/";
    for (uint64_t left = random() % 5; left > 0; --left) {
      const std::string& piece = pieces[random() % pieces.size()];
      text = random() % 4 == 0 ? piece + text : text + piece;
    }
    for (const Mapped& part : parts(text, kSubscribe))
      EXPECT_FALSE(bobs.contains(part.route)) << text;
  }
}

// -- Composites.

TEST_F(DestinationMapOf, TakesACompositeApart) {
  const std::vector<Mapped> all = parts("/topic/a,b,/queue/c,/exchange/amq.topic/d");
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].route, "/topic/a,b");
  EXPECT_EQ(all[1].route, "/queue/c");
  EXPECT_EQ(all[1].kind, kQueue);
  EXPECT_EQ(all[2].route, "/topic/d");
  EXPECT_EQ(all[2].text, "/exchange/amq.topic/d");
}

TEST_F(DestinationMapOf, TakesADestinationOfACompositeOnce) {
  const std::vector<Mapped> all = parts("/topic/a,/queue/a,/exchange/amq.topic/a,/topic/a");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1].route, "/queue/a");
}

TEST_F(DestinationMapOf, KeepsTheTextsOfAllPartsOfAComposite) {
  const std::vector<Mapped> all = parts("/user/bob/x,/user/eve/x,/temp-queue/y,/temp-topic/z");
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[0].route, "/user/bob/x");
  EXPECT_EQ(all[1].route, "/user/eve/x");
  EXPECT_EQ(all[2].route, route("/temp-queue/y"));
  EXPECT_EQ(all[3].route, route("/temp-topic/z"));
}

TEST_F(DestinationMapOf, RefusesACompositeWithOnePartThatIsNotServed) {
  EXPECT_EQ(kind("/topic/a,/dsub/b,/queue/c"), kUnsupported);
  EXPECT_EQ(kind("/topic/a,/queue/*", kSubscribe), kExactOnly);
  EXPECT_EQ(kind("/topic/a,/topic/" + std::string(options_.destination_bytes_max, 'x')), kTooLong);
}

TEST_F(DestinationMapOf, MayHaveAsManyPartsAsTheLimitAndNotOneMore) {
  std::string text = "/topic/0";
  for (size_t n = 1; n < options_.composite_destinations_max; ++n) {
    text += ",/topic/" + std::to_string(n);
  }
  EXPECT_EQ(parts(text).size(), options_.composite_destinations_max);
  EXPECT_EQ(kind(text + ",/topic/0"), kTooManyParts);
  EXPECT_EQ(parts("/topic/again").size(), 1u);
}

// -- Limits.

TEST_F(DestinationMapOf, MeasuresWhatTheClientWrote) {
  const size_t most = options_.destination_bytes_max;
  for (const char* prefix :
       {"/exchange/amq.topic/", "/exchange/amq.direct/", "/exchange/amq.fanout/", "/amq/queue/",
        "/user/bob/", "/temp-queue/", "/temp-topic/"}) {
    const std::string text = prefix + std::string(most - std::string_view(prefix).size(), 'x');
    EXPECT_NE(kind(text), kTooLong) << prefix;
    EXPECT_NE(kind(text, kSubscribe), kTooLong) << prefix;
    EXPECT_EQ(kind(text + "x"), kTooLong) << prefix;
    EXPECT_EQ(kind(text + "x", kSubscribe), kTooLong) << prefix;
  }
}

TEST_F(DestinationMapOf, AnswersToTheLongestTemporaryName) {
  const std::string longest =
      "/temp-queue/" + std::string(options_.destination_bytes_max - 12, 'x');
  EXPECT_EQ(map(public_name(longest)).text, longest);
  EXPECT_EQ(public_name(longest + "x"), "refused");
}

TEST_F(DestinationMapOf, CountsTheLevelsOfWhatSubscribersRead) {
  std::string levels = "a";
  for (size_t n = 2; n < options_.destination_levels_max; ++n) levels += ".a";
  for (const char* prefix :
       {"/exchange/amq.topic/", "/amq/queue/", "/user/b.o.b/", "/temp-queue/"}) {
    EXPECT_NE(kind(prefix + levels), kTooManyLevels) << prefix;
    EXPECT_EQ(kind(prefix + levels + ".a"), kTooManyLevels) << prefix;
  }
  const std::string name = public_name("/temp-queue/" + levels);
  EXPECT_EQ(map(name).text, "/temp-queue/" + levels);
  EXPECT_EQ(kind(name + ".a"), kTooManyLevels);
}

}  // namespace
}  // namespace stampede::core
