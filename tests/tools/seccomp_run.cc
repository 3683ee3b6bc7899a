// seccomp_run EPERM|ENOSYS PROGRAM [ARGUMENT...]
// Runs the program where io_uring_setup fails with that error, as in a container whose seccomp profile forbids it (EPERM)
// or on a kernel built without it (ENOSYS).

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>

namespace {

bool refuse_io_uring(unsigned error) {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter = {sizeof(program) / sizeof(program[0]), program};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  const bool is_eperm = argc > 2 && std::strcmp(argv[1], "EPERM") == 0;
  const bool is_enosys = argc > 2 && std::strcmp(argv[1], "ENOSYS") == 0;
  if (!is_eperm && !is_enosys) {
    std::fprintf(stderr, "usage: seccomp_run EPERM|ENOSYS PROGRAM [ARGUMENT...]\n");
    return 2;
  }
  if (!refuse_io_uring(is_eperm ? EPERM : ENOSYS)) {
    std::perror("seccomp_run: prctl");
    return 125;
  }
  execv(argv[2], argv + 2);
  std::perror("seccomp_run: execv");
  return 127;
}
