#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "net/socket.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_random.h"

namespace stampede::net {

// FaultPeer is a client with a real socket that never blocks: what it is to say waits until the
// socket takes it, and what came is read in pieces.
class FaultPeer {
 public:
  struct Kind {
    bool is_websocket;
    int version;                   // 10, 11, 12
    int receive_buffer_bytes = 0;  // 0: what the kernel gives
  };
  // Connects from an address of its own, and says CONNECT.
  FaultPeer(size_t number, uint16_t port, const Kind& kind, sim::SimRandom& random);

  void say(std::string_view command,
           const std::vector<std::pair<std::string, std::string>>& headers,
           std::string_view body = {});
  // Reads at most `bytes`, and writes what the socket takes. Frames that became complete. Throws
  // std::runtime_error if an end in order leaves half a frame.
  [[nodiscard]] std::vector<sim::SimFrame> exchange(size_t bytes);

  // -- Leaving. end_stream() waits until all is said.
  void end_stream() { is_ending_ = true; }
  void reset();
  void close() { fd_.reset(); }

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] bool is_open() const { return fd_.is_open(); }
  [[nodiscard]] bool has_to_say() const { return !outgoing_.empty() || is_ending_; }
  // The broker's end was seen, or the connection is lost.
  [[nodiscard]] bool is_over() const { return is_over_; }
  [[nodiscard]] const std::string& name() const { return name_; }  // as the broker's log has it
  [[nodiscard]] int close_code() const { return protocol_.close_code(); }

 private:
  void speak();

  FileDescriptor fd_;
  std::string name_;
  sim::SimClient protocol_;
  std::string outgoing_;
  bool is_ending_ = false;
  bool has_send_failed_ = false;
  bool is_over_ = false;
};

}  // namespace stampede::net
