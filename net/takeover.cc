#include "net/takeover.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include "net/unix_packet.h"

namespace stampede::net {
namespace {

// The old broker answers at once, unless another new one is just before us.
constexpr int64_t kPatienceMs = 60'000;
// How often another one may come before us.
constexpr int kAttempts = 5;

std::string about(const std::string& path, const std::string& what) {
  return "--takeover " + path + ": " + what;
}

// An open connection; closed: nobody is there.
Result<FileDescriptor> dial(const std::string& path) {
  struct stat found = {};
  if (lstat(path.c_str(), &found) != 0) {
    if (errno == ENOENT) return FileDescriptor();
    return std::unexpected(std::string(std::strerror(errno)));
  }
  if (!S_ISSOCK(found.st_mode)) return std::unexpected(std::string("is there and is no socket"));
  Result<SocketAddress> address = unix_address(path);
  if (!address) return std::unexpected(std::move(address.error()));
  FileDescriptor fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return std::unexpected(std::string(std::strerror(errno)));
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address->storage), address->size) == 0)
    return fd;
  // A broker that was killed leaves its socket behind.
  if (errno == ECONNREFUSED || errno == ENOENT) return FileDescriptor();
  return std::unexpected("cannot connect to the broker there: " +
                         std::string(std::strerror(errno)));
}

}  // namespace

Result<std::optional<Takeover>> Takeover::ask(const std::string& path) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    Result<FileDescriptor> connection = dial(path);
    if (!connection) return std::unexpected(about(path, connection.error()));
    if (!connection->is_open()) return std::nullopt;
    const Result<uint32_t> user = peer_user(connection->get());
    if (!user) return std::unexpected(about(path, user.error()));
    if (*user != geteuid()) {
      return std::unexpected(
          about(path, "the broker there is another user's (uid " + std::to_string(*user) + ")"));
    }
    Takeover takeover(std::move(*connection));
    const Result<Answer> answer = takeover.receive_sockets();
    if (!answer) return std::unexpected(about(path, answer.error()));
    if (*answer == Answer::kSockets) return std::optional<Takeover>(std::move(takeover));
    if (*answer == Answer::kEnding) return std::nullopt;
    // Somebody else took its place meanwhile: that one is asked next.
  }
  return std::unexpected(about(path, "others took the broker's place again and again"));
}

Result<Takeover::Answer> Takeover::receive_sockets() {
  if (!send_packet(connection_.get(), takeover::kHello)) return Answer::kGone;
  while (true) {
    Result<UnixPacket> packet = receive_packet(connection_.get(), kPatienceMs);
    if (!packet) {
      if (packet.error().find("reset") != std::string::npos) return Answer::kGone;
      return std::unexpected(std::move(packet.error()));
    }
    std::string_view text = packet->text;
    if (text.empty()) return Answer::kGone;
    if (text == takeover::kEnding) return Answer::kEnding;
    if (text.starts_with(takeover::kRefused))
      return std::unexpected(std::string(text.substr(takeover::kRefused.size())));
    if (text.starts_with(takeover::kEnd)) {
      text.remove_prefix(takeover::kEnd.size());
      std::from_chars(text.data(), text.data() + text.size(), old_pid_);
      return Answer::kSockets;
    }
    const size_t name_end = text.rfind(' ');
    if (!text.starts_with(takeover::kSocket) || name_end < takeover::kSocket.size() ||
        !packet->passed.is_open()) {
      return std::unexpected(std::string("the broker there speaks another language"));
    }
    const size_t name_begin = takeover::kSocket.size();
    sockets_.push_back({.fd = std::move(packet->passed),
                        .name = std::string(text.substr(name_begin, name_end - name_begin)),
                        .lives_on = text.substr(name_end + 1) == "kept"});
  }
}

Result<void> Takeover::confirm() {
  const std::string ready = std::string(takeover::kReady) + std::to_string(getpid());
  if (Result<void> sent = send_packet(connection_.get(), ready); !sent)
    return std::unexpected("the broker whose place was taken is gone: " + sent.error());
  const Result<UnixPacket> answer = receive_packet(connection_.get(), kPatienceMs);
  if (!answer || answer->text != takeover::kBye)
    return std::unexpected("the broker whose place was taken did not say goodbye" +
                           (answer ? std::string() : ": " + answer.error()));
  connection_.reset();
  return {};
}

}  // namespace stampede::net
