#include "tests/sim/sim_seeds.h"

#include <unistd.h>

#include <csignal>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace stampede::sim {

namespace {

// Made ready before, as nothing that allocates may be called when the program dies.
std::string& last_words() {
  static std::string text;
  return text;
}

void say_last_words() {
  const std::string& text = last_words();
  (void)!write(STDERR_FILENO, text.data(), text.size());
}

void on_death(int signal) {
  say_last_words();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void listen() {
  std::signal(SIGABRT, on_death);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  __sanitizer_set_death_callback(say_last_words);
#else
  std::signal(SIGSEGV, on_death);
#endif
}

}  // namespace

void tell_on_death(uint64_t seed) {
  last_words() = "died of seed " + std::to_string(seed) + "\n";
  listen();
}

}  // namespace stampede::sim
