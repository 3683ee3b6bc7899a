#pragma once

#include <string>

#include "tools/stampede_bench/load/delivery_check.h"
#include "tools/stampede_bench/load/load_loop.h"

namespace stampede::bench {

class LoadThread;

// LoadClient is one connection's part in the load: it subscribes, publishes, or both, and checks
// what it is sent.
//
// Owns:      what it expects. The link is the loop's.
// Thread:    its load thread.
// Lifetime:  outlives its link.
class LoadClient final : public LinkUser {
 public:
  LoadClient(LoadThread& thread, const ClientPlan& plan, Expectation expectation);

  // False if the system gives no socket.
  [[nodiscard]] bool connect(const net::SocketAddress* source);
  void publish(const Stamp& stamp);
  // Says DISCONNECT, if `politely`, and ends the connection, which is no error any more.
  void leave(bool politely);

  void on_connected() override;
  void on_subscribed() override;
  void on_delivery(std::string_view body, std::string_view ack_id) override;
  void on_refused(std::string_view reason) override;
  void on_lost(int error) override;

  [[nodiscard]] bool is_ready() const { return is_ready_; }
  [[nodiscard]] bool is_gone() const { return link_ == nullptr; }
  [[nodiscard]] bool subscribes() const { return plan_.destination != kNobody; }
  [[nodiscard]] uint32_t destination() const { return plan_.destination; }
  [[nodiscard]] uint32_t publisher() const { return plan_.publisher; }
  // What is still to be sent.
  [[nodiscard]] size_t unsent_bytes() const {
    return link_ == nullptr ? 0 : link_->out.size() + link_->sending.size();
  }
  [[nodiscard]] const DeliveryCheck& check() const { return check_; }

 private:
  void become_ready();
  // Of a delivery that is not the next in order.
  [[nodiscard]] bool take_other(const Stamp& stamp);

  // Constant after construction.
  LoadThread& thread_;
  const ClientPlan plan_;
  const Expectation expectation_;
  // Load thread.
  DeliveryCheck check_;
  Link* link_ = nullptr;
  int64_t connect_ns_ = 0;
  bool is_ready_ = false;
  bool is_leaving_ = false;
};

}  // namespace stampede::bench
