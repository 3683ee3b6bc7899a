#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace stampede::bench {

struct FloorOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 0;  // 0 picks one
  // SO_SNDBUF as Stampede sets it, so that both stall at the same backlog; 0 leaves it to the
  // kernel.
  int send_buffer_bytes = 256 * 1024;
};

// Largest single send and receive, as in Stampede: 90 % of what coalescing gains is there at half
// of it.
inline constexpr size_t kFloorSendBytesMax = 64 * 1024;
inline constexpr size_t kFloorReceiveBytesMax = 64 * 1024;

// Ends the program with a line on stderr if the flags or the address are no good.
[[nodiscard]] FloorOptions floor_options(int argc, char** argv);
// A listening socket with TCP_NODELAY. Says where on stdout, then `ready`.
[[nodiscard]] int floor_listen(const FloorOptions& options);
// As many open files as the system lets us have.
void floor_raise_file_limit();

// FloorServer is what both floors share: records of the clients, and a batch for each topic that
// takes what one turn of the loop received. How octets come in and go out is the floor's own.
//
// Owns:      what is left of a record that a read cut in two; topics and who gets them.
// Thread:    the only one.
// Invariant: a batch goes to every subscriber in full, and in the order of the batches.
class FloorServer {
 public:
  virtual ~FloorServer() = default;

 protected:
  // Takes what connection `fd` sent. False if no client says that: end it.
  [[nodiscard]] bool take(int fd, std::string_view octets);
  // Hands over the batch of every topic that got something since the last flush.
  void flush();
  // The connection gets nothing any more.
  void forget(int fd);

  // Puts octets that are never freed behind what the connection is still to get.
  virtual void send_constant(int fd, std::string_view octets) = 0;
  // Sends the batch to each of the subscribers and leaves it empty.
  virtual void fan_out(std::string& batch, const std::vector<int>& subscribers) = 0;

 private:
  struct Topic {
    std::string batch;
    std::vector<int> subscribers;
  };
  struct Client {
    std::string record_begun;
    std::vector<uint32_t> topics;
  };

  void subscribe(int fd, uint32_t topic);
  void publish(uint32_t topic, std::string_view payload);
  void flush(Topic& topic);
  [[nodiscard]] Topic& topic_at(uint32_t number);
  [[nodiscard]] Client& client_at(int fd);

  std::vector<Client> clients_;  // by descriptor
  std::vector<Topic> topics_;    // by number
  std::vector<uint32_t> dirty_;  // topics whose batch is not empty
};

}  // namespace stampede::bench
