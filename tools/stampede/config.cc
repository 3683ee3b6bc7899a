#include "tools/stampede/config.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include "tools/stampede/config_file.h"
#include "tools/stampede/units.h"

namespace stampede::tools {
namespace {

size_t row_of(const Option* option) { return static_cast<size_t>(option - option_table().data()); }

// An empty variable counts as unset: a compose file cannot leave one out.
const char* environment_value(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value != nullptr && *value != '\0' ? value : nullptr;
}

void apply(Config& config, const Assignment& assignment, std::vector<std::string>& errors) {
  const Result<void> done = assignment.option->set(config.settings, assignment.values);
  if (!done) {
    errors.push_back(assignment.where + ": " + done.error());
    return;
  }
  config.origins[row_of(assignment.option)] = {assignment.source, assignment.where};
}

void apply_environment(Config& config) {
  for (const Option& option : option_table()) {
    const std::string name = option.environment_name();
    const char* value = environment_value(name);
    if (value == nullptr) continue;
    std::vector<std::string> values =
        option.is_list ? split_list(value) : std::vector<std::string>{value};
    apply(config, {&option, Source::kEnvironment, name, std::move(values)}, config.usage_errors);
  }
}

void apply_entry(Config& config, const ConfigEntry& entry, const std::string& place) {
  const std::string where = place + ": " + entry.key;
  const Option* option = find_option_by_key(entry.key);
  if (option == nullptr) {
    config.unknown_keys.push_back(where + ": unknown key");
    return;
  }
  if (entry.is_list && !option->is_list) {
    config.file_errors.push_back(where + ": one value is expected, not a list");
    return;
  }
  apply(config,
        {option, Source::kFile, where, option->is_list ? split_lists(entry.values) : entry.values},
        config.file_errors);
}

void apply_file(Config& config, const std::string& path) {
  std::ifstream stream(path);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  if (!stream.is_open() || stream.bad()) {
    config.file_errors.push_back(path + ": cannot be read: " + std::strerror(errno));
    return;
  }
  const ConfigFile file = parse_config_file(text);
  for (const ConfigError& error : file.errors) {
    config.file_errors.push_back(path + ":" + std::to_string(error.line) + ": " + error.text);
  }
  for (const ConfigEntry& entry : file.entries) {
    apply_entry(config, entry, path + ":" + std::to_string(entry.line));
  }
}

}  // namespace

Config resolve_config(const CommandLine& command_line) {
  Config config;
  config.origins.resize(option_table().size());
  std::string path = command_line.config_file;
  if (path.empty()) {
    if (const char* named = environment_value("STAMPEDE_CONFIG")) path = named;
  }
  if (!path.empty()) apply_file(config, path);
  apply_environment(config);
  for (const Assignment& assignment : command_line.assignments)
    apply(config, assignment, config.usage_errors);

  for (std::string& error : check_together(config.settings))
    config.usage_errors.push_back(std::move(error));
  return config;
}

std::vector<std::string> all_errors(const Config& config) {
  std::vector<std::string> errors = config.file_errors;
  errors.insert(errors.end(), config.unknown_keys.begin(), config.unknown_keys.end());
  errors.insert(errors.end(), config.usage_errors.begin(), config.usage_errors.end());
  return errors;
}

std::string print_config(const Config& config) {
  std::string text;
  for (size_t row = 0; row < option_table().size(); ++row) {
    const Option& option = option_table()[row];
    const Origin& origin = config.origins[row];
    text += option.file_key() + " = " + quote_config_value(option.get(config.settings)) + "  # " +
            std::string(to_string(origin.source));
    if (!origin.where.empty()) text += ", " + origin.where;
    text += '\n';
  }
  return text;
}

std::string config_digest(const Config& config) {
  // FNV-1a, 64 bits: it is told apart, not defended.
  uint64_t hash = 14695981039346656037u;
  for (const Option& option : option_table()) {
    for (const char c : option.file_key() + "=" + option.get(config.settings) + "\n") {
      hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
    }
  }
  std::array<char, 16> digits = {};
  const auto [end, error] = std::to_chars(digits.begin(), digits.end(), hash, 16);
  const std::string short_form(digits.begin(), end);
  return std::string(digits.size() - short_form.size(), '0') + short_form;
}

}  // namespace stampede::tools
