#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "net/inherited_sockets.h"
#include "net/socket.h"
#include "net/wakeup.h"
#include "proto/base/result.h"

namespace stampede::net {

// TakeoverHost lets a new broker take this one's place (takeover.h has what they say): it listens
// on a socket in the file system that only its own user can connect to.
//
// Owns:      that socket, and a thread.
// Thread:    set-up only; the events come on the host's thread.
// Invariant: one new broker at a time; the path is always one that somebody listens on, from
//            publish() of the first broker to the end of the last.
class TakeoverHost {
 public:
  struct Events {
    // None: the broker ends already.
    std::function<std::vector<SharedSocket>()> copy_sockets;
    // The new broker serves. Afterwards nobody else can ask.
    std::function<void(pid_t)> on_taken;
    // One line for the log.
    std::function<void(const std::string&)> on_refused;
  };

  // Makes the socket, beside its path.
  [[nodiscard]] static Result<std::unique_ptr<TakeoverHost>> bind(const std::string& path);
  // Ends the thread. Removes the path, if it is still this one's.
  ~TakeoverHost();
  TakeoverHost(const TakeoverHost&) = delete;
  TakeoverHost& operator=(const TakeoverHost&) = delete;

  // Gives it its path, whoever had that. Who connects waits until serve().
  [[nodiscard]] Result<void> publish();
  // Requires: called once.
  void serve(Events events);

 private:
  TakeoverHost(std::string path, std::string unfinished, FileDescriptor socket);

  void run();
  // True: the broker's place is taken.
  [[nodiscard]] bool receive(const FileDescriptor& connection);
  [[nodiscard]] bool pass_sockets(int connection);
  // Until the descriptor is readable or hangs up; false: it is not in time, or the host ends.
  [[nodiscard]] bool wait_for(int fd, int64_t patience_ms);

  const std::string path_;
  const std::string unfinished_;  // where it is before publish()
  FileDescriptor socket_;
  uint64_t inode_ = 0;
  bool is_published_ = false;
  Events events_;
  Wakeup wakeup_;
  std::atomic<bool> ending_ = false;
  std::thread thread_;
};

}  // namespace stampede::net
