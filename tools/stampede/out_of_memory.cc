#include "tools/stampede/out_of_memory.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <new>
#include <string_view>

// mimalloc's, if the program is linked with it: it knows nothing of C++'s handler.
extern "C" [[gnu::weak]] void mi_register_error(void (*on_error)(int error, void* context),
                                                void* context);

namespace stampede::tools {
namespace {

[[noreturn]] void end_program() {
  constexpr std::string_view kLine =
      "stampede: out of memory: the system refused more. Give it more (MemoryMax of the unit or "
      "container, ulimit -v), or lower what it may hold (--memory-limit, --max-queue-bytes, "
      "--slow-consumer-bytes, --max-connections)\n";
  // Nothing that allocates.
  (void)!write(STDERR_FILENO, kLine.data(), kLine.size());
  std::abort();
}

}  // namespace

void end_when_out_of_memory() {
  std::set_new_handler(end_program);
  if (mi_register_error == nullptr) return;
  mi_register_error(
      [](int error, void*) {
        if (error == ENOMEM) end_program();
      },
      nullptr);
}

}  // namespace stampede::tools
