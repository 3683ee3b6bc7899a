#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <thread>

#include "net/inherited_sockets.h"
#include "net/socket.h"
#include "net/wakeup.h"
#include "proto/base/result.h"
#include "proto/http_request.h"

namespace stampede::net {

// AdminListener serves operators over HTTP, on a thread of its own, so that what it does costs a
// shard nothing but the answers that it asks for. Each connection gets one answer.
//
// Owns:      its socket, its connections and the thread.
// Thread:    set-up only; the handler is called on the listener's thread, one request at a time.
// Invariant: a client that says nothing, or does not read, holds up nobody: each has a deadline,
// and
//            when the place for connections is full the oldest that still owes its request goes.
class AdminListener {
 public:
  using Handler = std::function<proto::HttpAnswer(const proto::HttpRequest& request)>;

  struct Options {
    std::string host;
    uint16_t port = 0;             // 0: the kernel picks one
    bool allow_anonymous = false;  // without it only loopback addresses may be listened on
  };
  // Its name among inherited sockets.
  static constexpr std::string_view kName = "admin";

  // Takes the address; whoever connects waits until serve().
  [[nodiscard]] static Result<std::unique_ptr<AdminListener>> bind(const Options& options,
                                                                   InheritedSockets& inherited);
  // Ends the thread and every connection, once the handler has returned.
  ~AdminListener();
  AdminListener(const AdminListener&) = delete;
  AdminListener& operator=(const AdminListener&) = delete;

  // Requires: called once.
  void serve(Handler handler);

  // Its socket once more, for a process that is to go on with it.
  [[nodiscard]] SharedSocket copy_socket() const;
  // That process does: takes no more requests from it.
  void leave_to_other();

  [[nodiscard]] std::string uri() const;  // "http://127.0.0.1:15672"
  [[nodiscard]] const std::string& host() const { return host_; }
  [[nodiscard]] uint16_t port() const { return port_; }

  static constexpr size_t kConnectionsMax = 64;
  static constexpr proto::HttpLimits kLimits = {.head_bytes_max = 8 * 1024, .headers_max = 64};
  // From the accept to the end of the request; and for each part of an answer to be taken.
  static constexpr int64_t kPatienceMs = 5'000;

 private:
  struct Connection;

  AdminListener(SharedSocket socket, std::string host, uint16_t port);

  void run();
  [[nodiscard]] int64_t next_deadline_ms() const;
  void wait();
  void serve_ready();
  void accept_waiting();
  void make_room();
  // False: the connection is over.
  [[nodiscard]] bool proceed(Connection& connection);
  [[nodiscard]] bool read_request(Connection& connection);
  [[nodiscard]] bool write_answer(Connection& connection);
  [[nodiscard]] static bool discard_input(Connection& connection);

  // Constant after construction, the handler after serve().
  const SharedSocket socket_;
  const std::string host_;
  const uint16_t port_;
  Handler handler_;
  // The listener's thread.
  std::list<Connection> connections_;  // the oldest first
  int64_t now_ms_ = 0;
  int64_t accept_again_ms_ = 0;  // out of descriptors: not before
  bool has_waiting_ = false;     // somebody waits to be accepted
  // Any thread.
  Wakeup wakeup_;
  std::atomic<bool> ending_ = false;
  std::atomic<bool> is_left_ = false;  // to another process
  std::thread thread_;
};

}  // namespace stampede::net
