#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tools/stampede_bench/wire/dialect.h"

namespace stampede::bench {
namespace {

TEST(BenchTarget, KnowsThePortAndPathOfEachScheme) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"ws://localhost", "ws://127.0.0.1:15674/ws"},
      {"ws://127.0.0.1:1/stomp?a=b", "ws://127.0.0.1:1/stomp?a=b"},
      {"stomp://[::1]", "stomp://[::1]:61613"},
      {"nats://10.0.0.1", "nats://10.0.0.1:4222"},
      {"nats+ws://[fe80::1]:65535", "nats+ws://[fe80::1]:65535/"},
      {"mqtt://localhost:1884", "mqtt://127.0.0.1:1884"},
      {"mqtt+ws://localhost/", "mqtt+ws://127.0.0.1:9001/"},
      {"floor://localhost", "floor://127.0.0.1:15670"}};
  for (const auto& [url, wanted] : cases) {
    Target target;
    std::string error;
    EXPECT_TRUE(parse_target(url, target, error)) << url << ": " << error;
    EXPECT_EQ(to_string(target), wanted);
  }
}

TEST(BenchTarget, IsLeftAloneByWhatIsNoUrl) {
  for (const char* url :
       {"", "ws", "http://localhost", "ws://", "ws://broker", "ws://localhost:0", "ws://::1",
        "ws://localhost:65536", "ws://localhost:", "ws://localhost:80x", "ws://[::1", "ws://[::1]8",
        "ws://[127.0.0.1]", "stomp://localhost/ws", "ws://localhost/a b", "ws://localhost/\n"}) {
    Target target;
    std::string error;
    EXPECT_FALSE(parse_target(url, target, error)) << url;
    EXPECT_FALSE(error.empty());
    EXPECT_EQ(to_string(target), to_string(Target()));
  }
}

}  // namespace
}  // namespace stampede::bench
