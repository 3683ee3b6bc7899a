#include "tools/stampede/about.h"

#include <algorithm>
#include <string_view>

#include "tools/stampede/build_info.h"
#include "tools/stampede/option_table.h"

namespace stampede::tools {
namespace {

// Wide enough for the longest flag with its value.
constexpr size_t kFlagColumn = 40;

std::string line(std::string flag, std::string_view text) {
  std::string result = "  " + std::move(flag);
  result.resize(std::max(result.size() + 2, kFlagColumn), ' ');
  return result + std::string(text) + "\n";
}

std::string option_line(const Option& option, const Settings& defaults) {
  std::string flag = "--" + option.name;
  if (!option.value_name.empty()) flag += " " + option.value_name;
  const std::string value = option.get(defaults);
  std::string text = option.help + (option.is_list ? " (may be repeated; default " : " (default ");
  text += value.empty() ? "none" : value;
  return line(std::move(flag), text + ")");
}

}  // namespace

std::string help_text() {
  std::string text =
      "Usage: stampede [flags]\n\n"
      "A STOMP broker over WebSocket and TCP. Without flags it listens on ws://127.0.0.1:15674 "
      "(paths /stomp and\n"
      "/ws) and stomp://127.0.0.1:61613, and for operators on http://127.0.0.1:15672.\n";
  const Settings defaults;
  std::string_view group;
  for (const Option& option : option_table()) {
    if (option.group != group) text += "\n" + option.group + ":\n";
    group = option.group;
    text += option_line(option, defaults);
  }
  text += "\nConfiguration:\n";
  text +=
      line("--config FILE", "Read settings from FILE (default none; environment STAMPEDE_CONFIG)");
  for (const ActionFlag& action : action_table())
    text += line("--" + std::string(action.name), action.help);
  text +=
      "\nSIZE is a number of bytes, or one with K, M, G or T behind it; K, KB and KiB all are "
      "1024.\n"
      "TIME is a number with ms, s, m or h behind it. N is a whole number. A limit can be reached, "
      "not passed.\n\n"
      "The setting --max-frame-size is STAMPEDE_MAX_FRAME_SIZE in the environment and "
      "max_frame_size in FILE, where\n"
      "lines read 'max_frame_size = 256K' and '#' begins a comment. A flag wins over the "
      "environment (an empty\n"
      "variable counts as unset), that over FILE, and that over the default.\n\n"
      "Exit codes: 0 clean, 1 error, 2 bad usage, 78 the system lacks something.\n"
      "Signals: TERM drains, then exits 0; a second TERM or INT stops now; USR1 opens the log file "
      "again;\n"
      "USR2 logs each shard's tables and counters; HUP does nothing.\n";
  return text;
}

std::string_view version() { return STAMPEDE_VERSION; }

std::string version_line() {
  return "stampede " STAMPEDE_VERSION " (git " + std::string(git_revision()) +
         ", " STAMPEDE_COMPILER ", liburing " STAMPEDE_LIBURING_VERSION
         ", allocator " STAMPEDE_ALLOCATOR_NAME ")";
}

}  // namespace stampede::tools
