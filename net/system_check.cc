#include "net/system_check.h"

#include <liburing.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>
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

namespace stampede::net {
namespace {

std::optional<int> read_integer(const char* path) {
  std::ifstream file(path);
  int value = 0;
  if (file >> value) return value;
  return std::nullopt;
}

std::string kernel_release() {
  utsname name = {};
  return uname(&name) == 0 ? name.release : "unknown";
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
    {IORING_OP_ACCEPT, "ACCEPT", "5.5"},   {IORING_OP_ASYNC_CANCEL, "ASYNC_CANCEL", "5.5"},
    {IORING_OP_POLL_ADD, "POLL_ADD", "5.1"}, {IORING_OP_RECV, "RECV", "5.6"},
    {IORING_OP_SEND, "SEND", "5.6"},       {IORING_OP_SENDMSG, "SENDMSG", "5.3"},
};

SystemFinding check_kernel() {
  SystemFinding finding = {"kernel", kernel_release(), Verdict::kOk, ""};
  const auto version = parse_kernel_version(finding.value);
  if (version && *version < kKernelFloor) {
    finding.verdict = Verdict::kFail;
    finding.hint = "Linux 6.1 or later is needed (Debian 12 has it)";
  }
  return finding;
}

SystemFinding check_disabled_sysctl() {
  const auto disabled = read_integer("/proc/sys/kernel/io_uring_disabled");
  SystemFinding finding = {"kernel.io_uring_disabled", disabled ? std::to_string(*disabled) : "absent",
                           Verdict::kOk, ""};
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

// Receives two octets through a buffer of the kernel's choice by a multishot receive; empty if it worked.
std::string try_multishot_receive(Ring& ring) {
  auto buffers = BufferRing::create(ring, 8, 4096);
  if (!buffers) return buffers.error();
  std::array<int, 2> pair = {-1, -1};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) return std::strerror(errno);
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
  findings.push_back({"multishot receive", problem.empty() ? "works" : problem,
                      problem.empty() ? Verdict::kOk : Verdict::kFail,
                      problem.empty() ? "" : "Linux 6.0 or later has it, with provided buffer rings"});
}

SystemFinding check_memlock() {
  const rlim_t limit = limit_of(RLIMIT_MEMLOCK).rlim_cur;
  return {"memlock", limit_text(limit), Verdict::kOk, ""};
}

SystemFinding check_nofile() {
  const rlimit limit = limit_of(RLIMIT_NOFILE);
  SystemFinding finding = {"nofile", limit_text(limit.rlim_cur) + " (hard " + limit_text(limit.rlim_max) + ")",
                           Verdict::kOk, ""};
  if (limit.rlim_max < 65536) {
    finding.verdict = Verdict::kWarn;
    finding.hint = "each connection is a descriptor: LimitNOFILE=1048576 (systemd), --ulimit nofile=1048576 (docker)";
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
  std::string value = std::to_string(usable_cores()) + " of " + std::to_string(usable_cpus().size());
  if (quota) value += " (cgroup quota " + std::to_string(*quota).substr(0, 4) + ")";
  SystemFinding finding = {"usable cores", value, Verdict::kOk, ""};
  if (quota && *quota < 1) {
    finding.verdict = Verdict::kWarn;
    finding.hint = "with less than one CPU the shard is stopped for a part of every period; latency shows it";
  }
  return finding;
}

// Which set-up flag an EINVAL is about: tries without the younger ones.
std::string find_missing_flag() {
  struct Step {
    unsigned flags;
    const char* name;
  };
  const Step steps[] = {
      {kRingSetupFlags & ~IORING_SETUP_DEFER_TASKRUN, "IORING_SETUP_DEFER_TASKRUN (Linux 6.1)"},
      {IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CLAMP,
       "IORING_SETUP_SINGLE_ISSUER (Linux 6.0)"},
      {IORING_SETUP_CLAMP, "IORING_SETUP_COOP_TASKRUN (Linux 5.19)"},
  };
  for (const Step& step : steps) {
    io_uring ring = {};
    io_uring_params params = {};
    params.flags = step.flags;
    params.cq_entries = 64;
    if (io_uring_queue_init_params(8, &ring, &params) == 0) {
      io_uring_queue_exit(&ring);
      return step.name;
    }
  }
  return "";
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk: return "OK";
    case Verdict::kWarn: return "WARN";
    case Verdict::kFail: return "FAIL";
  }
  return "FAIL";
}

std::vector<SystemFinding> check_system() {
  std::vector<SystemFinding> findings;
  findings.push_back(check_kernel());
  findings.push_back(check_disabled_sysctl());
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

RingSurroundings read_ring_surroundings() {
  const rlim_t memlock = limit_of(RLIMIT_MEMLOCK).rlim_cur;
  return {kernel_release(), read_integer("/proc/sys/kernel/io_uring_disabled"),
          memlock == RLIM_INFINITY ? UINT64_MAX : memlock, find_missing_flag()};
}

std::string explain_ring_error(int error, const RingSurroundings& surroundings) {
  const std::string kernel = "Linux " + surroundings.kernel_release;
  const int disabled = surroundings.io_uring_disabled.value_or(0);
  if (error == ENOSYS) {
    return "this kernel (" + kernel + ") has no io_uring, or a filter hides it: Linux 6.1 or later is needed";
  }
  if (error == EPERM && disabled == 2) {
    return "io_uring is switched off for all by sysctl kernel.io_uring_disabled=2: set it to 0, or to 1 "
           "with the service's group in kernel.io_uring_group";
  }
  if (error == EPERM && disabled == 1) {
    return "sysctl kernel.io_uring_disabled=1 keeps io_uring to CAP_SYS_ADMIN and to one group: set it to 0, "
           "or add the service's user to the group named by kernel.io_uring_group";
  }
  if (error == EPERM || error == EACCES) {
    return "io_uring is forbidden here, most likely by a seccomp filter: docker run --security-opt "
           "seccomp=FILE with a profile that allows io_uring_setup, io_uring_enter and io_uring_register; "
           "Kubernetes: a Localhost seccomp profile; systemd: SystemCallFilter=@system-service @aio "
           "io_uring_setup io_uring_enter io_uring_register";
  }
  if (error == ENOMEM) {
    const uint64_t limit = surroundings.memlock_bytes;
    return "no memory for the ring, the memlock limit is " +
           (limit == UINT64_MAX ? std::string("unlimited") : std::to_string(limit) + " bytes") +
           ": raise it (systemd LimitMEMLOCK=infinity, docker --ulimit memlock=-1) or start fewer shards";
  }
  if (error == EINVAL && !surroundings.missing_flag.empty()) {
    return "this kernel (" + kernel + ") lacks " + surroundings.missing_flag + ": Linux 6.1 or later is needed";
  }
  return "io_uring cannot be set up on " + kernel + ": " + std::strerror(error);
}

}  // namespace stampede::net
