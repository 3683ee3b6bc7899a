#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/inherited_sockets.h"
#include "net/socket.h"
#include "proto/base/result.h"

namespace stampede::net {

// What two brokers say to each other over the socket of --takeover, packet by packet:
//
//     new:  stampede-takeover 1
//     old:  socket NAME own|kept     with its descriptor; one for each listening socket
//     old:  end PID                  or, instead of any of it: ending | refused WHY
//     new:  ready PID                it accepts from all that it wants of them
//     old:  bye                      it accepts no more, and its clients begin to leave
//
// A new broker that ends before it is ready has changed nothing.
namespace takeover {
inline constexpr std::string_view kHello = "stampede-takeover 1";
inline constexpr std::string_view kSocket = "socket ";
inline constexpr std::string_view kEnd = "end ";
inline constexpr std::string_view kEnding = "ending";
inline constexpr std::string_view kRefused = "refused ";
inline constexpr std::string_view kReady = "ready ";
inline constexpr std::string_view kBye = "bye";
}  // namespace takeover

// Takeover is the new broker's side.
//
// Owns:      the connection to the old one.
// Thread:    set-up only.
// Lifetime:  its end before confirm() leaves the old broker in its place.
class Takeover {
 public:
  // Null if no broker is there to be taken over from: no socket, nobody who listens, or one that
  // ends already. An error if there is one that is not ours to replace.
  [[nodiscard]] static Result<std::optional<Takeover>> ask(const std::string& path);

  // The old broker's listening sockets. Once.
  [[nodiscard]] std::vector<SharedSocket> take_sockets() { return std::move(sockets_); }
  [[nodiscard]] pid_t old_pid() const { return old_pid_; }

  // The new one serves. Returns when the old one has begun to drain.
  [[nodiscard]] Result<void> confirm();

 private:
  explicit Takeover(FileDescriptor connection) : connection_(std::move(connection)) {}
  enum class Answer : uint8_t { kSockets, kEnding, kGone };
  [[nodiscard]] Result<Answer> receive_sockets();

  FileDescriptor connection_;
  std::vector<SharedSocket> sockets_;
  pid_t old_pid_ = 0;
};

}  // namespace stampede::net
