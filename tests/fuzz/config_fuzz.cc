// A configuration file of any octets. What must hold:
//   - every entry and every error has a line of the file;
//   - what an entry's values are written back as reads back as the same;
//   - each option takes or refuses each value, and says why; what it took is within its limits, so
//     that it is printed and read back the same.
//
// Input: the file.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "proto/base/check.h"
#include "tools/stampede/config_file.h"
#include "tools/stampede/option_table.h"
#include "tools/stampede/units.h"

namespace {

using namespace stampede::tools;

std::string written(const ConfigEntry& entry) {
  std::string text = "key = ";
  if (!entry.is_list) return text + quote_config_value(entry.values.front());
  text += '[';
  for (const std::string& value : entry.values)
    text.append(&value == &entry.values.front() ? "" : ", ").append(quote_config_value(value));
  return text + ']';
}

void check_reads_back(const ConfigEntry& entry) {
  const ConfigFile again = parse_config_file(written(entry));
  CHECK(again.errors.empty() && again.entries.size() == 1);
  CHECK(again.entries.front().values == entry.values);
}

std::vector<std::string> values_for(const Option& option, const ConfigEntry& entry) {
  return option.is_list ? split_lists(entry.values) : entry.values;
}

// The present value as the file spells it gives the present value.
void check_shown(const Option& option, const Settings& settings) {
  const std::string shown = option.get(settings);
  const ConfigFile file = parse_config_file("key = " + quote_config_value(shown));
  CHECK(file.errors.empty() && file.entries.size() == 1);
  Settings again = settings;
  CHECK(option.set(again, values_for(option, file.entries.front())));
  CHECK(option.get(again) == shown);
}

void check_option(Settings& settings, const ConfigEntry& entry) {
  const Option* const option = find_option_by_key(entry.key);
  if (option == nullptr || (!option->is_list && entry.values.size() != 1)) return;
  Settings changed = settings;
  if (const auto result = option->set(changed, values_for(*option, entry))) {
    check_shown(*option, changed);
    settings = changed;
  } else {
    CHECK(!result.error().empty());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto lines = static_cast<int>(std::count(text.begin(), text.end(), '\n')) + 1;
  const ConfigFile file = parse_config_file(text);
  Settings settings;
  for (const ConfigEntry& entry : file.entries) {
    CHECK(entry.line >= 1 && entry.line <= lines && !entry.key.empty());
    CHECK(entry.is_list || entry.values.size() == 1);
    check_reads_back(entry);
    check_option(settings, entry);
  }
  for (const ConfigError& error : file.errors) {
    CHECK(error.line >= 1 && error.line <= lines && !error.text.empty());
  }
  (void)check_together(settings);
  return 0;
}
