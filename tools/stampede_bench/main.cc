// stampede-bench: loads a broker as it is told, checks every delivery, and reports.

#include <sys/resource.h>

#include <cstdio>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/stampede_bench/flags.h"
#include "tools/stampede_bench/load/load_control.h"
#include "tools/stampede_bench/report/csv_report.h"
#include "tools/stampede_bench/report/fail_if.h"
#include "tools/stampede_bench/report/hdr_report.h"
#include "tools/stampede_bench/report/json_report.h"
#include "tools/stampede_bench/report/plot_report.h"
#include "tools/stampede_bench/report/report_file.h"
#include "tools/stampede_bench/report/summary.h"

namespace stampede::bench {
namespace {

enum ExitCode : int { kClean = 0, kCouldNotRun = 1, kErrors = 2, kBadUsage = 2, kFailIf = 3 };

int fail(ExitCode code, std::string_view why) {
  std::fprintf(stderr, "stampede-bench: %.*s\n", static_cast<int>(why.size()), why.data());
  return code;
}

// Connections need descriptors: as many as the system lets us have.
void raise_descriptor_limit() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

void add_parameters(const BenchOptions& options, RunReport& report) {
  const auto add = [&report](const char* name, const std::string& value) {
    report.parameters.emplace_back(name, value);
  };
  add("subscribers", std::to_string(options.subscribers));
  if (options.scenario != Scenario::kIdle) {
    if (options.scenario != Scenario::kEcho) add("publishers", std::to_string(options.publishers));
    add("body_bytes", std::to_string(options.body_bytes));
    if (options.rate > 0) {
      add("rate", std::to_string(options.rate));
    } else {
      add("window", std::to_string(options.window));
      add("burst", std::to_string(options.burst));
    }
  }
  if (options.scenario != Scenario::kEcho)
    add("destinations", std::to_string(options.destinations));
  add("subscription_id", options.has_uuid_ids ? "uuid" : "fixed");
  if (options.scenario == Scenario::kQueue) add("ack", options.ack);
  add("threads", std::to_string(options.threads));
}

// Nothing that was asked for is left out because something before it failed.
bool write_files(const BenchOptions& options, const RunReport& report) {
  struct File {
    const std::string& path;
    std::function<std::string()> text;
  };
  const File files[] = {
      {options.json_file, [&] { return json_report(report); }},
      {options.csv_file, [&] { return csv_report(report); }},
      {options.hdr_file, [&] { return hdr_report(report.latency); }},
      {options.plot_file, [&] { return plot_report(report); }},
  };
  bool is_written = true;
  for (const File& file : files) {
    if (file.path.empty()) continue;
    if (Result<void> written = write_report_file(file.path, file.text()); !written) {
      fail(kCouldNotRun, written.error());
      is_written = false;
    }
  }
  return is_written;
}

std::vector<std::string> figure_names(const BenchOptions& options) {
  std::vector<std::string> names = {"connect_p50_us", "connect_p99_us"};
  if (options.scenario == Scenario::kChurn) names.emplace_back("churned");
  if (options.server_pid == 0) return names;
  names.emplace_back("rss_per_connection_bytes");
  names.emplace_back("connect_cpu_us");
  if (options.scenario == Scenario::kChurn) names.emplace_back("rss_growth_bytes");
  return names;
}

int run(const BenchOptions& options) {
  std::vector<FailIf> conditions;
  for (const std::string& text : options.fail_if) {
    Result<FailIf> condition = parse_fail_if(text, figure_names(options));
    if (!condition) return fail(kBadUsage, condition.error());
    conditions.push_back(std::move(*condition));
  }
  raise_descriptor_limit();
  Result<RunReport> report = run_load(options);
  if (!report) return fail(kCouldNotRun, report.error());
  add_parameters(options, *report);
  // Standard output is the JSON's if it was asked for there.
  std::FILE* const terminal = options.json_file == "-" ? stderr : stdout;
  std::fputs(summary(*report).c_str(), terminal);
  const bool is_written = write_files(options, *report);
  const std::vector<std::string> held = held_conditions(conditions, *report);
  for (const std::string& sentence : held) fail(kFailIf, sentence);
  if (!is_written) return kCouldNotRun;
  if (report->errors.total() > 0) return kErrors;
  return held.empty() ? kClean : kFailIf;
}

}  // namespace
}  // namespace stampede::bench

int main(int argc, char** argv) {
  using namespace stampede::bench;
  const stampede::Result<CommandLine> line = parse_command_line(argc, argv);
  if (!line) return fail(kBadUsage, line.error());
  if (line->text.empty()) return run(line->options);
  std::fputs(line->text.c_str(), stdout);
  return kClean;
}
