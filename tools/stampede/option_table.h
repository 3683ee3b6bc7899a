#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/result.h"
#include "tools/stampede/settings.h"

namespace stampede::tools {

// Where a value came from; a later one wins over an earlier one.
enum class Source : uint8_t { kDefault, kFile, kEnvironment, kFlag };

[[nodiscard]] std::string_view to_string(Source source);

// Option is one row of the table that everything users can set comes from: the flag
// --max-frame-size, the variable STAMPEDE_MAX_FRAME_SIZE, the file's key max_frame_size, and the
// lines of --help and --print-config.
struct Option {
  std::string name;        // "max-frame-size"
  std::string group;       // the heading it has in --help
  std::string value_name;  // "SIZE": what --help shows behind the flag; empty for a switch that
                           // needs no value
  std::string help;
  bool is_list;  // may be given several times; each source replaces the list of the one below it
  // Applies what one source says. A list gets all of its values, anything else exactly one.
  std::function<Result<void>(Settings&, const std::vector<std::string>&)> set;
  // The present value, as the file would spell it.
  std::function<std::string(const Settings&)> get;

  [[nodiscard]] std::string environment_name() const;  // STAMPEDE_MAX_FRAME_SIZE
  [[nodiscard]] std::string file_key() const;          // max_frame_size
};

// Flags that do something else than running the broker. They are on the command line only.
struct ActionFlag {
  Action action;
  std::string_view name;
  std::string_view help;
};

[[nodiscard]] const std::vector<Option>& option_table();
[[nodiscard]] std::span<const ActionFlag> action_table();

// Null if no option has that file key.
[[nodiscard]] const Option* find_option_by_key(std::string_view key);

// What no single row can say: limits that are held against each other. One line an error.
[[nodiscard]] std::vector<std::string> check_together(const Settings& settings);

}  // namespace stampede::tools
