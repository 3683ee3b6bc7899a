#include "tools/stampede/succession.h"

#include <string>
#include <utility>

#include "tools/stampede/units.h"

namespace stampede::tools {

Succession::Succession(net::Server& server, net::AdminListener* admin, const Settings& settings,
                       Log& log)
    : server_(server), admin_(admin), settings_(settings), log_(log) {}

Result<void> Succession::begin(std::optional<net::Takeover> predecessor) {
  if (settings_.takeover.empty()) return {};
  Result<std::unique_ptr<net::TakeoverHost>> host = net::TakeoverHost::bind(settings_.takeover);
  if (!host) return std::unexpected(std::move(host.error()));
  host_ = std::move(*host);
  if (Result<void> published = host_->publish(); !published) return published;
  if (predecessor) {
    // Whatever became of it, this broker serves.
    if (const Result<void> confirmed = predecessor->confirm(); !confirmed) {
      log_.write(net::LogLevel::kWarn, confirmed.error());
    }
    log_.write(net::LogLevel::kInfo, "took over pid=" + std::to_string(predecessor->old_pid()));
  }
  host_->serve(
      {.copy_sockets = [this] { return copy_sockets(); },
       .on_taken = [this](pid_t pid) { on_taken(pid); },
       .on_refused = [this](const std::string& line) { log_.write(net::LogLevel::kWarn, line); }});
  return {};
}

std::vector<net::SharedSocket> Succession::copy_sockets() {
  std::vector<net::SharedSocket> sockets = server_.copy_listening_sockets();
  if (!sockets.empty() && admin_ != nullptr) sockets.push_back(admin_->copy_socket());
  return sockets;
}

void Succession::on_taken(pid_t pid) {
  log_.write(net::LogLevel::kInfo, "draining taken_over_by=" + std::to_string(pid) +
                                       " connections=" + std::to_string(server_.connections()) +
                                       " drain_time=" + format_duration(settings_.drain_time_ms));
  if (admin_ != nullptr) admin_->leave_to_other();
  server_.drain({.for_ms = settings_.drain_time_ms});
}

}  // namespace stampede::tools
