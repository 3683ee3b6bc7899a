# cmake -DSOURCE_DIR=... -DOUTPUT=... -P write_git_revision.cmake
# Writes a .cc file that defines git_revision(). The file is touched only if the revision changed, so that a
# build after which nothing is new compiles nothing.
execute_process(
  COMMAND git describe --always --dirty --abbrev=12 --exclude=*
  WORKING_DIRECTORY "${SOURCE_DIR}"
  OUTPUT_VARIABLE revision OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(failed OR revision STREQUAL "")
  set(revision "unknown")
endif()
file(CONFIGURE OUTPUT "${OUTPUT}" @ONLY CONTENT [[
#include "tools/stampede/build_info.h"

namespace stampede::tools {
std::string_view git_revision() { return "@revision@"; }
}  // namespace stampede::tools
]])
