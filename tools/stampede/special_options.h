#pragma once

#include <cstdint>
#include <string>

#include "tools/stampede/option_table.h"

// Rows of the option table that no kind of row describes: each reads its value in a way of its own.
namespace stampede::tools {

// No deadline is longer than a day: more is a slip of the keyboard.
inline constexpr int64_t kDeadlineMax = 24 * 3'600'000;

[[nodiscard]] Option listen_option(std::string group);
[[nodiscard]] Option cpus_option(std::string group);
[[nodiscard]] Option mailbox_slots_option(std::string group);
[[nodiscard]] Option heart_beat_option(std::string group);

}  // namespace stampede::tools
