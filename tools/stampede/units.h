#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/result.h"

// How people write sizes, durations and lists in flags, environment variables and configuration
// files, and how they read them back. What a format_ function writes, the parse_ function of the
// same name takes.
namespace stampede::tools {

// "4096": decimal digits only.
[[nodiscard]] Result<uint64_t> parse_count(std::string_view text);

// "262144", "256K", "256KB", "256KiB": the letter is a power of 1024 however it is written (as
// memory is sold). Case does not matter.
[[nodiscard]] Result<uint64_t> parse_size(std::string_view text);
[[nodiscard]] std::string format_size(uint64_t bytes);

// "500ms", "10s", "2m", "1h" in milliseconds. A bare number has no unit to mean, so only "0" is
// taken.
[[nodiscard]] Result<int64_t> parse_duration(std::string_view text);
[[nodiscard]] std::string format_duration(int64_t milliseconds);

// The same with "us", in microseconds.
[[nodiscard]] Result<int64_t> parse_microseconds(std::string_view text);
[[nodiscard]] std::string format_microseconds(int64_t microseconds);

// "2" or "1.5", not negative.
[[nodiscard]] Result<double> parse_ratio(std::string_view text);
[[nodiscard]] std::string format_ratio(double ratio);

// "on", "off" and the words for them that other programs take.
[[nodiscard]] Result<bool> parse_switch(std::string_view text);

// "a,b, c" without the blanks around; an empty text has no entries.
[[nodiscard]] std::vector<std::string> split_list(std::string_view text);
// Of each of them: no entry of a list of options has a comma, however it was written.
[[nodiscard]] std::vector<std::string> split_lists(const std::vector<std::string>& texts);
[[nodiscard]] std::string join_list(const std::vector<std::string>& entries);

// {0, 1, 2, 3, 7} as "0-3,7", which net::parse_cpu_list reads.
[[nodiscard]] std::string format_cpu_list(const std::vector<int>& cpus);

[[nodiscard]] std::string_view trim(std::string_view text);

}  // namespace stampede::tools
