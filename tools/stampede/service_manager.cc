#include "tools/stampede/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <optional>
#include <string>

namespace stampede::tools {
namespace {

constexpr int kFirstPassed = 3;  // SD_LISTEN_FDS_START
constexpr int kPassedMax = 1024;

std::optional<int> number_in(const char* name) {
  const char* const text = std::getenv(name);
  if (text == nullptr) return std::nullopt;
  const std::string_view digits(text);
  int number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return number;
}

// The name up to the next colon, which goes from the list.
std::string take_name(std::string_view& names) {
  const size_t end = names.find(':');
  const std::string name(names.substr(0, end));
  names.remove_prefix(end == std::string_view::npos ? names.size() : end + 1);
  return name.empty() ? "unknown" : name;
}

Result<net::InheritedSockets> adopt(int count, std::string_view names) {
  net::InheritedSockets sockets;
  for (int n = 0; n < count; ++n) {
    net::SharedSocket socket = {
        .fd = net::FileDescriptor(kFirstPassed + n), .name = take_name(names), .lives_on = true};
    if (Result<void> added = sockets.add(std::move(socket)); !added)
      return std::unexpected("LISTEN_FDS: " + added.error());
  }
  return sockets;
}

}  // namespace

Result<net::InheritedSockets> sockets_of_service_manager() {
  const std::optional<int> pid = number_in("LISTEN_PID");
  const std::optional<int> count = number_in("LISTEN_FDS");
  const char* const names = std::getenv("LISTEN_FDNAMES");
  const std::string copied_names = names == nullptr ? "" : names;
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) unsetenv(name);
  // Variables that came down from an ancestor are about its descriptors.
  if (!pid || *pid != getpid() || !count || *count <= 0) return net::InheritedSockets();
  if (*count > kPassedMax)
    return std::unexpected("LISTEN_FDS: " + std::to_string(*count) + " are too many");
  return adopt(*count, copied_names);
}

void notify_service_manager(std::string_view state) {
  const char* const path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || (path[0] != '/' && path[0] != '@')) return;
  const std::string_view name(path);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (name.size() >= sizeof(address.sun_path)) return;
  name.copy(address.sun_path, name.size());
  // An abstract name begins with NUL, and has none at its end.
  const bool is_abstract = address.sun_path[0] == '@';
  if (is_abstract) address.sun_path[0] = '\0';
  const size_t size = offsetof(sockaddr_un, sun_path) + name.size() + (is_abstract ? 0 : 1);
  const net::FileDescriptor fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return;
  // Best effort: a service manager that is gone is no reason to end.
  (void)sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL,
               reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(size));
}

}  // namespace stampede::tools
