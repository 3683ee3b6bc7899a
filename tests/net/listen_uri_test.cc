#include "net/listen_uri.h"

#include <gtest/gtest.h>

namespace stampede::net {
namespace {

std::string problem_of(std::string_view uri) {
  const auto parsed = parse_listen_uri(uri);
  return parsed ? "" : parsed.error();
}

TEST(ListenUri, TakesWebSocketWithItsTwoUsualPaths) {
  const auto uri = parse_listen_uri("ws://127.0.0.1:15674");
  ASSERT_TRUE(uri.has_value()) << uri.error();
  EXPECT_EQ(uri->transport, core::Transport::kWebSocket);
  EXPECT_EQ(uri->host, "127.0.0.1");
  EXPECT_EQ(uri->port, 15674);
  EXPECT_EQ(uri->paths, (std::vector<std::string>{"/stomp", "/ws"}));
}

TEST(ListenUri, TakesAPathOfItsOwn) {
  EXPECT_EQ(parse_listen_uri("ws://localhost:0/feed/v1")->paths,
            std::vector<std::string>{"/feed/v1"});
  EXPECT_EQ(parse_listen_uri("ws://localhost:0/")->paths.size(), 2u);
}

TEST(ListenUri, TakesStompOverTcp) {
  const auto uri = parse_listen_uri("stomp://broker.example:61613");
  ASSERT_TRUE(uri.has_value()) << uri.error();
  EXPECT_EQ(uri->transport, core::Transport::kTcp);
  EXPECT_TRUE(uri->paths.empty());
}

TEST(ListenUri, TakesIpv6InBrackets) {
  const auto uri = parse_listen_uri("ws://[::1]:65535");
  ASSERT_TRUE(uri.has_value()) << uri.error();
  EXPECT_EQ(uri->host, "::1");
  EXPECT_EQ(uri->port, 65535);
}

TEST(ListenUri, RefusesTlsWithAWayOut) {
  EXPECT_NE(problem_of("wss://127.0.0.1:443").find("TLS"), std::string::npos);
  EXPECT_NE(problem_of("stomps://127.0.0.1:443").find("TLS"), std::string::npos);
}

TEST(ListenUri, SaysWhatIsWrong) {
  EXPECT_NE(problem_of("127.0.0.1:80").find("URI"), std::string::npos);
  EXPECT_NE(problem_of("http://a:80").find("scheme"), std::string::npos);
  EXPECT_NE(problem_of("ws://127.0.0.1").find("port is missing"), std::string::npos);
  EXPECT_NE(problem_of("ws://[::1]").find("port is missing"), std::string::npos);
  EXPECT_NE(problem_of("ws://127.0.0.1:").find("0 to 65535"), std::string::npos);
  EXPECT_NE(problem_of("ws://127.0.0.1:65536").find("0 to 65535"), std::string::npos);
  EXPECT_NE(problem_of("ws://127.0.0.1:-1").find("0 to 65535"), std::string::npos);
  EXPECT_NE(problem_of("ws://:80").find("host is missing"), std::string::npos);
  EXPECT_NE(problem_of("ws://::1:80").find("brackets"), std::string::npos);
  EXPECT_NE(problem_of("stomp://a:80/stomp").find("no path"), std::string::npos);
  EXPECT_NE(problem_of("ws://a:80/x?y").find("query"), std::string::npos);
  EXPECT_NE(problem_of("ws://u@a:80").find("user"), std::string::npos);
  EXPECT_NE(problem_of("ws://a b:80").find("ASCII"), std::string::npos);
}

TEST(ListenUri, WritesAddressesAsUrisDo) {
  EXPECT_EQ(host_port_text("127.0.0.1", 80), "127.0.0.1:80");
  EXPECT_EQ(host_port_text("::1", 80), "[::1]:80");
}

}  // namespace
}  // namespace stampede::net
