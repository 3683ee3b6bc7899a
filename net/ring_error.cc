#include "net/ring_error.h"

#include <liburing.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "net/ring.h"

namespace stampede::net {
namespace {

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

RingSurroundings read_ring_surroundings() {
  RingSurroundings surroundings = {};
  utsname name = {};
  surroundings.kernel_release = uname(&name) == 0 ? name.release : "unknown";
  std::ifstream file("/proc/sys/kernel/io_uring_disabled");
  if (int value = 0; file >> value) surroundings.io_uring_disabled = value;
  rlimit limit = {};
  (void)getrlimit(RLIMIT_MEMLOCK, &limit);
  surroundings.memlock_bytes = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
  surroundings.missing_flag = find_missing_flag();
  return surroundings;
}

std::string explain_ring_error(int error, const RingSurroundings& surroundings) {
  const std::string kernel = "Linux " + surroundings.kernel_release;
  const int disabled = surroundings.io_uring_disabled.value_or(0);
  const uint64_t memlock = surroundings.memlock_bytes;
  if (error == ENOSYS) {
    return "this kernel (" + kernel +
           ") has no io_uring, or a filter hides it: Linux 6.1 or later is needed";
  }
  if (error == EPERM && disabled == 2) {
    return "sysctl kernel.io_uring_disabled=2 switches io_uring off for all: set it to 0, or to 1 "
           "with "
           "the service's group in kernel.io_uring_group";
  }
  if (error == EPERM && disabled == 1) {
    return "sysctl kernel.io_uring_disabled=1 keeps io_uring to CAP_SYS_ADMIN and to one group: "
           "set it "
           "to 0, or add the service's user to the group named by kernel.io_uring_group";
  }
  if (error == EPERM || error == EACCES) {
    return "io_uring is forbidden here, most likely by a seccomp filter; io_uring_setup, "
           "io_uring_enter and io_uring_register must be allowed. docker: --security-opt "
           "seccomp=FILE; "
           "Kubernetes: a Localhost seccomp profile; systemd: SystemCallFilter=@system-service "
           "@aio";
  }
  if (error == ENOMEM) {
    return "no memory for the ring, the memlock limit is " +
           (memlock == UINT64_MAX ? "unlimited" : std::to_string(memlock) + " bytes") +
           ": raise it (systemd LimitMEMLOCK=infinity, docker --ulimit memlock=-1) or start fewer "
           "shards";
  }
  if (error == EINVAL && !surroundings.missing_flag.empty()) {
    return "this kernel (" + kernel + ") lacks " + surroundings.missing_flag +
           ": Linux 6.1 or later is needed";
  }
  return "io_uring cannot be set up on " + kernel + ": " + std::strerror(error);
}

}  // namespace stampede::net
