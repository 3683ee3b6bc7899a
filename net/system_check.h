#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace stampede::net {

enum class Verdict : uint8_t { kOk, kWarn, kFail };
[[nodiscard]] std::string_view to_string(Verdict verdict);  // "OK", "WARN", "FAIL"

struct SystemFinding {
  std::string name;
  std::string value;
  Verdict verdict;
  std::string hint;  // how to mend it; empty if it is fine
};

// What the broker needs of the machine and whether it is there. Tries the ring for real, so it
// takes some milliseconds. With a kFail the broker cannot run: the program prints report() and
// exits with 78. Thread: set-up only, the calling thread.
[[nodiscard]] std::vector<SystemFinding> check_system();
[[nodiscard]] bool has_failure(const std::vector<SystemFinding>& findings);
// One line a finding, hints below; without `all` only what is not fine.
[[nodiscard]] std::string report(const std::vector<SystemFinding>& findings, bool all);

// The kernel version that everything asked for is in: DEFER_TASKRUN came last.
struct KernelVersion {
  int major = 0;
  int minor = 0;
  friend auto operator<=>(const KernelVersion&, const KernelVersion&) = default;
};
inline constexpr KernelVersion kKernelFloor = {6, 1};
[[nodiscard]] std::optional<KernelVersion> parse_kernel_version(std::string_view release);

}  // namespace stampede::net
