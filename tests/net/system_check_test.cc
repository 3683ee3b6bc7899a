#include "net/system_check.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "net/ring_error.h"

namespace stampede::net {
namespace {

RingSurroundings surroundings(std::optional<int> disabled = 0, uint64_t memlock = 65536) {
  return {.kernel_release = "5.10.0-9-amd64",
          .io_uring_disabled = disabled,
          .memlock_bytes = memlock,
          .missing_flag = "IORING_SETUP_DEFER_TASKRUN (Linux 6.1)"};
}

bool says(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST(SystemCheck, ReadsKernelVersions) {
  EXPECT_EQ(parse_kernel_version("6.1.0-18-amd64"), (KernelVersion{6, 1}));
  EXPECT_EQ(parse_kernel_version("5.15"), (KernelVersion{5, 15}));
  EXPECT_EQ(parse_kernel_version("linux"), std::nullopt);
  EXPECT_EQ(parse_kernel_version(""), std::nullopt);
  EXPECT_LT((KernelVersion{5, 19}), kKernelFloor);
  EXPECT_LT((KernelVersion{6, 0}), kKernelFloor);
  EXPECT_GE((KernelVersion{6, 10}), kKernelFloor);
}

TEST(SystemCheck, ExplainsAKernelWithoutTheRing) {
  const std::string text = explain_ring_error(ENOSYS, surroundings());
  EXPECT_TRUE(says(text, "5.10.0-9-amd64")) << text;
  EXPECT_TRUE(says(text, "6.1")) << text;
}

TEST(SystemCheck, ExplainsTheSysctl) {
  EXPECT_TRUE(says(explain_ring_error(EPERM, surroundings(1)), "kernel.io_uring_disabled=1"));
  EXPECT_TRUE(says(explain_ring_error(EPERM, surroundings(1)), "kernel.io_uring_group"));
  EXPECT_TRUE(says(explain_ring_error(EPERM, surroundings(2)), "kernel.io_uring_disabled=2"));
}

TEST(SystemCheck, SuspectsSeccompOtherwise) {
  for (const std::optional<int> disabled : {std::optional<int>(0), std::optional<int>()}) {
    const std::string text = explain_ring_error(EPERM, surroundings(disabled));
    EXPECT_TRUE(says(text, "--security-opt")) << text;
    EXPECT_TRUE(says(text, "SystemCallFilter=@system-service @aio")) << text;
  }
}

TEST(SystemCheck, ShowsTheMemlockLimit) {
  EXPECT_TRUE(says(explain_ring_error(ENOMEM, surroundings(0, 65536)), "65536"));
  EXPECT_TRUE(says(explain_ring_error(ENOMEM, surroundings(0, UINT64_MAX)), "unlimited"));
  EXPECT_TRUE(says(explain_ring_error(ENOMEM, surroundings()), "--ulimit memlock=-1"));
}

TEST(SystemCheck, NamesTheMissingFlag) {
  EXPECT_TRUE(
      says(explain_ring_error(EINVAL, surroundings()), "IORING_SETUP_DEFER_TASKRUN (Linux 6.1)"));
}

TEST(SystemCheck, FindsThisMachineGoodEnoughForTheTests) {
  const auto findings = check_system();
  EXPECT_FALSE(has_failure(findings)) << report(findings, true);
  const auto names = [&](std::string_view name) {
    return std::ranges::any_of(findings, [&](const SystemFinding& f) { return f.name == name; });
  };
  for (const char* name :
       {"kernel", "io_uring", "io_uring opcodes", "multishot receive", "memlock", "nofile"}) {
    EXPECT_TRUE(names(name)) << name;
  }
}

TEST(SystemCheck, ReportsFailuresWithTheirCure) {
  const std::vector<SystemFinding> findings = {{"kernel", "5.4", Verdict::kFail, "upgrade"},
                                               {"memlock", "8", Verdict::kOk, ""}};
  EXPECT_TRUE(has_failure(findings));
  EXPECT_EQ(report(findings, false), "FAIL  kernel: 5.4\n      upgrade\n");
  EXPECT_TRUE(says(report(findings, true), "OK    memlock: 8\n"));
}

}  // namespace
}  // namespace stampede::net
