#include "tools/stampede_bench/report/report_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>

namespace stampede::bench {

Result<void> write_report_file(const std::string& path, std::string_view text) {
  errno = 0;
  if (path == "-") {
    if (std::cout << text << std::flush) return {};
  } else {
    std::ofstream file(path, std::ios::binary);
    file << text;
    file.close();
    if (file) return {};
  }
  const std::string target = path == "-" ? "standard output" : path;
  return std::unexpected("cannot write " + target + ": " + std::strerror(errno));
}

}  // namespace stampede::bench
