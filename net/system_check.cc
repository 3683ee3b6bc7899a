#include "net/system_check.h"

#include <liburing.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>

#include "net/buffer_ring.h"
#include "net/cpus.h"
#include "net/ring.h"
#include "net/ring_error.h"

namespace stampede::net {
namespace {

std::optional<int> read_integer(const char* path) {
  std::ifstream file(path);
  int value = 0;
  if (file >> value) return value;
  return std::nullopt;
}

rlimit limit_of(__rlimit_resource resource) {
  rlimit limit = {};
  (void)getrlimit(resource, &limit);
  return limit;
}

std::string limit_text(rlim_t limit) {
  return limit == RLIM_INFINITY ? "unlimited" : std::to_string(limit);
}

struct NeededOpcode {
  int opcode;
  const char* name;
  const char* since;
};

constexpr NeededOpcode kNeededOpcodes[] = {
    {IORING_OP_ACCEPT, "ACCEPT", "5.5"},     {IORING_OP_ASYNC_CANCEL, "ASYNC_CANCEL", "5.5"},
    {IORING_OP_POLL_ADD, "POLL_ADD", "5.1"}, {IORING_OP_RECV, "RECV", "5.6"},
    {IORING_OP_SEND, "SEND", "5.6"},         {IORING_OP_SENDMSG, "SENDMSG", "5.3"},
};

SystemFinding check_kernel(const RingSurroundings& surroundings) {
  SystemFinding finding = {"kernel", surroundings.kernel_release, Verdict::kOk, ""};
  const auto version = parse_kernel_version(finding.value);
  if (version && *version < kKernelFloor) {
    finding.verdict = Verdict::kFail;
    finding.hint = "Linux 6.1 or later is needed (Debian 12 has it)";
  }
  return finding;
}

SystemFinding check_disabled_sysctl(const RingSurroundings& surroundings) {
  const std::optional<int> disabled = surroundings.io_uring_disabled;
  SystemFinding finding = {"kernel.io_uring_disabled",
                           disabled ? std::to_string(*disabled) : "absent", Verdict::kOk, ""};
  // Whether 1 shuts us out depends on groups and capabilities; the ring that is tried next decides.
  if (disabled.value_or(0) != 0) {
    finding.verdict = Verdict::kWarn;
    finding.hint = "sysctl kernel.io_uring_disabled=0 allows it to everybody";
  }
  return finding;
}

SystemFinding check_opcodes(Ring& ring) {
  SystemFinding finding = {"io_uring opcodes", "", Verdict::kOk, ""};
  io_uring_probe* const probe = io_uring_get_probe_ring(&ring.raw());
  if (probe == nullptr) {
    return {finding.name, "cannot be asked for", Verdict::kWarn, "the kernel gives no probe"};
  }
  for (const NeededOpcode& needed : kNeededOpcodes) {
    if (io_uring_opcode_supported(probe, needed.opcode)) {
      finding.value += std::string(finding.value.empty() ? "" : " ") + needed.name;
      continue;
    }
    finding.verdict = Verdict::kFail;
    finding.hint += std::string(finding.hint.empty() ? "" : "; ") + "IORING_OP_" + needed.name +
                    " is missing, it came with Linux " + needed.since;
  }
  io_uring_free_probe(probe);
  return finding;
}

// Receives two octets through a buffer of the kernel's choice by a multishot receive; empty if it
// worked.
std::string try_multishot_receive(Ring& ring) {
  auto buffers = BufferRing::create(ring, 8, 4096);
  if (!buffers) return buffers.error();
  std::array<int, 2> pair = {-1, -1};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0)
    return std::strerror(errno);
  io_uring_sqe* const sqe = ring.get_sqe();
  io_uring_prep_recv_multishot(sqe, pair[0], nullptr, 0, 0);
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = kReceiveBufferGroup;
  ring.submit();
  (void)!write(pair[1], "ok", 2);
  std::string problem = "no completion came";
  ring.submit_and_wait(1'000'000'000);
  ring.reap(1, [&](const Completion& completion) {
    if (completion.result < 0) {
      problem = std::strerror(-completion.result);
    } else if (completion.has_buffer() && completion.has_more()) {
      problem.clear();
    } else {
      problem = "the kernel took it for a single receive";
    }
  });
  close(pair[1]);
  // The end of the stream ends the multishot; it must be over before the buffers go.
  ring.submit_and_wait(1'000'000'000);
  ring.reap(SIZE_MAX, [](const Completion&) {});
  close(pair[0]);
  return problem;
}

void check_ring(std::vector<SystemFinding>& findings) {
  auto ring = Ring::create(64, 512);
  if (!ring) {
    findings.push_back({"io_uring", "not available", Verdict::kFail, ring.error()});
    return;
  }
  findings.push_back({"io_uring", "SINGLE_ISSUER DEFER_TASKRUN COOP_TASKRUN", Verdict::kOk, ""});
  findings.push_back(check_opcodes(**ring));
  const std::string problem = try_multishot_receive(**ring);
  findings.push_back(
      {"multishot receive", problem.empty() ? "works" : problem,
       problem.empty() ? Verdict::kOk : Verdict::kFail,
       problem.empty() ? "" : "Linux 6.0 or later has it, with provided buffer rings"});
}

SystemFinding check_memlock() {
  const rlim_t limit = limit_of(RLIMIT_MEMLOCK).rlim_cur;
  return {"memlock", limit_text(limit), Verdict::kOk, ""};
}

SystemFinding check_nofile() {
  const rlimit limit = limit_of(RLIMIT_NOFILE);
  SystemFinding finding = {
      "nofile", limit_text(limit.rlim_cur) + " (hard " + limit_text(limit.rlim_max) + ")",
      Verdict::kOk, ""};
  if (limit.rlim_max < 65536) {
    finding.verdict = Verdict::kWarn;
    finding.hint =
        "each connection is a descriptor: LimitNOFILE=1048576 (systemd), --ulimit nofile=1048576 "
        "(docker)";
  }
  return finding;
}

SystemFinding check_somaxconn() {
  const int limit = read_integer("/proc/sys/net/core/somaxconn").value_or(4096);
  SystemFinding finding = {"net.core.somaxconn", std::to_string(limit), Verdict::kOk, ""};
  if (limit < 4096) {
    finding.verdict = Verdict::kWarn;
    finding.hint = "a burst of connects is cut to this length: sysctl net.core.somaxconn=4096";
  }
  return finding;
}

SystemFinding check_cores() {
  const auto quota = cgroup_cpu_quota();
  std::string value =
      std::to_string(usable_cores()) + " of " + std::to_string(usable_cpus().size());
  if (quota) value += " (cgroup quota " + std::to_string(*quota).substr(0, 4) + ")";
  SystemFinding finding = {"usable cores", value, Verdict::kOk, ""};
  if (quota && *quota < 1) {
    finding.verdict = Verdict::kWarn;
    finding.hint =
        "with less than one CPU the shard is stopped for a part of every period; latency shows it";
  }
  return finding;
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk:
      return "OK";
    case Verdict::kWarn:
      return "WARN";
    case Verdict::kFail:
      return "FAIL";
  }
  return "FAIL";
}

std::vector<SystemFinding> check_system() {
  std::vector<SystemFinding> findings;
  const RingSurroundings surroundings = read_ring_surroundings();
  findings.push_back(check_kernel(surroundings));
  findings.push_back(check_disabled_sysctl(surroundings));
  check_ring(findings);
  findings.push_back(check_memlock());
  findings.push_back(check_nofile());
  findings.push_back(check_somaxconn());
  findings.push_back(check_cores());
  return findings;
}

bool has_failure(const std::vector<SystemFinding>& findings) {
  return std::ranges::any_of(findings,
                             [](const SystemFinding& f) { return f.verdict == Verdict::kFail; });
}

std::string report(const std::vector<SystemFinding>& findings, bool all) {
  std::string text;
  for (const SystemFinding& finding : findings) {
    if (!all && finding.verdict == Verdict::kOk) continue;
    std::string verdict(to_string(finding.verdict));
    verdict.resize(6, ' ');
    text += verdict + finding.name + ": " + finding.value + "\n";
    if (!finding.hint.empty()) text += "      " + finding.hint + "\n";
  }
  return text;
}

std::optional<KernelVersion> parse_kernel_version(std::string_view release) {
  KernelVersion version;
  const char* const end = release.data() + release.size();
  const auto major = std::from_chars(release.data(), end, version.major);
  if (major.ec != std::errc() || major.ptr == end || *major.ptr != '.') return std::nullopt;
  const auto minor = std::from_chars(major.ptr + 1, end, version.minor);
  if (minor.ec != std::errc()) return std::nullopt;
  return version;
}

}  // namespace stampede::net
