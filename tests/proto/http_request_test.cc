#include "proto/http_request.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>

#include "tests/support/split_feed.h"

namespace stampede::proto {
namespace {

using tests::for_each_split;
using tests::Pieces;

constexpr HttpLimits kLimits = {.head_bytes_max = 256, .headers_max = 4};

std::span<const uint8_t> octets(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

struct Outcome {
  HttpRequestStatus status = HttpRequestStatus::kNeedMore;
  size_t consumed = 0;
  int refusal_code = 0;
  std::string refusal;
  std::string path;
  std::string query;
  bool is_head = false;

  bool operator==(const Outcome&) const = default;
};

Outcome run(const Pieces& pieces) {
  HttpRequestReader reader(kLimits);
  Outcome outcome;
  for (const auto piece : pieces) {
    if (outcome.status != HttpRequestStatus::kNeedMore) break;
    // A copy that is gone before the next piece comes.
    const std::vector<uint8_t> copy(piece.begin(), piece.end());
    const HttpRequestProgress progress = reader.feed(copy);
    outcome.status = progress.status;
    outcome.consumed += progress.consumed;
  }
  outcome.refusal_code = reader.refusal_code();
  outcome.refusal = reader.refusal();
  outcome.path = reader.request().path;
  outcome.query = reader.request().query;
  outcome.is_head = reader.request().is_head;
  return outcome;
}

Outcome outcome_of(std::string_view text) {
  const Outcome whole = run({octets(text)});
  for_each_split(octets(text), [&](const Pieces& pieces) { EXPECT_EQ(run(pieces), whole); });
  return whole;
}

std::string request(std::string_view line, std::string_view headers = "") {
  return std::string(line) + " HTTP/1.1\r\nHost: a\r\n" + std::string(headers) + "\r\n";
}

int refusal_of(std::string_view text) { return outcome_of(text).refusal_code; }

TEST(HttpRequest, ReadsAGetWithItsQuery) {
  const Outcome outcome = outcome_of(request("GET /connz?limit=10&offset=20"));
  EXPECT_EQ(outcome.status, HttpRequestStatus::kRequest);
  EXPECT_EQ(outcome.path, "/connz");
  EXPECT_EQ(outcome.query, "limit=10&offset=20");
  EXPECT_FALSE(outcome.is_head);
}

TEST(HttpRequest, ReadsAHeadAndHttp10WithoutHost) {
  EXPECT_TRUE(outcome_of(request("HEAD /metrics")).is_head);
  EXPECT_EQ(outcome_of("GET / HTTP/1.0\r\n\r\n").path, "/");
}

TEST(HttpRequest, LeavesWhatFollowsTheHead) {
  const std::string first = request("GET /livez");
  EXPECT_EQ(outcome_of(first + request("GET /readyz")).consumed, first.size());
}

TEST(HttpRequest, WaitsForTheEndOfTheHead) {
  const std::string whole = request("GET /livez");
  const std::string_view half = std::string_view(whole).substr(0, whole.size() - 1);
  EXPECT_EQ(outcome_of(half).status, HttpRequestStatus::kNeedMore);
}

TEST(HttpRequest, RefusesOtherMethods) {
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "BREW"}) {
    EXPECT_EQ(refusal_of(request(std::string(method) + " /varz")), 405) << method;
  }
}

TEST(HttpRequest, RefusesBodies) {
  EXPECT_EQ(refusal_of(request("GET /", "Content-Length: 3\r\n")), 400);
  EXPECT_EQ(refusal_of(request("GET /", "Transfer-Encoding: chunked\r\n")), 400);
  EXPECT_EQ(outcome_of(request("GET /", "Content-Length: 0\r\n")).status,
            HttpRequestStatus::kRequest);
}

TEST(HttpRequest, WantsOneHost) {
  EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of(request("GET /", "Host: b\r\n")), 400);
}

TEST(HttpRequest, RefusesWhatIsNotHttp) {
  EXPECT_EQ(refusal_of("CONNECT\naccept-version:1.2\n\n"), 400);
  EXPECT_EQ(refusal_of(std::string_view("\x16\x03\x01\x00", 4)), 400);
  EXPECT_EQ(refusal_of("GET /\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of(request("GET varz")), 400);
  EXPECT_EQ(refusal_of(request("GET http://a/varz")), 400);
  EXPECT_EQ(refusal_of("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505);
}

TEST(HttpRequest, RefusesAHeadOnePastItsLimit) {
  const size_t around = request("GET /").size();
  const std::string at_limit = request("GET /" + std::string(kLimits.head_bytes_max - around, 'a'));
  EXPECT_EQ(at_limit.size(), kLimits.head_bytes_max);
  EXPECT_EQ(outcome_of(at_limit).status, HttpRequestStatus::kRequest);
  EXPECT_EQ(refusal_of(request("GET /" + std::string(kLimits.head_bytes_max - around + 1, 'a'))),
            431);
}

TEST(HttpRequest, RefusesAnEndlessLineAtTheLimit) {
  const Outcome outcome = outcome_of(std::string(600, 'G'));
  EXPECT_EQ(outcome.refusal_code, 431);
  EXPECT_EQ(outcome.consumed, kLimits.head_bytes_max + 1);
}

TEST(HttpRequest, RefusesHeadersOnePastTheirLimit) {
  EXPECT_EQ(outcome_of(request("GET /", "A: 1\r\nB: 2\r\nC: 3\r\n")).status,
            HttpRequestStatus::kRequest);
  EXPECT_EQ(refusal_of(request("GET /", "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n")), 431);
}

TEST(HttpRequest, SurvivesRandomDamage) {
  std::mt19937 random(7);
  const std::string good = request("GET /connz?limit=10", "A: 1\r\n");
  for (int round = 0; round < 2000; ++round) {
    std::string text = good;
    for (int change = 0; change < 3; ++change)
      text[random() % text.size()] = static_cast<char>(random());
    const size_t cut = random() % text.size();
    const Outcome whole = run({octets(text)});
    EXPECT_EQ(run({octets(text).first(cut), octets(text).subspan(cut)}), whole);
  }
}

TEST(HttpRequest, FindsParameters) {
  const HttpRequest request = {.path = "/", .query = "limit=10&&offset=&x", .is_head = false};
  EXPECT_EQ(request.parameter("limit"), "10");
  EXPECT_EQ(request.parameter("offset"), "");
  EXPECT_EQ(request.parameter("x"), "");
  EXPECT_EQ(request.parameter("off"), std::nullopt);
}

TEST(HttpAnswer, LeavesTheBodyOfAHeadOutButNotItsLength) {
  const HttpAnswer answer = {.body = "ok\n"};
  const std::string whole = http_answer_text(answer, false);
  EXPECT_EQ(whole, http_answer_text(answer, true) + "ok\n");
  EXPECT_NE(whole.find("\r\nContent-Length: 3\r\n"), whole.npos);
}

TEST(HttpAnswer, NamesTheMethodsThatAreAllowed) {
  const std::string text = http_answer_text({.status_code = 405, .body = ""}, false);
  EXPECT_TRUE(text.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"));
  EXPECT_NE(text.find("\r\nAllow: GET, HEAD\r\n"), text.npos);
}

}  // namespace
}  // namespace stampede::proto
