#include "tools/stampede/ports_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "tools/stampede/log_line.h"

namespace stampede::tools {
namespace {

std::string listener_json(const net::BoundListener& listener) {
  std::string paths;
  for (const std::string& path : listener.paths)
    paths += (paths.empty() ? "" : ",") + json_string(path);
  return "{\"uri\":" + json_string(listener.uri()) +
         ",\"transport\":" + json_string(net::scheme_of(listener.transport)) +
         ",\"host\":" + json_string(listener.host) + ",\"port\":" + std::to_string(listener.port) +
         ",\"paths\":[" + paths + "]}";
}

std::string admin_json(const net::AdminListener* admin) {
  if (admin == nullptr) return "null";
  return "{\"uri\":" + json_string(admin->uri()) + ",\"host\":" + json_string(admin->host()) +
         ",\"port\":" + std::to_string(admin->port()) + "}";
}

}  // namespace

std::string ports_json(int pid, const std::vector<net::BoundListener>& listeners,
                       const net::AdminListener* admin) {
  std::string entries;
  for (const net::BoundListener& listener : listeners) {
    entries += (entries.empty() ? "" : ",") + listener_json(listener);
  }
  return "{\"pid\":" + std::to_string(pid) + ",\"listeners\":[" + entries +
         "],\"admin\":" + admin_json(admin) + "}\n";
}

Result<void> write_ports_file(const std::string& path,
                              const std::vector<net::BoundListener>& listeners,
                              const net::AdminListener* admin) {
  const int pid = getpid();
  const std::string unfinished = path + "." + std::to_string(pid) + ".tmp";
  std::ofstream file(unfinished);
  file << ports_json(pid, listeners, admin);
  file.close();
  if (!file || std::rename(unfinished.c_str(), path.c_str()) != 0) {
    const std::string why = std::strerror(errno);
    std::remove(unfinished.c_str());
    return std::unexpected("cannot write --ports-file " + path + ": " + why);
  }
  return {};
}

}  // namespace stampede::tools
