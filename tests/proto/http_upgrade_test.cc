#include "proto/http_upgrade.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "tests/support/split_feed.h"

namespace stampede::proto {
namespace {

using tests::for_each_split;
using tests::Pieces;

std::span<const uint8_t> octets(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

UpgradePolicy default_policy() {
  return {.paths = {"/stomp", "/ws"},
          .head_bytes_max = 1024,
          .headers_max = 16,
          .allowed_origins = {"same-host", "https://a.example:444", "https://*.b.example"}};
}

struct Outcome {
  UpgradeStatus status = UpgradeStatus::kNeedMore;
  size_t consumed = 0;
  int status_code = 0;
  std::string answer;
  std::string refusal;
  std::string subprotocol;

  bool operator==(const Outcome&) const = default;
};

Outcome run(const Pieces& pieces, const UpgradePolicy& policy) {
  HttpUpgrade upgrade(policy);
  Outcome outcome;
  for (const auto piece : pieces) {
    if (outcome.status != UpgradeStatus::kNeedMore) break;
    const UpgradeResult result = upgrade.feed(piece);
    outcome.status = result.status;
    outcome.consumed += result.consumed;
  }
  outcome.status_code = upgrade.status_code();
  outcome.answer = upgrade.answer();
  outcome.refusal = upgrade.refusal();
  outcome.subprotocol = upgrade.subprotocol();
  return outcome;
}

// A request of header lines that a test can leave out, replace or add to.
class HttpUpgradeTest : public testing::Test {
 protected:
  std::string request() const {
    std::string text = line_ + "\r\n";
    for (const std::string* header : {&host_, &upgrade_, &connection_, &key_, &version_, &more_}) {
      if (!header->empty()) text += *header + "\r\n";
    }
    return text + "\r\n";
  }

  Outcome outcome_of(std::string_view bytes) const {
    const Outcome whole = run({octets(bytes)}, policy_);
    for_each_split(octets(bytes),
                   [&](const Pieces& pieces) { EXPECT_EQ(run(pieces, policy_), whole); });
    return whole;
  }
  Outcome outcome() const { return outcome_of(request()); }

  int status_code() const { return outcome().status_code; }
  int status_code_for(std::string_view target) {
    line_ = "GET " + std::string(target) + " HTTP/1.1";
    return status_code();
  }
  int status_code_from(std::string_view origin) {
    more_ = "Origin: " + std::string(origin);
    return status_code();
  }
  std::string subprotocol_of(std::string_view lines) {
    more_ = lines;
    const Outcome result = outcome();
    EXPECT_EQ(result.status_code, 101);
    const bool named = result.answer.find("Sec-WebSocket-Protocol:") != std::string::npos;
    EXPECT_EQ(named, !result.subprotocol.empty());
    return result.subprotocol;
  }

  UpgradePolicy policy_ = default_policy();
  std::string line_ = "GET /stomp HTTP/1.1";
  std::string host_ = "Host: server.example:8080";
  std::string upgrade_ = "Upgrade: websocket";
  std::string connection_ = "Connection: Upgrade";
  std::string key_ = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
  std::string version_ = "Sec-WebSocket-Version: 13";
  std::string more_;
};

TEST_F(HttpUpgradeTest, AnswersTheExampleOfRfc6455Section13) {
  more_ = "Sec-WebSocket-Protocol: chat, v12.stomp";
  const Outcome result = outcome();
  EXPECT_EQ(result.status, UpgradeStatus::kAccepted);
  EXPECT_EQ(result.refusal, "");
  EXPECT_EQ(result.answer,
            "HTTP/1.1 101 Switching Protocols\r\n"
            "Upgrade: websocket\r\n"
            "Connection: Upgrade\r\n"
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
            "Sec-WebSocket-Protocol: v12.stomp\r\n"
            "\r\n");
}

TEST_F(HttpUpgradeTest, LeavesWhatFollowsTheHead) {
  const std::string head = request();
  const Outcome result = outcome_of(head + "\x81\x80 frames\r\n\r\n");
  EXPECT_EQ(result.status, UpgradeStatus::kAccepted);
  EXPECT_EQ(result.consumed, head.size());
}

TEST_F(HttpUpgradeTest, WaitsForTheEndOfTheHead) {
  const std::string head = request();
  const Outcome result = outcome_of(std::string_view(head).substr(0, head.size() - 1));
  EXPECT_EQ(result.status, UpgradeStatus::kNeedMore);
  EXPECT_EQ(result.consumed, head.size() - 1);
}

TEST_F(HttpUpgradeTest, ReadsHeadersWhateverTheirCaseSpacingAndOrder) {
  host_ = "sec-websocket-version:13";
  upgrade_ = "UPGRADE:  \t h2c , WebSocket  ";
  connection_ = "connection:keep-alive, Upgrade";
  key_ = "SEC-WEBSOCKET-KEY: \tdGhlIHNhbXBsZSBub25jZQ== \t";
  version_ = "hOST:server.example";
  EXPECT_EQ(status_code(), 101);
}

TEST_F(HttpUpgradeTest, FindsTokensInRepeatedHeaders) {
  connection_ = "Connection: keep-alive\r\nConnection: upgrade";
  upgrade_ = "Upgrade: h2c\r\nUpgrade: websocket";
  EXPECT_EQ(status_code(), 101);
}

TEST_F(HttpUpgradeTest, RefusesOtherMethodsWithTheOneAllowed) {
  line_ = "POST /stomp HTTP/1.1";
  const Outcome result = outcome();
  EXPECT_EQ(result.status_code, 405);
  EXPECT_NE(result.answer.find("\r\nAllow: GET\r\n"), std::string::npos);
}

TEST_F(HttpUpgradeTest, RefusesOtherVersionsOfHttp) {
  for (const std::string_view version : {"HTTP/1.0", "HTTP/2.0", "HTTP/0.9"}) {
    line_ = "GET /stomp " + std::string(version);
    EXPECT_EQ(status_code(), 505);
  }
}

TEST_F(HttpUpgradeTest, RefusesARequestWithoutExactlyOneHost) {
  for (const std::string_view host : {"", "Host:", "Host: a\r\nHost: a"}) {
    host_ = host;
    EXPECT_EQ(status_code(), 400);
  }
}

TEST_F(HttpUpgradeTest, TellsAPlainGetToUpgrade) {
  upgrade_ = connection_ = key_ = version_ = "";
  const Outcome result = outcome();
  EXPECT_EQ(result.status_code, 426);
  EXPECT_NE(result.answer.find("\r\nUpgrade: websocket\r\n"), std::string::npos);
  upgrade_ = "Upgrade: websocket2";
  EXPECT_EQ(status_code(), 426);
}

TEST_F(HttpUpgradeTest, RefusesAnUpgradeThatConnectionDoesNotName) {
  for (const std::string_view connection : {"", "Connection: close", "Connection: upgraded"}) {
    connection_ = connection;
    EXPECT_EQ(status_code(), 400);
  }
}

TEST_F(HttpUpgradeTest, RefusesKeysThatAreNot16Octets) {
  for (const std::string_view key : {
           "",
           "Sec-WebSocket-Key:",
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=",    // 23 characters
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ===",  // 25
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZSE=",   // 17 octets
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZSEh",   // 18 octets
           "Sec-WebSocket-Key: dGhlIHNhbXBs*SBub25jZQ==",   // not base64
           "Sec-WebSocket-Key: dGhlIHNhbXBs SBub25jZQ==",   // white space inside
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
       }) {
    key_ = key;
    EXPECT_EQ(status_code(), 400) << key;
  }
}

TEST_F(HttpUpgradeTest, NamesItsVersionWhenAskedForAnother) {
  for (const std::string_view version :
       {"", "Sec-WebSocket-Version: 8", "Sec-WebSocket-Version: 013",
        "Sec-WebSocket-Version: 13, 8"}) {
    version_ = version;
    const Outcome result = outcome();
    EXPECT_EQ(result.status_code, 426) << version;
    EXPECT_NE(result.answer.find("\r\nSec-WebSocket-Version: 13\r\n"), std::string::npos);
  }
  version_ = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13";
  EXPECT_EQ(status_code(), 400);
}

TEST_F(HttpUpgradeTest, ServesItsPathsAndWhatSockJsClientsMakeOfThem) {
  for (const std::string_view target :
       {"/stomp", "/ws", "/stomp/", "/stomp?token=a/b", "/stomp/?x", "/ws/websocket",
        "/ws/123/abcdef/websocket", "/ws/123/abcdef/websocket?x=1", "http://server.example/ws",
        "wss://server.example:8080/ws/?q"}) {
    EXPECT_EQ(status_code_for(target), 101) << target;
  }
  for (const std::string_view target :
       {"/", "/stomp2", "/STOMP", "/stomp/other", "/stomp/websocket/", "/stompwebsocket",
        "/other/websocket", "/ws/123/xwebsocket", "//stomp", "stomp", "*", "/x?/stomp",
        "http://stomp"}) {
    EXPECT_EQ(status_code_for(target), 404) << target;
  }
}

TEST_F(HttpUpgradeTest, ServesTheRootPath) {
  policy_.paths = {"/"};
  EXPECT_EQ(status_code_for("/"), 101);
  EXPECT_EQ(status_code_for("/websocket"), 101);
  EXPECT_EQ(status_code_for("/x"), 404);
}

TEST_F(HttpUpgradeTest, TakesOriginsOfThePolicyOnly) {
  for (const std::string_view origin :
       {"https://server.example", "http://SERVER.example:99", "https://a.example:444",
        "HTTPS://A.Example:444", "https://x.b.example", "https://x.y.b.example:443"}) {
    EXPECT_EQ(status_code_from(origin), 101) << origin;
  }
  for (const std::string_view origin :
       {"https://a.example", "http://a.example:444", "https://b.example", "https://xb.example",
        "https://.b.example.evil", "http://x.b.example", "https://x.b.example:8443", "null", "",
        "https://evil/server.example", "https://evil@server.example", "https://evil#.b.example",
        "server.example", "https://server.example.evil", "https://", "same-host", "*"}) {
    EXPECT_EQ(status_code_from(origin), 403) << origin;
  }
}

TEST_F(HttpUpgradeTest, RefusesTwoOrigins) {
  more_ = "Origin: https://server.example\r\nOrigin: https://server.example";
  EXPECT_EQ(status_code(), 400);
}

TEST_F(HttpUpgradeTest, TakesLoopbackNamesForOneHost) {
  for (const std::string_view host : {"localhost:1", "127.0.0.1:1", "[::1]:1", "[::1]"}) {
    host_ = "Host: " + std::string(host);
    EXPECT_EQ(status_code_from("http://localhost:3000"), 101);
    EXPECT_EQ(status_code_from("http://127.0.0.1"), 101);
    EXPECT_EQ(status_code_from("http://[::1]:8080"), 101);
    EXPECT_EQ(status_code_from("http://127.0.0.1.evil"), 403);
  }
  host_ = "Host: server.example";
  EXPECT_EQ(status_code_from("http://localhost"), 403);
}

TEST_F(HttpUpgradeTest, TakesAnyOriginIfToldSo) {
  policy_.allowed_origins = {"*"};
  EXPECT_EQ(status_code_from("https://anything.example"), 101);
  EXPECT_EQ(status_code_from("null"), 101);
  policy_.allowed_origins = {"null"};
  EXPECT_EQ(status_code_from("null"), 101);
  EXPECT_EQ(status_code_from("https://server.example"), 403);
}

TEST_F(HttpUpgradeTest, PicksTheHighestSubprotocolOffered) {
  EXPECT_EQ(subprotocol_of("Sec-WebSocket-Protocol: v10.stomp, v11.stomp"), "v11.stomp");
  EXPECT_EQ(subprotocol_of("Sec-WebSocket-Protocol: v12.stomp,v11.stomp"), "v12.stomp");
  EXPECT_EQ(subprotocol_of("Sec-WebSocket-Protocol: v10.stomp"), "v10.stomp");
  EXPECT_EQ(subprotocol_of("Sec-WebSocket-Protocol: v10.stomp\r\n"
                           "sec-websocket-protocol: ,x , v12.stomp"),
            "v12.stomp");
}

TEST_F(HttpUpgradeTest, NamesNoSubprotocolThatWasNotOffered) {
  EXPECT_EQ(subprotocol_of(""), "");
  EXPECT_EQ(subprotocol_of("Sec-WebSocket-Protocol:"), "");
  EXPECT_EQ(subprotocol_of("Sec-WebSocket-Protocol: V12.STOMP, v12.stomp2, stomp"), "");
}

TEST_F(HttpUpgradeTest, AcceptsNoExtension) {
  more_ = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits";
  const Outcome result = outcome();
  EXPECT_EQ(result.status_code, 101);
  EXPECT_EQ(result.answer.find("Extensions"), std::string::npos);
}

TEST_F(HttpUpgradeTest, RefusesARequestWithABody) {
  more_ = "Content-Length: 0";
  EXPECT_EQ(status_code(), 101);
  for (const std::string_view header : {"Content-Length: 1", "Transfer-Encoding: chunked",
                                        "Content-Length: x", "Content-Length: -1"}) {
    more_ = header;
    EXPECT_EQ(status_code(), 400) << header;
  }
}

TEST_F(HttpUpgradeTest, TakesAHeadAsLongAsTheLimit) {
  more_ = "X: ";
  more_ += std::string(policy_.head_bytes_max - request().size(), 'x');
  ASSERT_EQ(request().size(), policy_.head_bytes_max);
  EXPECT_EQ(status_code(), 101);
  more_ += 'x';
  const Outcome result = outcome();
  EXPECT_EQ(result.status_code, 431);
  EXPECT_EQ(result.consumed, policy_.head_bytes_max + 1);
}

TEST_F(HttpUpgradeTest, RefusesAHeadThatNeverEnds) {
  EXPECT_EQ(outcome_of(std::string(2000, 'G')).status_code, 431);
}

TEST_F(HttpUpgradeTest, TakesAsManyHeadersAsTheLimit) {
  policy_.headers_max = 6;
  more_ = "X: 6";
  EXPECT_EQ(status_code(), 101);
  more_ = "X: 6\r\nX: 7";
  EXPECT_EQ(status_code(), 431);
}

TEST_F(HttpUpgradeTest, RefusesWhatIsNotHttpAtItsFirstOctet) {
  const std::string_view tls_client_hello("\x16\x03\x01\x02\x00\x01\x00\x01\xFC", 9);
  const Outcome result = outcome_of(tls_client_hello);
  EXPECT_EQ(result.status_code, 400);
  EXPECT_EQ(result.consumed, 1u);
}

TEST_F(HttpUpgradeTest, RefusesMalformedHeads) {
  for (const std::string_view bytes :
       {"GET /stomp HTTP/1.1\nHost: a\n\n", "\r\n\r\n", "GET\r\n\r\n", "GET /stomp\r\n\r\n",
        "GET /stomp HTTP/1.1\r\nHost\r\n\r\n", "GET /stomp HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET /stomp HTTP/1.1\r\n: a\r\n\r\n", "GET /sto\rmp HTTP/1.1\r\n\r\n",
        "GET /st omp HTTP/1.1\r\nHost: a\r\n\r\n", "GET /stomp HTTP/1.1\r\n Host: a\r\n\r\n"}) {
    const int code = outcome_of(bytes).status_code;
    EXPECT_TRUE(code == 400 || code == 505) << bytes << " gave " << code;
  }
}

TEST_F(HttpUpgradeTest, ClosesTheConnectionWithEachRefusal) {
  line_ = "GET /nowhere HTTP/1.1";
  const Outcome result = outcome();
  EXPECT_EQ(result.status, UpgradeStatus::kRefused);
  EXPECT_EQ(result.refusal, "nothing is served on this path");
  EXPECT_EQ(result.answer,
            "HTTP/1.1 404 Not Found\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n"
            "Content-Length: 31\r\n"
            "Connection: close\r\n"
            "\r\n"
            "nothing is served on this path\n");
}

TEST(HttpUpgradeRefusal, IsMadeForTheBrokersOwnReasons) {
  EXPECT_TRUE(
      HttpUpgrade::refusal_answer(408, "late").starts_with("HTTP/1.1 408 Request Timeout\r\n"));
  EXPECT_TRUE(
      HttpUpgrade::refusal_answer(503, "full").starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
  EXPECT_TRUE(HttpUpgrade::refusal_answer(503, "full").ends_with("\r\n\r\nfull\n"));
}

}  // namespace
}  // namespace stampede::proto
