#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/sim/sim_random.h"

namespace stampede::sim {

// What a simulated peer got: a STOMP frame taken apart by code that shares nothing with the
// broker's.
struct SimFrame {
  std::string command;
  std::map<std::string, std::string> headers;  // as on the wire but unescaped for 1.1 and 1.2
  std::string body;
};

// SimClient is the protocol half of a simulated peer: it writes frames as STOMP over TCP or
// WebSocket, in the odd ways that are legal, and reads what the broker writes. A violation by the
// broker throws std::runtime_error.
class SimClient {
 public:
  SimClient(bool is_websocket, int version, SimRandom& random);

  // -- Writing. Each gives octets for the wire.
  [[nodiscard]] std::string handshake() const;
  [[nodiscard]] std::string frame(std::string_view command,
                                  const std::vector<std::pair<std::string, std::string>>& headers,
                                  std::string_view body = {});
  [[nodiscard]] std::string heart_beat();
  [[nodiscard]] std::string ping();
  // What the pings that were read since asked last are answered with.
  [[nodiscard]] std::string take_pongs() { return std::exchange(pongs_, {}); }

  // -- Reading. Frames that became complete.
  [[nodiscard]] std::vector<SimFrame> read(std::string_view octets);
  // What was read ends at a frame border.
  void check_border() const;

  [[nodiscard]] int version() const { return version_; }
  [[nodiscard]] bool is_websocket() const { return is_websocket_; }
  [[nodiscard]] int close_code() const { return close_code_; }

 private:
  [[nodiscard]] std::string mask_frame(uint8_t first_octet, std::string_view payload);
  [[nodiscard]] std::string to_websocket(std::string_view octets);
  void read_websocket(std::vector<SimFrame>& frames);
  void read_stomp(std::string_view octets, bool is_whole, std::vector<SimFrame>& frames);
  [[nodiscard]] std::string escape(std::string_view text) const;
  [[nodiscard]] std::string unescape(std::string_view text) const;

  SimRandom& random_;
  const bool is_websocket_;
  const int version_;  // 10, 11, 12
  bool is_upgraded_ = false;
  std::string wire_;  // received, not yet taken apart
  std::string stomp_;
  std::string pongs_;
  int close_code_ = 0;
};

}  // namespace stampede::sim
