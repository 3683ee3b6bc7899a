#pragma once

#include <pthread.h>
#include <signal.h>

#include <string>
#include <thread>
#include <utility>

namespace stampede::net {

// A thread that gets no signals: they are for the thread that waits for them, and a new thread
// inherits the mask. `name` is what the system's tools show, 15 octets at most.
template <typename Run>
[[nodiscard]] std::thread start_thread(const std::string& name, Run&& run) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::forward<Run>(run));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(thread.native_handle(), name.c_str());
  return thread;
}

}  // namespace stampede::net
