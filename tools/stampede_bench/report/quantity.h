#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// How the terminal shows figures: three digits that count, and the unit that fits.
namespace stampede::bench {

// "850 ns", "12.3 us", "4.56 ms", "1.20 s".
[[nodiscard]] std::string format_nanoseconds(double nanoseconds);

// "512 B", "1.50 KiB", "120 MiB".
[[nodiscard]] std::string format_bytes(double bytes);

// "1,000,000".
[[nodiscard]] std::string format_count(uint64_t count);

// "0.25", "12.5", "1,234,567": for values of which no unit is known.
[[nodiscard]] std::string format_number(double number);

// The value of a name that ends in its unit, as those in the code do: "rss_per_connection_bytes"
// in bytes, "settle_ns", "settle_us", "settle_ms" and "settle_seconds" as a duration.
[[nodiscard]] std::string format_by_name(std::string_view name, double value);

// What a name that ends in a unit of time counts in, in nanoseconds: 1000 for "settle_us". 0 for
// other names.
[[nodiscard]] double nanoseconds_per_unit_of(std::string_view name);
[[nodiscard]] bool is_name_of_bytes(std::string_view name);

// `text` with what a terminal would act upon made visible: ESC becomes \x1b.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace stampede::bench
