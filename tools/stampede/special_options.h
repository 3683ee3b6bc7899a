#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/admin_listener.h"
#include "proto/base/result.h"
#include "tools/stampede/option_table.h"

// Rows of the option table that no kind of row describes: each reads its value in a way of its own.
namespace stampede::tools {

// No deadline is longer than a day: more is a slip of the keyboard.
inline constexpr int64_t kDeadlineMax = 24 * 3'600'000;

// What --admin says: an address, or nothing for "off".
[[nodiscard]] Result<std::optional<net::AdminListener::Options>> parse_admin(std::string_view text);

// A history is a list of references; one of more would be a queue. Rules are looked at in turn.
inline constexpr size_t kHistoryMessagesMax = 1'000'000;
inline constexpr size_t kHistoryRulesMax = 64;

[[nodiscard]] Option listen_option(std::string group);
[[nodiscard]] Option admin_option(std::string group);
[[nodiscard]] Option cpus_option(std::string group);
[[nodiscard]] Option memory_limit_option(std::string group);
[[nodiscard]] Option mailbox_slots_option(std::string group);
[[nodiscard]] Option history_option(std::string group);
[[nodiscard]] Option slow_consumer_option(std::string group);
[[nodiscard]] Option heart_beat_option(std::string group);

}  // namespace stampede::tools
