#include <fcntl.h>
#include <gtest/gtest.h>
#include <simdjson.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <sstream>
#include <thread>

#include "tools/stampede_bench/report/csv_report.h"
#include "tools/stampede_bench/report/hdr_report.h"
#include "tools/stampede_bench/report/json_report.h"
#include "tools/stampede_bench/report/plot_report.h"
#include "tools/stampede_bench/report/progress.h"
#include "tools/stampede_bench/report/quantity.h"
#include "tools/stampede_bench/report/report_file.h"
#include "tools/stampede_bench/report/server_watch.h"
#include "tools/stampede_bench/report/summary.h"

namespace stampede::bench {
namespace {

// 1..100 us exactly enough, 1000 deliveries in 2 s.
RunReport sample_run() {
  RunReport report;
  report.scenario = "fanout";
  report.url = "ws://127.0.0.1:15674/ws";
  report.parameters = {{"subscribers", "100"}, {"body", "128B"}};
  report.seconds = 2;
  report.published = 10;
  report.delivered = 1000;
  for (int64_t value = 1; value <= 100; ++value) report.latency.record(value, 10);
  report.completion.record(200, 10);
  report.server = ServerUse{
      .cpu_ns = 1'500'000, .rss_before_bytes = 4096, .rss_bytes = 8192, .rss_peak_bytes = 12288};
  report.load_cpu = 0.25;
  report.figures = {{"rss_per_connection_bytes", 1536.5}};
  report.series = {{.at_s = 1,
                    .seconds = 1,
                    .published = 5,
                    .delivered = 400,
                    .latency_p50_ns = 50'000,
                    .latency_p99_ns = 99'500,
                    .server_cpu = 0.75,
                    .load_cpu = 0.125,
                    .server_rss_bytes = 8192},
                   {.at_s = 2, .seconds = 1, .published = 5, .delivered = 600}};
  return report;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != text.npos;
}

// Keeps the parser's document while `root` is in use.
struct ParsedJson {
  explicit ParsedJson(const std::string& text) : padded(text) {
    EXPECT_EQ(parser.parse(padded).get(root), simdjson::SUCCESS) << text;
  }
  double number(const char* pointer) const { return root.at_pointer(pointer).get_double().value(); }
  std::string text(const char* pointer) const {
    return std::string(root.at_pointer(pointer).get_string().value());
  }
  bool is_null(const char* pointer) const { return root.at_pointer(pointer).is_null(); }

