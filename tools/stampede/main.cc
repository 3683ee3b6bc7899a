// stampede: parses what it is told, does what was asked, or runs the broker until a signal ends it.

#include <unistd.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/admin_listener.h"
#include "net/system_check.h"
#include "tools/stampede/about.h"
#include "tools/stampede/admin/admin_pages.h"
#include "tools/stampede/allocator.h"
#include "tools/stampede/config.h"
#include "tools/stampede/log.h"
#include "tools/stampede/out_of_memory.h"
#include "tools/stampede/ports_file.h"
#include "tools/stampede/readiness_watch.h"
#include "tools/stampede/service_manager.h"
#include "tools/stampede/signals.h"
#include "tools/stampede/special_options.h"
#include "tools/stampede/start_sockets.h"
#include "tools/stampede/succession.h"

namespace stampede::tools {
namespace {

enum ExitCode : int { kClean = 0, kError = 1, kBadUsage = 2, kSystemLacks = 78 };

int fail(ExitCode code, std::string_view why) {
  while (why.ends_with('\n')) why.remove_suffix(1);
  std::fprintf(stderr, "stampede: %.*s\n", static_cast<int>(why.size()), why.data());
  return code;
}

int print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  return std::fflush(stdout) == 0 ? kClean : kError;
}

int check_config(const Config& config) {
  const std::vector<std::string> errors = all_errors(config);
  if (errors.empty()) return print("OK " + config_digest(config) + "\n");
  for (const std::string& error : errors) fail(kError, error);
  return kError;
}

int check_system() {
  const std::vector<net::SystemFinding> findings = net::check_system();
  print(net::report(findings, true));
  return net::has_failure(findings) ? kSystemLacks : kClean;
}

// Requires: the settings are without errors.
net::ServerOptions server_options(const Settings& settings, std::vector<net::ListenUri> listeners,
                                  Log& log) {
  net::ServerOptions options = settings.server;
  options.listeners = std::move(listeners);
  options.return_memory = return_memory;
  options.log = [&log](net::LogLevel level, std::string_view line) { log.write(level, line); };
  return options;
}

// Null: it is off. The address is taken before there is a shard, so that one that is not to be had
// ends the start early.
Result<std::unique_ptr<net::AdminListener>> bind_admin(const Settings& settings,
                                                       net::InheritedSockets& inherited) {
  std::optional<net::AdminListener::Options> options = *parse_admin(settings.admin);
  if (!options) return nullptr;
  options->allow_anonymous = settings.server.allow_anonymous;
  Result<std::unique_ptr<net::AdminListener>> admin = net::AdminListener::bind(*options, inherited);
  if (!admin) return std::unexpected(admin.error() + " (--admin HOST:PORT, or --admin off)");
  return admin;
}

// Says where the broker listens.
void announce(const net::Server& server, const net::AdminListener* admin, Log& log) {
  std::string lines;
  for (const net::BoundListener& listener : server.bound()) {
    lines += "listening on " + listener.uri();
    std::string separator = " at ";
    for (const std::string& path : listener.paths) lines += std::exchange(separator, ", ") + path;
    lines += '\n';
  }
  if (admin != nullptr) lines += "admin on " + admin->uri() + "\n";
  log.write(net::LogLevel::kInfo,
            "started shards=" + std::to_string(server.shards()) +
                " pinned=" + (server.is_pinned() ? "yes" : "no") +
                " max_connections=" + std::to_string(server.connections_max()));
  print(lines + "ready\n");
}

int run(const Config& config) {
  block_signals();
  const Settings& settings = config.settings;
  const std::vector<net::SystemFinding> findings = net::check_system();
  if (net::has_failure(findings)) {
    return fail(kSystemLacks, "this system lacks something\n" + net::report(findings, false));
  }
  Result<std::unique_ptr<Log>> log = Log::open(settings);
  if (!log) return fail(kError, log.error());
  for (const std::string& key : config.unknown_keys) (*log)->write(net::LogLevel::kWarn, key);

  Result<StartSockets> sockets = gather_sockets(config);
  if (!sockets) return fail(kError, sockets.error());
  Result<std::unique_ptr<net::AdminListener>> bound_admin =
      bind_admin(settings, sockets->inherited);
  if (!bound_admin) return fail(kError, bound_admin.error());
  Result<std::unique_ptr<net::Server>> server =
      net::Server::start(server_options(settings, std::move(sockets->listeners), **log),
                         settings.broker, std::move(sockets->inherited));
  if (!server) return fail(kError, server.error());
  ReadinessWatch readiness;
  const SignalThread signals(**server, **log, settings, readiness);
  AdminPages pages(**server, settings, readiness);
  // Behind the server and the pages: its end is the end of what asks them.
  const std::unique_ptr<net::AdminListener> admin = std::move(*bound_admin);
  if (admin != nullptr) {
    admin->serve([&pages](const proto::HttpRequest& request) { return pages.answer(request); });
  }
  // What can still fail comes before the place of another broker is taken.
  if (!settings.ports_file.empty()) {
    if (const Result<void> written =
            write_ports_file(settings.ports_file, (*server)->bound(), admin.get());
        !written) {
      return fail(kError, written.error());
    }
  }
  Succession succession(**server, admin.get(), settings, **log);
  if (Result<void> begun = succession.begin(std::move(sockets->takeover)); !begun)
    return fail(kError, begun.error());
  announce(**server, admin.get(), **log);
  notify_service_manager("READY=1\nMAINPID=" + std::to_string(getpid()) + "\nSTATUS=serving");
  (*server)->wait();
  (*log)->write(net::LogLevel::kInfo, "stopped");
  return kClean;
}

int run_with_config(Action action, const Config& config) {
  if (action == Action::kCheckConfig) return check_config(config);
  for (const std::string& error : config.usage_errors) fail(kBadUsage, error);
  for (const std::string& error : config.file_errors) fail(kError, error);
  if (!config.usage_errors.empty()) return kBadUsage;
  if (!config.file_errors.empty()) return kError;
  if (action == Action::kPrintConfig) return print(print_config(config));
  return run(config);
}

}  // namespace
}  // namespace stampede::tools

int main(int argc, char** argv) {
  using namespace stampede::tools;
  end_when_out_of_memory();
  const stampede::Result<CommandLine> command_line = parse_command_line(argc, argv);
  if (!command_line) return fail(kBadUsage, command_line.error());
  switch (command_line->action) {
    case Action::kHelp:
      return print(help_text());
    case Action::kVersion:
      return print(version_line() + "\n");
    case Action::kCheckSystem:
      return check_system();
    default:
      return run_with_config(command_line->action, resolve_config(*command_line));
  }
}
