#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "net/event_log.h"
#include "proto/base/result.h"
#include "tools/stampede/settings.h"

namespace stampede::tools {

// Log writes lines with time and level to stderr or to a file, as text or as JSON.
//
// Owns:      the file.
// Thread:    any, and it may block: shards leave their lines to net's EventLog, whose thread calls
// here.
class Log {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Log>> open(const Settings& settings);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // Written if the level is at least --log-level. `line` is of the form that log_line.h describes.
  void write(net::LogLevel level, std::string_view line);
  // Written whatever the level is: somebody asked for it just now.
  void answer(std::string_view line);
  // After the file was moved away: go on in a new one of the same name. On failure the old one is
  // kept.
  [[nodiscard]] Result<void> reopen();

 private:
  struct State;
  explicit Log(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace stampede::tools