  simdjson::padded_string padded;
  simdjson::dom::parser parser;
  simdjson::dom::element root;
};

TEST(JsonReport, ReadsBackWithTheSameValues) {
  const ParsedJson json(json_report(sample_run()));
  EXPECT_EQ(json.text("/scenario"), "fanout");
  EXPECT_EQ(json.text("/url"), "ws://127.0.0.1:15674/ws");
  EXPECT_EQ(json.text("/parameters/subscribers"), "100");
  EXPECT_EQ(json.number("/seconds"), 2);
  EXPECT_EQ(json.number("/published"), 10);
  EXPECT_EQ(json.number("/delivered"), 1000);
  EXPECT_EQ(json.number("/deliveries_per_second"), 500);
  EXPECT_EQ(json.number("/latency_us/count"), 1000);
  EXPECT_EQ(json.number("/latency_us/p50"), 0.05);
  EXPECT_EQ(json.number("/latency_us/p90"), 0.09);
  EXPECT_EQ(json.number("/latency_us/p99"), 0.099);
  EXPECT_EQ(json.number("/latency_us/p99_9"), 0.1);
  EXPECT_EQ(json.number("/latency_us/p99_99"), 0.1);
  EXPECT_EQ(json.number("/latency_us/max"), 0.1);
  EXPECT_EQ(json.number("/latency_us/mean"), 0.0505);
  EXPECT_EQ(json.number("/completion_us/p50"), 0.2);
  EXPECT_EQ(json.number("/server/cpu_seconds"), 0.0015);
  EXPECT_EQ(json.number("/server/cpu_ns_per_delivery"), 1500);
  EXPECT_EQ(json.number("/server/cpu_share"), 0.00075);
  EXPECT_EQ(json.number("/server/rss_bytes"), 8192);
  EXPECT_EQ(json.number("/server/rss_before_bytes"), 4096);
  EXPECT_EQ(json.number("/server/rss_peak_bytes"), 12288);
  EXPECT_EQ(json.number("/load/cpu_share"), 0.25);
  EXPECT_FALSE(bool(json.root.at_pointer("/load/was_limit").get_bool()));
  EXPECT_EQ(json.number("/figures/rss_per_connection_bytes"), 1536.5);
  EXPECT_EQ(json.root.at_pointer("/series").get_array().size(), 2u);
  EXPECT_EQ(json.number("/series/0/at_s"), 1);
  EXPECT_EQ(json.number("/series/0/delivered"), 400);
  EXPECT_EQ(json.number("/series/0/latency_p99_ns"), 99'500);
  EXPECT_EQ(json.number("/series/0/server_cpu"), 0.75);
  EXPECT_EQ(json.number("/series/1/delivered"), 600);
}

TEST(JsonReport, EachErrorHasItsOwnName) {
  RunReport report = sample_run();
  report.errors = {.lost = 1,
                   .duplicated = 2,
                   .reordered = 3,
                   .corrupted = 4,
                   .disconnected = 5,
                   .refused = std::numeric_limits<uint64_t>::max()};
  const ParsedJson json(json_report(report));
  EXPECT_EQ(json.number("/errors/lost"), 1);
  EXPECT_EQ(json.number("/errors/duplicated"), 2);
  EXPECT_EQ(json.number("/errors/reordered"), 3);
  EXPECT_EQ(json.number("/errors/corrupted"), 4);
  EXPECT_EQ(json.number("/errors/disconnected"), 5);
  EXPECT_EQ(json.root.at_pointer("/errors/refused").get_uint64().value(), report.errors.refused);
}

TEST(JsonReport, KeepsWhateverTheFirstErrorHolds) {
  RunReport report = sample_run();
  report.first_error = "ERROR \"no\\such\"\n\r\t\b\x01\x1f\x7f</script> \xc3\xa4";
  report.first_error += '\0';
  EXPECT_EQ(ParsedJson(json_report(report)).text("/first_error"), report.first_error);
  EXPECT_EQ(lines_of(json_report(report)).size(), 1u);
}

TEST(JsonReport, OctetsThatAreNotUtf8BecomeOneCharacterEach) {
  RunReport report = sample_run();
  report.first_error = "cut \xc3";
  EXPECT_EQ(ParsedJson(json_report(report)).text("/first_error"), "cut \xc3\x83");
}

TEST(JsonReport, IsNullWhereNothingWasMeasured) {
  RunReport report;
  EXPECT_TRUE(ParsedJson(json_report(report)).is_null("/server"));
  report.server = ServerUse{.cpu_ns = 5};
  report.figures = {{"ratio", std::numeric_limits<double>::infinity()}};
  const ParsedJson json(json_report(report));
  EXPECT_TRUE(json.is_null("/server/cpu_ns_per_delivery"));
  EXPECT_EQ(json.number("/server/cpu_share"), 0);
  EXPECT_TRUE(json.is_null("/figures/ratio"));
  EXPECT_EQ(json.number("/deliveries_per_second"), 0);
  EXPECT_EQ(json.number("/latency_us/count"), 0);
}

TEST(HdrReport, HasTheLinesThatPlottersRead) {
  Histogram histogram;
  histogram.record(100'000, 999);
  histogram.record(2'000'000);
  const std::vector<std::string> lines = lines_of(hdr_report(histogram));
  ASSERT_GT(lines.size(), 6u);
  EXPECT_EQ(lines[0], "       Value     Percentile TotalCount 1/(1-Percentile)");
  EXPECT_EQ(lines[1], "");
  EXPECT_EQ(lines[2], "     100.351 0.000000000000        999           1.00");
  EXPECT_EQ(lines[3], "     100.351 0.100000000000        999           1.11");
  const size_t end = lines.size();
  EXPECT_EQ(lines[end - 4], "    2007.039 1.000000000000       1000");
  EXPECT_EQ(lines[end - 3], "#[Mean    =      101.998, StdDeviation   =       60.143]");
  EXPECT_EQ(lines[end - 2], "#[Max     =     2007.039, Total count    =         1000]");
  EXPECT_EQ(lines[end - 1], "#[Buckets =           38, SubBuckets     =          128]");
}

TEST(HdrReport, OfAnEmptyHistogramHasNoRows) {
  const std::vector<std::string> lines = lines_of(hdr_report(Histogram()));
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_TRUE(lines[2].starts_with("#[Mean"));
}

TEST(CsvReport, HasAColumnForEachNameInEachLine) {
  const std::vector<std::string> lines = lines_of(csv_report(sample_run()));
  ASSERT_EQ(lines.size(), 3u);
  for (const std::string& line : lines) EXPECT_EQ(std::ranges::count(line, ','), 9) << line;
  EXPECT_TRUE(lines[0].starts_with("at_s,seconds,published,delivered,deliveries_per_second,"));
  EXPECT_EQ(lines[1], "1.000,1.000,5,400,400.0,50.000,99.500,0.7500,0.1250,8192");
}

TEST(CsvReport, OfARunWithoutASeriesIsItsNames) {
  EXPECT_EQ(lines_of(csv_report(RunReport())).size(), 1u);
}

// What stands between the tags of the page's data.
std::string embedded_data(const std::string& page) {
  const std::string_view begin = "<script type=\"application/json\" id=\"data\">";
  const size_t at = page.find(begin) + begin.size();
  return page.substr(at, page.find("</script>", at) - at);
}

TEST(PlotReport, EmbedsTheRunAndItsCurves) {
  const ParsedJson json(embedded_data(plot_report(sample_run())));
  EXPECT_EQ(json.text("/report/scenario"), "fanout");
  EXPECT_EQ(json.number("/report/series/1/delivered"), 600);
  EXPECT_EQ(json.number("/latency/0/0"), 0);
  EXPECT_EQ(json.number("/latency/0/1"), 0.001);
  const auto last = json.root.at_pointer("/latency").get_array().size() - 1;
  EXPECT_EQ(json.number(("/latency/" + std::to_string(last) + "/0").c_str()), 100);
  EXPECT_EQ(json.number("/completion/0/1"), 0.2);
}

TEST(PlotReport, FetchesNothing) {
  const std::string page = plot_report(sample_run());
  for (const char* reference : {"http:", "https:", "src=", "href=", "@import", "url(", "fetch(",
                                "XMLHttpRequest", "import(", "//cdn", "{{data}}"}) {
    EXPECT_FALSE(contains(page, reference)) << reference;
  }
}

TEST(PlotReport, TextOfTheRunCannotLeaveItsScriptElement) {
  RunReport report = sample_run();
  report.first_error = "</script><script>alert(1)</script><!-- {{data}}";
  const std::string page = plot_report(report);
  EXPECT_FALSE(contains(page, "<script>alert"));
  EXPECT_EQ(ParsedJson(embedded_data(page)).text("/report/first_error"), report.first_error);
}

TEST(Summary, NamesWhatWasMeasured) {
  const std::string text = summary(sample_run());
  for (const char* part :
       {"fanout ws://127.0.0.1:15674/ws", "subscribers 100, body 128B", "1,000  500 /s", "p99.99",
        "50 ns", "completion", "1.50 us per delivery", "8.00 KiB, before 4.00 KiB, peak 12.0 KiB",
        "0.25 of a core", "rss_per_connection_bytes  1.50 KiB"}) {
    EXPECT_TRUE(contains(text, part)) << part << "\n" << text;
  }
  EXPECT_TRUE(contains(text, "errors                    none\n")) << text;
  EXPECT_FALSE(contains(text, "first error"));
  EXPECT_FALSE(contains(text, "bottleneck"));
}

TEST(Summary, SaysWhenTheLoadGeneratorWasTheBottleneck) {
  RunReport report = sample_run();
  report.load_was_limit = true;
  report.load_cpu = 0.99;
  EXPECT_TRUE(contains(summary(report),
                       "The load generator was the bottleneck: its busiest thread used 0.99 of a "
                       "core."));
}

TEST(Summary, ErrorsAreCountedByNameAndCannotSteerTheTerminal) {
  RunReport report = sample_run();
  report.errors.lost = 1234;
  report.errors.refused = 1;
  report.first_error = "\x1b[2Jgone\n";
  const std::string text = summary(report);
  EXPECT_TRUE(contains(text, "1,234 lost, 1 refused\n")) << text;
  EXPECT_TRUE(contains(text, "\\x1b[2Jgone\\x0a\n")) << text;
}

TEST(Summary, LeavesOutWhatWasNotMeasured) {
  const std::string text = summary(RunReport());
  for (const char* part : {"latency", "completion", "server", "p99", "first error"}) {
    EXPECT_FALSE(contains(text, part)) << part << "\n" << text;
  }
}

TEST(Quantity, HasThreeDigitsAndAFittingUnit) {
  EXPECT_EQ(format_nanoseconds(0), "0 ns");
  EXPECT_EQ(format_nanoseconds(999), "999 ns");
  EXPECT_EQ(format_nanoseconds(12.34), "12.3 ns");
  EXPECT_EQ(format_nanoseconds(1000), "1.00 us");
  EXPECT_EQ(format_nanoseconds(99'949), "99.9 us");
  EXPECT_EQ(format_nanoseconds(99'950), "100 us");
  EXPECT_EQ(format_nanoseconds(999'600), "1.00 ms");
  EXPECT_EQ(format_nanoseconds(1.5e9), "1.50 s");
  EXPECT_EQ(format_nanoseconds(123e9), "123 s");
  EXPECT_EQ(format_bytes(1000), "1000 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1024), "1.00 KiB");
  EXPECT_EQ(format_bytes(uint64_t{5} << 30), "5.00 GiB");
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1000), "1,000");
  EXPECT_EQ(format_count(1234567), "1,234,567");
  EXPECT_EQ(format_number(-1234567.2), "-1,234,567");
  EXPECT_EQ(format_number(0.25), "0.25");
  EXPECT_EQ(format_number(12), "12");
  EXPECT_EQ(format_by_name("settle_ms", 2500), "2.50 s");
  EXPECT_EQ(format_by_name("kept_bytes", 2048), "2.00 KiB");
  EXPECT_EQ(format_by_name("rounds", 2048), "2,048");
}

// Both ends of a terminal 40 columns wide.
struct Terminal {
  Terminal() : outer(posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK)) {
    EXPECT_EQ(grantpt(outer), 0);
    EXPECT_EQ(unlockpt(outer), 0);
    inner = open(ptsname(outer), O_RDWR | O_NOCTTY);
    const winsize size = {.ws_row = 10, .ws_col = 40, .ws_xpixel = 0, .ws_ypixel = 0};
    EXPECT_EQ(ioctl(inner, TIOCSWINSZ, &size), 0);
  }
  ~Terminal() {
    close(inner);
    close(outer);
  }
  std::string shown() const {
    char text[1024];
    const ssize_t size = read(outer, text, sizeof text);
    return {text, static_cast<size_t>(std::max<ssize_t>(size, 0))};
  }

  int outer;
  int inner = -1;
};

TEST(Progress, SaysHowFarAndHowFast) {
  const std::string line = progress_line(sample_run().series[0], 10);
  EXPECT_EQ(line,
            "  1 s of 10   400 deliveries/s   p50 50.0 us  p99 99.5 us   cores: load 0.12  "
            "server 0.75");
  EXPECT_TRUE(progress_line(sample_run().series[1], 0).starts_with("  2 s   600 deliveries/s"));
  EXPECT_FALSE(contains(progress_line(sample_run().series[1], 0), "server"));
}

TEST(Progress, RewritesOneLineOfATerminalAndErasesIt) {
  const Terminal terminal;
  {
    Progress progress(terminal.inner, 10);
    progress.show(sample_run().series[0]);
    EXPECT_EQ(terminal.shown(),
              "\r\x1b[K" + progress_line(sample_run().series[0], 10).substr(0, 39));
    progress.erase();
    EXPECT_EQ(terminal.shown(), "\r\x1b[K");
    progress.erase();
    EXPECT_EQ(terminal.shown(), "");
    progress.show(sample_run().series[1]);
    EXPECT_TRUE(terminal.shown().starts_with("\r\x1b[K  2 s of 10"));
  }
  EXPECT_EQ(terminal.shown(), "\r\x1b[K");
}

TEST(Progress, IsSilentWhereNobodyWatches) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_NONBLOCK), 0);
  {
    Progress progress(ends[1], 10);
    progress.show(sample_run().series[0]);
  }
  char octet;
  EXPECT_EQ(read(ends[0], &octet, 1), -1);
  close(ends[0]);
  close(ends[1]);
}

TEST(ReportFile, HoldsTheTextOrSaysWhyNot) {
  const std::string path = testing::TempDir() + "bench_report_" + std::to_string(getpid());
  ASSERT_TRUE(write_report_file(path, "one\ntwo\n"));
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), "one\ntwo\n");
  unlink(path.c_str());
  const Result<void> refused = write_report_file("/no such folder/report.json", "");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), "cannot write /no such folder/report.json: No such file or directory");
}

void use_cpu(int64_t nanoseconds) {
  const int64_t until = thread_cpu_ns() + nanoseconds;
  while (thread_cpu_ns() < until) {
  }
}

TEST(ServerWatch, CountsAllThreadsAlsoThoseThatEnded) {
  constexpr int64_t kUsed = 20'000'000;
  ServerWatch watch(getpid());
  const int64_t before = watch.cpu_ns();
  std::thread(use_cpu, kUsed).join();
  use_cpu(kUsed);
  EXPECT_GE(watch.cpu_ns() - before, 2 * kUsed);
  EXPECT_GT(watch.rss_bytes(), 1024u * 1024);
  EXPECT_TRUE(watch.is_alive());
}

TEST(ServerWatch, KeepsItsLastFigureWhenTheProcessEnds) {
  int stop[2];
  ASSERT_EQ(pipe(stop), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(stop[1]);
    char octet;
    _exit(static_cast<int>(read(stop[0], &octet, 1)));
  }
  ServerWatch watch(child);
  EXPECT_TRUE(watch.is_alive());
  const int64_t used = watch.cpu_ns();
  close(stop[0]);
  close(stop[1]);
  // Ended, but not collected yet.
  siginfo_t ended;
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT), 0);
  EXPECT_FALSE(watch.is_alive());
  EXPECT_EQ(watch.rss_bytes(), 0u);
  const int64_t used_at_end = watch.cpu_ns();
  EXPECT_GE(used_at_end, used);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_FALSE(watch.is_alive());
  EXPECT_EQ(watch.cpu_ns(), used_at_end);
}

}  // namespace
}  // namespace stampede::bench
