#include "tools/stampede_bench/flags.h"

#include <CLI/CLI.hpp>

#include <functional>
#include <utility>

#include "tools/stampede/about.h"
#include "tools/stampede/units.h"
#include "tools/stampede_bench/load/stamp.h"

namespace stampede::bench {
namespace {

constexpr uint64_t kBodyBytesMax = uint64_t{16} << 20;
constexpr uint32_t kThreadsMax = 256;
// What a schedule in ns can hold.
constexpr double kRateMin = 0.001;
constexpr double kRateMax = 1e9;
constexpr double kChurnRateMax = 100'000;
constexpr int64_t kTimeMaxMs = int64_t{30} * 24 * 3600 * 1000;
constexpr uint32_t kClientsMax = 1'000'000;
constexpr uint32_t kPublishersMax = 1U << 20;

// A flag whose text is read by one of tools/stampede/units.h.
template <typename T>
void add_unit(CLI::App& app, const std::string& name, T& target,
              const std::function<Result<T>(std::string_view)>& parse, const std::string& help,
              const std::string& unit) {
  app.add_option_function<std::string>(
         name,
         [&target, parse](const std::string& text) {
           auto value = parse(text);
           if (!value) throw CLI::ValidationError(value.error());
           target = *value;
         },
         help)
      ->type_name(unit);
}

void add_duration(CLI::App& app, const std::string& name, int64_t& target,
                  const std::string& help) {
  const auto parse = [](std::string_view text) -> Result<int64_t> {
    Result<int64_t> time = tools::parse_duration(text);
    if (time && *time > kTimeMaxMs)
      return std::unexpected(std::string(text) + " is more than 30 days");
    return time;
  };
  add_unit<int64_t>(app, name, target, parse,
                    help + " (default " + tools::format_duration(target) + ")", "TIME");
}

void add_connection_flags(CLI::App& app, BenchOptions& options) {
  app.add_option("--url", options.url,
                 "ws://H:P/path or stomp://H:P; for comparisons with other brokers nats://, "
                 "nats+ws://, mqtt://, mqtt+ws://, floor://")
      ->capture_default_str();
  app.add_option("--login", options.target.login, "login header of CONNECT");
  app.add_option("--passcode", options.target.passcode, "passcode header of CONNECT");
  app.add_option("--host", options.target.virtual_host, "host header of CONNECT")
      ->capture_default_str();
  app.add_option("--source-ip", options.source_ips,
                 "local addresses to connect from, in turn: each gives 28,000 connections")
      ->delimiter(',')
      ->type_name("A,B");
  app.add_option("--connect-parallel", options.connect_parallel,
                 "connections of a thread that are being set up at a time")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  add_duration(app, "--set-up-time", options.set_up_ms, "for all connections and subscriptions");
  app.add_option("--threads", options.threads, "load threads")
      ->check(CLI::Range(1U, kThreadsMax))
      ->capture_default_str();
}

void add_run_flags(CLI::App& app, BenchOptions& options) {
  add_duration(app, "--warm-up", options.warm_up_ms, "of load before the measured window");
  add_duration(app, "--duration", options.duration_ms, "the measured window");
  add_duration(app, "--settle", options.settle_ms,
               "wait between the last subscription and the first publish");
  add_duration(app, "--drain-time", options.drain_ms,
               "for what is in flight at the end; what is missing then is lost");
  app.add_option("--server-pid", options.server_pid,
                 "process whose CPU and memory are part of the report")
      ->check(CLI::PositiveNumber)
      ->type_name("PID");
  app.add_option("--json", options.json_file, "one JSON object; '-' is standard output")
      ->type_name("FILE");
  app.add_option("--csv", options.csv_file, "the series over time")->type_name("FILE");
  app.add_option("--hdr", options.hdr_file, "latencies as HdrHistogram's plotters read them")
      ->type_name("FILE");
  app.add_option("--plot", options.plot_file, "one HTML page that opens offline")
      ->type_name("FILE");
  app.add_option("--fail-if", options.fail_if,
                 "condition such as 'p99>5ms' that makes the exit code 3 (may be repeated)")
      ->type_name("EXPR");
}

void add_destination_flags(CLI::App& app, BenchOptions& options) {
  app.add_option("--destination", options.destination, "prefix of destinations; .N is appended")
      ->capture_default_str();
  app.add_option_function<std::string>(
         "--subscription-id",
         [&options](const std::string& kind) { options.has_uuid_ids = kind == "uuid"; },
         "'fixed' (sub-0 for all) or 'uuid' (each its own); default fixed")
      ->check(CLI::IsMember({"fixed", "uuid"}));
}

void add_publish_flags(CLI::App& app, BenchOptions& options) {
  add_unit<uint64_t>(app, "--body-size", options.body_bytes, tools::parse_size,
                     "of a message's body (default 100)", "SIZE");
  app.add_option("--rate", options.rate,
                 "publishes a second in all, on a schedule: latency counts from the intended "
                 "time. Without it the loop is closed by --window")
      ->check(CLI::PositiveNumber);
  app.add_option("--window", options.window,
                 "closed loop: publishes in all that may be on their way to some subscriber")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--burst", options.burst, "closed loop: publish that many at a time")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
}

void add_count(CLI::App& app, const std::string& name, uint32_t& target, uint32_t max,
               const std::string& help) {
  app.add_option(name, target, help)->check(CLI::Range(1U, max))->capture_default_str();
}

CLI::App* add_scenario(CLI::App& app, BenchOptions& options, Scenario scenario,
                       const std::string& help) {
  CLI::App* const command = app.add_subcommand(to_string(scenario), help);
  command->callback([&options, scenario] { options.scenario = scenario; });
  add_connection_flags(*command, options);
  add_destination_flags(*command, options);
  return command;
}

void add_scenarios(CLI::App& app, BenchOptions& options) {
  CLI::App* const fan_out = add_scenario(app, options, Scenario::kFanOut,
                                         "subscribers of some destinations, publishers to all");
  CLI::App* const echo =
      add_scenario(app, options, Scenario::kEcho,
                   "each connection subscribes to a destination of its own and publishes to it");
  CLI::App* const idle =
      add_scenario(app, options, Scenario::kIdle, "subscribed connections and no traffic");
  CLI::App* const churn = add_scenario(app, options, Scenario::kChurn,
                                       "fanout, while other subscribers come, stay and go");
  CLI::App* const queue = add_scenario(app, options, Scenario::kQueue,
                                       "each message goes to exactly one of a queue's consumers");
  for (CLI::App* const command : {fan_out, churn, queue}) {
    add_count(*command, "--subscribers", options.subscribers, kClientsMax,
              "subscribers of all destinations together");
    add_count(*command, "--publishers", options.publishers, kPublishersMax,
              "publishers; each goes through all destinations in turn");
    add_count(*command, "--destinations", options.destinations, kClientsMax, "destinations");
  }
  add_count(*echo, "--connections", options.subscribers, kPublishersMax, "connections");
  for (CLI::App* const command : {idle}) {
    add_count(*command, "--connections,--subscribers", options.subscribers, kClientsMax,
              "subscribed connections");
    add_count(*command, "--destinations", options.destinations, kClientsMax, "destinations");
  }
  for (CLI::App* const command : {fan_out, echo, churn, queue})
    add_publish_flags(*command, options);
  churn->add_option("--churn-rate", options.churn_rate, "connections a second that come")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  add_duration(*churn, "--churn-stay", options.churn_stay_ms, "how long they stay");
  queue->add_option("--ack", options.ack, "how messages are acknowledged")
      ->check(CLI::IsMember({"auto", "client", "client-individual"}))
      ->capture_default_str();
  queue
      ->add_option(
          "--prefetch", options.prefetch,
          "deliveries to a consumer that may wait for ACK (prefetch-count); 0 asks for none")
      ->capture_default_str();
  for (CLI::App* const command : {fan_out, echo, idle, churn, queue})
    add_run_flags(*command, options);
}

Result<void> complete(BenchOptions& options) {
  std::string error;
  if (!parse_target(options.url, options.target, error)) return std::unexpected(error);
  if (options.scenario == Scenario::kQueue && options.destination == BenchOptions().destination)
    options.destination = "/queue/bench";
  if (options.body_bytes < kStampBytes || options.body_bytes > kBodyBytesMax) {
    return std::unexpected("--body-size must be " + std::to_string(kStampBytes) + " to " +
                           std::to_string(kBodyBytesMax));
  }
  // Written so that "nan" fails.
  const auto is_rate = [](double rate, double max) { return rate >= kRateMin && rate <= max; };
  if (options.rate != 0 && !is_rate(options.rate, kRateMax))
    return std::unexpected("--rate must be 0.001 to 1e9");
  if (!is_rate(options.churn_rate, kChurnRateMax))
    return std::unexpected("--churn-rate must be 0.001 to 100000");
  if (options.scenario == Scenario::kQueue && options.destinations > options.subscribers)
    return std::unexpected(
        "--destinations must not be more than --subscribers: a queue without a "
        "consumer keeps what it is sent");
  if (options.has_uuid_ids) options.target.floor_subscription_id.assign(36, 'x');
  if (options.duration_ms < 100) return std::unexpected("--duration must be 100ms or more");
  return {};
}

}  // namespace

const char* to_string(Scenario scenario) {
  switch (scenario) {
    case Scenario::kFanOut:
      return "fanout";
    case Scenario::kEcho:
      return "echo";
    case Scenario::kIdle:
      return "idle";
    case Scenario::kChurn:
      return "churn";
    case Scenario::kQueue:
      return "queue";
  }
  return "";
}

Result<CommandLine> parse_command_line(int argc, const char* const* argv) {
  CommandLine line;
  CLI::App app(
      "Loads a STOMP broker and measures it: every subscriber checks count, order, duplicates and "
      "bodies.\nExit codes: 0 clean, 1 could not run, 2 bad usage or deliveries that were not as "
      "they should be,\n3 a --fail-if condition held.",
      "stampede-bench");
  app.require_subcommand(1);
  app.set_version_flag("--version", tools::version_line());
  app.get_formatter()->column_width(36);
  add_scenarios(app, line.options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    line.text = app.help();  // of the subcommand, if one was named
    return line;
  } catch (const CLI::CallForVersion& version) {
    line.text = std::string(version.what()) + "\n";
    return line;
  } catch (const CLI::ParseError& error) {
    return std::unexpected(std::string(error.what()) + " (see stampede-bench --help)");
  }
  if (Result<void> completed = complete(line.options); !completed)
    return std::unexpected(std::move(completed.error()));
  return line;
}

}  // namespace stampede::bench
