#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/options.h"
#include "net/event_log.h"
#include "net/server.h"

namespace stampede::tools {

enum class Action : uint8_t { kRun, kHelp, kVersion, kPrintConfig, kCheckConfig, kCheckSystem };

enum class LogFormat : uint8_t { kText, kJson };

// Settings is everything that flags, environment and configuration file can say about a run of the
// broker; the initial values are the defaults that --help shows.
//
// Thread:    main, before the shards start; constant afterwards.
struct Settings {
  core::Options broker;
  // Its listeners stay empty: `listen` has them as they were written.
  net::ServerOptions server;

  std::vector<std::string> listen = {"ws://127.0.0.1:15674", "stomp://127.0.0.1:61613"};
  std::string admin = "127.0.0.1:15672";  // "off": no admin listener
  std::string ports_file;                 // empty: none is written
  std::string takeover;                   // path of a socket; empty: nobody takes over
  std::optional<int64_t> drain_delay_ms;  // none: by whether somebody watches /readyz
  int64_t drain_time_ms = 30'000;

  net::LogLevel log_level = net::LogLevel::kInfo;
  LogFormat log_format = LogFormat::kText;
  std::string log_file;  // empty: stderr
};

}  // namespace stampede::tools
