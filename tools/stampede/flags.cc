#include "tools/stampede/flags.h"

#include <CLI/CLI.hpp>

#include <deque>

#include "tools/stampede/units.h"

namespace stampede::tools {
namespace {

struct FlagValues {
  const Option* option;
  std::vector<std::string> given;
};

// Each flag collects what it is given; the last one counts, unless the option is a list.
void add_flag_for(CLI::App& app, FlagValues& values) {
  CLI::Option* flag = app.add_option("--" + values.option->name, values.given);
  if (values.option->value_name.empty()) flag->expected(0, 1);
  flag->allow_extra_args(false)->take_all();
}

Assignment assignment_of(const FlagValues& values) {
  Assignment assignment = {values.option, Source::kFlag, "--" + values.option->name, {}};
  if (!values.option->is_list) {
    assignment.values = {values.given.back()};
    return assignment;
  }
  assignment.values = split_lists(values.given);
  return assignment;
}

}  // namespace

Result<CommandLine> parse_command_line(int argc, const char* const* argv) {
  CLI::App app;
  app.set_help_flag("");

  CommandLine result;
  app.add_option("--config", result.config_file);
  std::deque<FlagValues> flags;  // CLI11 keeps references: the elements must not move
  for (const Option& option : option_table())
    add_flag_for(app, flags.emplace_back(FlagValues{&option, {}}));
  std::vector<CLI::Option*> actions;
  for (const ActionFlag& action : action_table())
    actions.push_back(app.add_flag("--" + std::string(action.name)));

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return std::unexpected(std::string(error.what()) + " (see stampede --help)");
  }
  for (const FlagValues& values : flags) {
    if (!values.given.empty()) result.assignments.push_back(assignment_of(values));
  }
  // The later in the table, the stronger: --help asks for nothing but help.
  for (size_t index = 0; index < actions.size(); ++index) {
    if (actions[index]->count() > 0) result.action = action_table()[index].action;
  }
  return result;
}

}  // namespace stampede::tools
